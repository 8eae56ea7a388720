"""The feed of a project: its events in commit order, from any position on.

The order is that of the relay (`sync_positions`), so a client that continues from a position at
another replica misses no event and gets none twice.
"""
