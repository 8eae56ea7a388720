"""The audit trail: the changes in a project with person and time, and their number by the hour."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from libs.contracts.events.event import Source
from libs.contracts.pages import Cursor, Page
from libs.contracts.rpc import Method
from libs.contracts.values import Instant, Moment
from libs.contracts.wire import Enveloped, Wire

AUDIT_PAGE_MAX = 500
AUDIT_PAGE_DEFAULT = 50
AUDIT_DEADLINE_S = 10.0
"""Old events are unpacked, so a page may take longer than most answers."""
ACTIVITY_DAYS_MAX = 31
ACTIVITY_ROWS_MAX = 20_000
"""Hours by types of event, of one answer."""

AggregateType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}$")]
EventType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}\.[a-z][a-z_]{0,59}$")]


class AuditFilter(Wire):
    """A filter for events: every given member must match. `until` is not included."""

    user_id: UUID | None = None
    aggregate_type: AggregateType | None = None
    aggregate_id: UUID | None = None
    event_type: EventType | None = None
    source: Source | None = None
    since: Moment | None = None
    until: Moment | None = None


class ListAudit(Enveloped, AuditFilter):
    """A page of the audit trail of the actor's project, the newest first."""

    envelope = ("filters", AuditFilter)

    cursor: Cursor | None = None
    limit: Annotated[int, Field(ge=1, le=AUDIT_PAGE_MAX)] = AUDIT_PAGE_DEFAULT


class AuditLine(Wire):
    """One event: the person, the time, the thing and the change.

    `subject_id` is the person of a `member`, or the team of a `team_grant`. `deed` is `changed`
    with a `field`, or another action (`created`, `moved`, `deleted`). `name` is the name of the
    thing now, or its last one. A created thing has all its first values in `new_value`, a purged
    thing its last ones in `old_value`. An event that does not continue its log is quarantined: its
    line has its position, but neither its content nor a `deed`.
    """

    id: UUID
    timestamp: datetime
    event_type: str
    aggregate_type: str
    aggregate_id: UUID
    version: int
    user_id: UUID | None = None
    deed: str | None = None
    subject_id: UUID | None = None
    name: str | None = None
    field: str | None = None
    old_value: Any = None
    new_value: Any = None
    source: Source | None = None
    bundle_id: UUID | None = None
    correlation_id: str | None = None
    causation_id: UUID | None = None


class ReadActivity(Wire):
    """Count the events of the actor's project by the hour, from the hour of *since* to *until*."""

    since: Instant
    until: Instant


class HourCount(Wire):
    """How many events of one type an hour had."""

    hour: datetime
    event_type: str
    count: int


class ProjectActivity(Wire):
    """The oldest hour first; `more_from` is the hour to ask on from when not all were told."""

    items: list[HourCount]
    more_from: datetime | None = None


LIST_AUDIT = Method("events", "list_audit", ListAudit, Page[AuditLine])
"""A page may be short or even empty before the end, at which `next_cursor` is null."""
READ_ACTIVITY = Method("events", "read_activity", ReadActivity, ProjectActivity)
