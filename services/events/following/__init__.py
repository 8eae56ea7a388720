"""What followers of a project are told: its events in commit order, from any position on.

The order is the relay's (`sync_positions`), so a follower that goes on from a position elsewhere
misses nothing and meets nothing twice.
"""
