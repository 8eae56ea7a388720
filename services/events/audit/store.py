"""Queries of the audit trail: rows by index, then chunks from the newest to the oldest."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from libs.contracts.events.audit import AuditFilter
from libs.contracts.events.event import Event
from libs.postgres import Connection, load_queries
from services.events.bundles.names import NAMING
from services.events.model.aggregates import AGGREGATES
from services.events.store import Reader, events_from_rows

SQL = load_queries("services.events.audit")

CHUNKS_MAX = 32
"""Chunks of a thousand events that are unpacked for one page; their end ends the page, too."""

type AuditMark = tuple[datetime, UUID]
"""The time and id of the last event of a page; the next page has the events before it."""

_LAST = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """The project and filters of a query, and the mark where the page before ended."""

    project_id: UUID
    filters: AuditFilter
    before: AuditMark | None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Events, the newest first, and the mark of the next page; None at the end."""

    events: Sequence[Event]
    next: AuditMark | None


async def read_page(connection: Connection, asked: AuditQuery, *, limit: int) -> AuditPage:
    """Return a page of a project's events.

    It needs a repeatable-read transaction, or events could be archived between two queries.
    """
    young = await _fetch(connection, "young", asked, limit + 1)
    number = CHUNKS_MAX
    while True:
        chunks = await _chunks(connection, asked, number + 1)
        if len(young) > limit and (not chunks or chunks[0][1] < young[limit].timestamp):
            return _cut(young, limit)
        within, rest = chunks[:number], chunks[number:]
        old = await _fetch(connection, "old", asked, limit + 1, [chunk for chunk, _ in within])
        found = sorted([*young, *old], key=_mark, reverse=True)
        if not rest:
            return _cut(found, limit)
        # Events in chunks that were not read may be as new as the newest of these chunks.
        floor = rest[0][1]
        sure = [event for event in found if event.timestamp > floor]
        if len(sure) > limit:
            return _cut(sure, limit)
        if asked.before is None or floor < asked.before[0]:
            return AuditPage(sure, (floor, _LAST))
        number *= 2  # a bundle so large that all these chunks are of one moment


async def current_names(
    reader: Reader, project_id: UUID, events: Iterable[Event]
) -> dict[UUID, str]:
    """Return the current names of the aggregates of events, of those that have a name."""
    kinds: dict[str, set[UUID]] = {}
    for event in events:
        kinds.setdefault(event.aggregate_type, set()).add(event.aggregate_id)
    found: dict[UUID, str] = {}
    for kind, ids in kinds.items():
        if query := _naming(kind):
            rows = await reader.connection.fetch(query, project_id, list(ids))
            found |= {row["id"]: row["name"] for row in rows if row["name"]}
    return found


@cache
def _naming(kind: str) -> str | None:
    spec = AGGREGATES.get(kind)
    column = next((name for name in NAMING if spec and name in spec.columns), None)
    if spec is None or column is None:
        return None
    query = SQL.names.format(naming=column, table=spec.table)
    # A project's row is its own scope.
    return query.replace("project_id = $1", "id = $1") if kind == "project" else query


async def _fetch(
    connection: Connection, name: str, asked: AuditQuery, limit: int, *more: Any
) -> list[Event]:
    query, parameters = _filled(name, "where", asked, limit, *more)
    return events_from_rows(await connection.fetch(query, *parameters))


async def _chunks(
    connection: Connection, asked: AuditQuery, limit: int
) -> list[tuple[int, datetime]]:
    query, parameters = _filled("chunks", "chunk", asked, limit)
    return [(row["chunk_id"], row["to_at"]) for row in await connection.fetch(query, *parameters)]


def _filled(
    name: str, test: str, asked: AuditQuery, limit: int, *more: Any
) -> tuple[str, list[Any]]:
    """Return a statement with the conditions of a query; values are always parameters."""
    parameters: list[Any] = [asked.project_id, limit, *more]
    conditions: list[str] = []

    def add(piece: str, *values: Any) -> None:
        places = [f"${len(parameters) + number}" for number in range(1, len(values) + 1)]
        parameters.extend(values)
        text: str = getattr(SQL, f"{test}_{piece}")
        conditions.append(f" AND {text.format(value=places[0], id=places[-1])}")

    for field, value in asked.filters.model_dump(exclude_none=True).items():
        add(field, value)
    if asked.before is not None:
        # Chunks are selected by time alone.
        add("before", *(asked.before if test == "where" else asked.before[:1]))
    text: str = getattr(SQL, name)
    return text.format(conditions="".join(conditions)), parameters


def _mark(event: Event) -> AuditMark:
    return event.timestamp, event.id


def _cut(found: Sequence[Event], limit: int) -> AuditPage:
    """Return a page of events; one more was read than is shown."""
    more = len(found) > limit
    return AuditPage(found[:limit], _mark(found[limit - 1]) if more else None)
