"""Finds anything in a project: chunks of its texts, their vectors, and search."""
