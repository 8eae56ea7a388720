"""The catalogue of event types, made from the model, as documents for subscribers.

`types` is the catalogue, `schemas` makes JSON Schemas, `asyncapi` the AsyncAPI document, and
`compatibility` checks whether a schema may replace another. `python -m services.events.catalogue`
writes all of them into `docs`.
"""
