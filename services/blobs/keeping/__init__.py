"""Stored bytes: verified periodically, and moved to the cold tier when they are not read."""
