"""Requests of operators to the events service about its log."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from libs.contracts.events.event import Event
from libs.contracts.pages import Page
from libs.contracts.rpc import Method
from libs.contracts.values import Instant, Moment
from libs.contracts.wire import Wire

REASON_CHARS_MAX = 2000
NAME_CHARS_MAX = 200
SEARCH_EVENTS_MAX = 500
QUARANTINED_MAX = 500
HOURS_MAX = 10_000
ORIGINALS_MAX = 500

type Flaw = Literal["altered", "missing", "forked"]
type State = Literal["open", "recovered", "accepted", "cleared"]


class Place(Wire):
    """How far a walk through the log has come."""

    project_id: UUID
    aggregate_id: UUID


class Flawed(Wire):
    """An event that does not continue its aggregate's chain."""

    project_id: UUID
    aggregate_id: UUID
    version: int
    flaw: Flaw


class Walk(Wire):
    """Go on from *after*; of one project, or of all."""

    project_id: UUID | None = None
    after: Place | None = None


class Verified(Wire):
    """The result of one step of a verification; `after` is null in the last one.

    `events_all` and `aggregates_all` say how much there is on the first step, and are 0 later;
    `lost_heads`, on the last, how many aggregates have events that no walk comes to, because the
    end of their chain is not recorded any more.
    """

    aggregates: int
    events: int
    flawed: list[Flawed]
    after: Place | None = None
    aggregates_all: int = 0
    events_all: int = 0
    lost_heads: int = 0


class Exported(Wire):
    """Aggregates as their events make them, in no order among kinds.

    Each item holds `aggregateType` and the columns of its `row`; `damaged` tells of those whose
    log has an open flaw, which were folded without the flawed events.
    """

    items: list[dict[str, Any]]
    damaged: list[Flawed]
    after: Place | None = None


class Inspect(Wire):
    """Return one aggregate's history, by its id or by the id of one of its events."""

    id: UUID
    limit: int = Field(default=200, ge=1, le=SEARCH_EVENTS_MAX)


class Chapter(Wire):
    """One event of a story; `sound` when it continues the chain, `state` of its quarantine."""

    event: Event
    sound: bool
    state: State | None = None


class Story(Wire):
    """The newest events of an aggregate, in ascending order, and the state that they fold into."""

    aggregate_id: UUID
    aggregate_type: str
    project_id: UUID
    version: int
    chapters: list[Chapter]
    flawed: list[Flawed]
    row: dict[str, Any] | None


class Search(Wire):
    """Events that meet all conditions, the newest first."""

    project_id: UUID | None = None
    user_id: UUID | None = None
    type: str | None = None
    text: str | None = None
    since: Instant | None = None
    until: Instant | None = None
    limit: int = Field(default=50, ge=1, le=SEARCH_EVENTS_MAX)


class Found(Wire):
    """Events as they are stored, sound or not: the newest, as many as one answer carries."""

    events: list[Event]


class Quarantined(Wire):
    """A quarantined event, and the decision about it."""

    project_id: UUID
    aggregate_id: UUID
    version: int
    event_id: UUID | None
    flaw: Flaw
    state: State
    found_by: str
    found_at: datetime
    stored: dict[str, Any] | None
    recovered: dict[str, Any] | None
    decisions: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])


class ListQuarantine(Wire):
    """List quarantined events; with *all* also those about which was decided."""

    project_id: UUID | None = None
    all: bool = False


class ShowQuarantined(Wire):
    """One quarantined event, with the decisions about it."""

    aggregate_id: UUID
    version: int


class Decide(Wire):
    """Accept an event as it is stored, or put the original, from a peer's copy, in its place.

    When events after it are missing too, all their originals are given at once, in order: only
    together do they show that they continue the chain.
    """

    aggregate_id: UUID
    version: int
    originals: list[Event] = Field(default_factory=list[Event], max_length=ORIGINALS_MAX)
    by: str = Field(min_length=1, max_length=NAME_CHARS_MAX)
    reason: str = Field(min_length=1, max_length=REASON_CHARS_MAX)


class Republish(Wire):
    """Announce once more what happened since a time."""

    since: Instant | None = None


class Republished(Wire):
    """How many facts wait to be announced once more."""

    queued: int


class RefillLeft(Wire):
    """How many are still waiting?"""


class Activity(Wire):
    """Events of the actor's project by the hour."""

    since: Moment
    until: Moment


class Hour(Wire):
    """How often something happened in an hour."""

    aggregate_type: str
    event_type: str
    hour: datetime
    count: int


VERIFY = Method("events", "verify", Walk, Verified)
EXPORT = Method("events", "export", Walk, Exported)
INSPECT = Method("events", "inspect", Inspect, Story)
SEARCH = Method("events", "search_log", Search, Found)
QUARANTINE = Method("events", "quarantine", ListQuarantine, Page[Quarantined])
SHOW_QUARANTINED = Method("events", "show_quarantined", ShowQuarantined, Quarantined)
DECIDE = Method("events", "decide_quarantined", Decide, Quarantined)
REPUBLISH = Method("events", "republish", Republish, Republished)
REFILL_LEFT = Method("events", "refill_left", RefillLeft, Republished)
ACTIVITY = Method("events", "activity", Activity, Page[Hour])
