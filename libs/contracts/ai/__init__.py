"""Requests that the ai service answers, and facts that it announces."""
