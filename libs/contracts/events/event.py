"""Domain events: immutable facts about an aggregate, each a delta.

Names are `{aggregate}.{action}` in the past tense. The generic actions of every aggregate are
`created`, `<field>_changed`, `moved`, `deleted` and `restored`. Links between things (relations,
taggings, appearances) do not last: they are `removed`, with their last values. Members and
team grants have `added`, `role_changed` and `removed`. A project is also `archived` and
`unarchived`. A field of a component carries its name: `entity.task_status_changed`. An
entity's file changes as a whole: `file_uploaded` and `file_deleted` have `url`, `path`, `size`,
`type`, `checksum` and `preview` of the file, and in `from` the previous file, or null; an uploaded
file also has its `claimId`. The last event of all is `purged`: it stands for all earlier events,
which the log no longer holds; its data are the number of these `events` and the `checksum` of the
last one.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from libs.contracts.wire import Wire

DATA_BYTES_MAX = 512 * 1024
"""Of an event's data: the largest thing that a client may make, one field after the other, and the
largest change, which holds the old value and the new one. Both fit whatever they are written in, so
that what was accepted can be changed, copied, exported and imported; a test computes it.
"""


class Source(StrEnum):
    """The cause of an event."""

    API = "api"
    AUTOMATION = "automation"
    SYNC = "sync"
    MIGRATION = "migration"
    SYSTEM = "system"


class Event(Wire):
    """One fact, as it is stored and as subscribers receive it.

    `version` counts the aggregate's events from 1 without a gap. `checksum` is the SHA-256 of the
    previous event's checksum and this event's canonical content, so a chain cannot be altered
    unseen. `bundle_id` is shared by the events of one user action.
    """

    id: UUID
    aggregate_id: UUID
    aggregate_type: str
    event_type: str
    project_id: UUID
    user_id: UUID
    data: dict[str, Any]
    metadata: dict[str, Any]
    timestamp: datetime
    version: int
    causation_id: UUID | None
    correlation_id: str
    source: Source
    bundle_id: UUID
    checksum: str


class Announcement(Wire):
    """An event on the bus: the fact and its place in the commit order.

    `position` grows without ever going back, in the order in which events became visible; a
    subscriber that has seen position p has been offered every event up to p.
    """

    position: int
    event: Event
