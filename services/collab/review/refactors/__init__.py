"""Refactors: one change over many scenes, found, reviewed, applied and reverted as one."""
