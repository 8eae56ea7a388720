"""Keeping the log short and whole: compaction, retention, and finding and repairing damage."""
