"""The end of things: projects closed against changes, and what is deleted for ever.

`archiving` closes and opens; what that means is `services.events.store.guard`. `orders` takes
orders to purge, from people, operators and retention; `purger` carries them out, step by step.
"""
