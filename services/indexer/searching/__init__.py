"""Answering searches, and telling of the index."""
