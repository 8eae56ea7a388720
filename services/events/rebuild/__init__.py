"""Rebuilding the projections from the log: a command, `python -m services.events.rebuild`.

It runs as the owner of the tables, in a process of its own: it makes a schema and locks out
writers for a moment, which the service's role has no right to; it needs no service to be up; and
a long replay is on nobody's event loop. `replay` folds the log into fresh tables, `proof`
compares them with the live ones, `swap` puts them in their place while writes go on.
"""
