"""Suggestions: changes that somebody accepts, each by one edit, or rejects."""
