"""Requests to the blobs service."""
