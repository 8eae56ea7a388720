"""Bundles: many operations as one user action, their undoing, and the output of jobs.

`steps` reads operations, `plan` turns them into drafts and conflicts, `inverse` finds what undoes a
bundle, `names` says it for people: all of it pure, and about any kind of aggregate. `commit` runs
a plan in a transaction; `handlers`, `undoing` and `jobs` answer requests.
"""
