"""Blobs as values; pure functions."""
