"""Which events there are, made from the model: what each says, as documents for subscribers.

`types` is the catalogue, `schemas` writes JSON Schemas, `asyncapi` the AsyncAPI document,
`compatibility` says whether a schema may follow another. `python -m services.events.catalogue`
writes all of them into `docs`.
"""
