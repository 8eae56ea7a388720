"""Suggestions of formatting: words with marks, whole blocks, and their types and attributes."""
