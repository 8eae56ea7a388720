"""The audit trail of a project, in sentences, and its activity by the hour."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from libs import errors
from libs.contracts.events.audit import (
    ACTIVITY_DAYS_MAX,
    AUDIT_DEADLINE_S,
    AUDIT_PAGE_DEFAULT,
    AUDIT_PAGE_MAX,
    LIST_AUDIT,
    READ_ACTIVITY,
    AggregateType,
    AuditLine,
    EventType,
    ProjectActivity,
)
from libs.contracts.events.event import Source
from libs.contracts.pages import Cursor, Page
from libs.contracts.values import Moment
from libs.contracts.wire import Wire
from services.gateway.access.limits import LimitClass
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.pages import page_of
from services.gateway.http.route import AnyCall, Query

_THINGS = {"team_grant": "team"}
VALUE_CHARS_MAX = 60
"""Of a name or value within a sentence; the whole one is beside it."""


class AuditQuery(Query):
    """A filter for the trail: every given member must match."""

    user_id: UUID | None = None
    aggregate_type: AggregateType | None = None
    aggregate_id: UUID | None = None
    event_type: EventType | None = None
    source: Source | None = None
    since: Annotated[Moment | None, Field(alias="from")] = None
    until: Annotated[Moment | None, Field(alias="to")] = None
    cursor: Cursor | None = None
    limit: Annotated[int, Field(ge=1, le=AUDIT_PAGE_MAX)] = AUDIT_PAGE_DEFAULT


class AuditEntry(AuditLine):
    """A line of the trail, with the name of who did it and a sentence."""

    display_name: str | None
    summary: str


class Period(Query):
    """From when to when; without `from` the day before `to`, without `to` up to now."""

    since: Annotated[Moment | None, Field(alias="from")] = None
    until: Annotated[Moment | None, Field(alias="to")] = None


class ActiveHour(Wire):
    """An hour in which something happened: how many events, and of which types."""

    hour: datetime
    total: int
    counts: dict[str, int]


class Activity(Wire):
    """The hours in which something happened, the oldest first.

    `moreFrom` is where to ask on when not all fitted; null when they did.
    """

    items: list[ActiveHour]
    more_from: datetime | None


async def _with_sentences(context: Context, _: AnyCall, trail: Page[AuditLine]) -> Page[AuditEntry]:
    subjects = {line.subject_id for line in trail.items if line.subject_id}
    actors = {line.user_id for line in trail.items if line.user_id}
    people = await context.people.names(subjects | actors)
    teams = await context.teams.names(subjects)
    items = [_entry(each, people, teams) for each in trail.items]
    return Page(items=items, next_cursor=trail.next_cursor)


async def _period(_: Context, call: AnyCall) -> Mapping[str, Any]:
    until = call.query.until or datetime.now(UTC)
    since = call.query.since or until - timedelta(days=1)
    if since >= until or until - since > timedelta(days=ACTIVITY_DAYS_MAX):
        detail = f"must be before `to`, by {ACTIVITY_DAYS_MAX} days at most"
        raise errors.Invalid(
            f"query.from: {detail}", errors=[{"field": "query.from", "detail": detail}]
        )
    return {"since": since, "until": until}


async def _by_hour(_: Context, _call: AnyCall, found: ProjectActivity) -> Activity:
    hours: list[ActiveHour] = []
    for hour, rows in groupby(found.items, key=lambda row: row.hour):
        counts = {row.event_type: row.count for row in rows}
        hours.append(ActiveHour(hour=hour, total=sum(counts.values()), counts=counts))
    return Activity(items=hours, more_from=found.more_from)


def _entry(line: AuditLine, people: Mapping[UUID, str], teams: Mapping[UUID, str]) -> AuditEntry:
    who = people.get(line.user_id) if line.user_id else None
    if line.subject_id:
        names = teams if line.aggregate_type == "team_grant" else people
        line = line.model_copy(update={"name": names.get(line.subject_id)})
    return AuditEntry(**dict(line), display_name=who, summary=sentence(line, who))


def sentence(line: AuditLine, who: str | None) -> str:
    """Return a line as a person reads it: `Mary changed title of scene “Ice” to “Snow”`."""
    if line.deed is None:
        return "A record that does not continue its log; it waits for a decision."
    thing = _THINGS.get(line.aggregate_type, line.aggregate_type.replace("_", " "))
    if line.name:
        thing += f" “{_short(line.name)}”"
    if line.field is None:
        return f"{who or 'Somebody'} {line.deed} {thing}"
    words = "".join(f" {each.lower()}" if each.isupper() else each for each in line.field)
    told = f"{who or 'Somebody'} changed {words.replace('.', ' ')} of {thing}"
    if not _tellable(line.new_value):
        return told
    if _tellable(line.old_value):
        told += f" from {_value(line.old_value)}"
    return f"{told} to {_value(line.new_value)}"


def _tellable(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _value(value: Any) -> str:
    return f"“{_short(value)}”" if isinstance(value, str) else json.dumps(value)


def _short(text: str) -> str:
    return text if len(text) <= VALUE_CHARS_MAX else text[: VALUE_CHARS_MAX - 1] + "…"


_row = partial(Endpoint, tag="Audit", cost=LimitClass.READ, place="project")

ENDPOINTS = (
    _row(
        "GET",
        "/api/projects/{id}/audit",
        LIST_AUDIT,
        summary="Who did what in a project, and when",
        description=(
            "The newest first. A page may be shorter than asked for, even empty, before"
            " the end: go on while there is a `nextCursor`. `from` is included, `to` is"
            " not."
        ),
        query=AuditQuery,
        action="audit.read",
        deadline_s=AUDIT_DEADLINE_S,
        show=_with_sentences,
        answer=page_of(AuditEntry),
    ),
    _row(
        "GET",
        "/api/projects/{id}/activity",
        READ_ACTIVITY,
        summary="How much happened in a project, by the hour",
        description=f"At most {ACTIVITY_DAYS_MAX} days; the current hour is counted live.",
        query=Period,
        action="activity.read",
        prepare=_period,
        show=_by_hour,
        answer=Activity,
    ),
)
