"""Requests of operators to the blobs service, and the wiring of its background work."""
