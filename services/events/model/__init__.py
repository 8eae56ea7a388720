"""Pure domain of the event log: no I/O, no clock, no client.

`aggregate` describes a kind of aggregate, `aggregates/` holds one short file per kind, `log`
turns drafts into chained events and events into rows, `merge` weighs concurrent changes, `rank`
orders siblings.
"""
