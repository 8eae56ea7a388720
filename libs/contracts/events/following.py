"""Following a project: its events after a position, as far as they were announced.

A position is an event's place in the commit order of the whole log, so it means the same to every
replica, and a reader that was told `upto` has seen all of its project's events up to there.
"""

from typing import Any

from pydantic import Field

from libs.contracts.events.event import Announcement
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire

PAGE_EVENTS_MAX = 100
"""Or fewer: a page ends before it is more than the bus carries at once."""
POSITION_MAX = 2**63 - 1


class Follow(Wire):
    """The events of the actor's project after a position; without one, only where the log stands.

    `heard` is the newest position that the asker heard announced: nothing up to there is waited
    for, though the announcement may not be noted yet.
    """

    after: int | None = Field(default=None, ge=-POSITION_MAX, le=POSITION_MAX)
    heard: int = Field(default=0, ge=0, le=POSITION_MAX)


class Followed(Wire):
    """Events in commit order: all up to `upto`, of which there are `more` by now or not."""

    items: list[Announcement]
    upto: int
    more: bool


class Describe(Wire):
    """Describe all types of events."""


class Described(Wire):
    """The AsyncAPI document of this release, and the names of its event types."""

    types: list[str]
    asyncapi: dict[str, Any]


FOLLOW = Method("events", "follow", Follow, Followed)
DESCRIBE = Method("events", "describe_events", Describe, Described)
