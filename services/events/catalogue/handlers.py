"""The handler that describes the event types to the gateway."""

from functools import cache

from libs.contracts.actor import Actor
from libs.contracts.events.following import Describe, Described
from services.events.catalogue.asyncapi import asyncapi
from services.events.catalogue.types import announced_types


async def describe(_: Describe, __: Actor) -> Described:
    """Describe the events of this release."""
    return _described()


@cache
def _described() -> Described:
    types = announced_types()
    return Described(
        types=[each.name for each in types if each.is_streamed], asyncapi=asyncapi(types)
    )
