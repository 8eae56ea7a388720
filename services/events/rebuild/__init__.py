"""Rebuilding the projections from the log: a command, `python -m services.events.rebuild`.

It runs as the owner of the tables, in a process of its own: it creates a schema and blocks
writers for a moment, which the role of the service may not do; it needs no running service; and a
long replay does not block an event loop. `replay` folds the log into fresh tables, `proof`
compares them with the live ones, `swap` replaces the rows that differ while writes go on.
"""
