"""Archived projects, which are closed against changes, and purges, which delete for ever.

`archiving` closes and opens projects; `services.events.store.guard` enforces that. `orders` accepts
orders to purge from people, operators and retention; `purger` carries them out, step by step.
"""
