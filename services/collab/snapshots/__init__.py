"""Snapshots: what a scene reads like, written down as blocks for those who cannot ask the log.

Nothing is imported here: worker processes come in through this package, and need only `rendering`.
"""
