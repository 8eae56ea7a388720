"""Sync: offline peers push checkpoints of operations and pull events in commit order."""
