"""The kinds of runs, step by step."""
