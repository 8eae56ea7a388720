"""Pure domain of the event log: no I/O, no clock, no client.

`aggregate` describes a kind of aggregate, `aggregates/` has one short file per kind, `log`
turns pending events into chained events and events into rows, `chain` checks chains, `merge`
compares concurrent changes, `rank` orders siblings.
"""
