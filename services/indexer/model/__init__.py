"""Chunks, how they are known again, and snippets: pure."""
