"""Requests that the indexer answers."""
