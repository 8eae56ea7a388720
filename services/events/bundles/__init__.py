"""Bundles: many operations as one user action, their undo, and the output of jobs.

`steps` parses operations, `plan` turns them into events and conflicts, `inverse` finds the steps
that undo a bundle, `names` describes operations for people: all of it pure and generic over kinds.
`commit` runs a plan in a transaction; `handlers`, `undoing` and `jobs` answer requests.
"""
