"""What an operator may ask about the log: verify it, read it, export what it says."""

import json
from typing import Any
from uuid import UUID

from faststream.nats import NatsBroker
from pydantic.alias_generators import to_camel

from libs import errors
from libs.bus import serve
from libs.contracts.actor import Actor
from libs.contracts.events import integrity as c
from libs.contracts.pages import Page
from libs.postgres import Connection, Pool, snapshot_transaction
from services.events.integrity.announcing import Refill
from services.events.integrity.chain import Finding, as_event, event_of
from services.events.integrity.log import (
    SQL,
    Piece,
    decisions_of,
    head_of,
    heads,
    read,
    stored_rows,
)
from services.events.integrity.quarantine import Decisions, set_aside
from services.events.model.aggregate import Aggregate, Row
from services.events.model.aggregates import AGGREGATES
from services.events.model.log import fold
from services.events.model.page import fitting

STEP_EVENTS = 5000
"""Covered by one answer, so that a person sees the work move on."""
EXPORT_EVENTS = 2000
EXPORT_BYTES_MAX = 4 << 20
"""Of one answer; the bus carries 8 MiB."""
SEARCH_S_MAX = 120.0


class Operations:
    """Answers to an operator. None of them looks at a projection."""

    def __init__(self, pool: Pool) -> None:
        """Read from *pool*."""
        self._pool = pool

    async def verify(self, question: c.Walk, _: Actor) -> c.Verified:
        """Verify some more chains, and quarantine what does not continue its own."""
        findings: list[Finding] = []
        events = 0
        async with snapshot_transaction(self._pool) as connection:
            size = None
            if question.after is None:
                size = await connection.fetchrow(SQL.size, question.project_id)
            page = await heads(
                connection, _after(question), project_id=question.project_id, events=STEP_EVENTS
            )
            async for piece in read(connection, page):
                events += len(piece.events)
                findings.extend(piece.findings)
            lost = 0 if page else await connection.fetchval(SQL.lost_heads, question.project_id)
        await set_aside(self._pool, findings, found_by="operator")
        last = page[-1] if page else None
        return c.Verified(
            aggregates=len(page),
            events=events,
            flawed=[_flawed(each) for each in findings],
            after=c.Place(project_id=last.project_id, aggregate_id=last.aggregate_id)
            if last
            else None,
            aggregates_all=size["aggregates"] if size else 0,
            events_all=size["events"] if size else 0,
            lost_heads=lost,
        )

    async def export(self, question: c.Walk, _: Actor) -> c.Exported:
        """Fold some more aggregates from the log and hand out what they are."""
        items: list[dict[str, Any]] = []
        findings: list[Finding] = []
        row: Row | None = None
        last = None
        size = 0
        async with snapshot_transaction(self._pool) as connection:
            page = await heads(
                connection, _after(question), project_id=question.project_id, events=EXPORT_EVENTS
            )
            for head in page:
                row = None
                async for piece in read(connection, [head]):
                    row = _folded(AGGREGATES[head.aggregate_type], row, piece)
                    findings.extend(piece.findings)
                last = head
                if row is not None:
                    items.append(_exported(AGGREGATES[head.aggregate_type], row))
                    size += len(json.dumps(items[-1], default=str, ensure_ascii=False).encode())
                if size > EXPORT_BYTES_MAX:
                    break
        return c.Exported(
            items=items,
            damaged=[_flawed(each) for each in findings],
            after=c.Place(project_id=last.project_id, aggregate_id=last.aggregate_id)
            if last
            else None,
        )

    async def inspect(self, question: c.Inspect, _: Actor) -> c.Story:
        """Tell the story of an aggregate, named by its id or by one of its events.

        Raises:
            errors.NotFound: The log knows neither.
        """
        async with snapshot_transaction(self._pool) as connection:
            row = await connection.fetchrow(SQL.heads_of, [question.id])
            if row is None:
                owner = await connection.fetchval(SQL.event_by_id, question.id)
                row = await connection.fetchrow(SQL.heads_of, [owner])
            if row is None:
                raise errors.NotFound("The log knows no aggregate and no event of this id.")
            head = head_of(row)
            about = AGGREGATES[head.aggregate_type]
            state: Row | None = None
            findings: list[Finding] = []
            trusted: set[int] = set()
            async for piece in read(connection, [head]):
                state = _folded(about, state, piece)
                findings.extend(piece.findings)
                trusted.update(event.version for event in piece.events)
            chapters = await _chapters(connection, head.aggregate_id, trusted, question.limit)
        return c.Story(
            aggregate_id=head.aggregate_id,
            aggregate_type=head.aggregate_type,
            project_id=head.project_id,
            version=head.version,
            chapters=chapters,
            flawed=[_flawed(each) for each in findings],
            row=_exported(about, state)["row"] if state else None,
        )

    async def search(self, question: c.Search, _: Actor) -> c.Found:
        """Find events, hot or archived, the newest first."""
        rows = await self._pool.fetch(
            SQL.search,
            question.project_id,
            question.user_id,
            question.type,
            question.text,
            question.since,
            question.until,
            question.limit,
            timeout=SEARCH_S_MAX,
        )
        events = [event_of(each) for each in stored_rows(rows)]
        return c.Found(events=events[: fitting(len(each.to_wire()) for each in events)])

    async def activity(self, question: c.Activity, actor: Actor) -> Page[c.Hour]:
        """Count the events of the actor's project by the hour."""
        rows = await self._pool.fetch(
            SQL.activity, actor.scope(), question.since, question.until, c.HOURS_MAX
        )
        return Page(items=[c.Hour.model_validate(dict(row)) for row in rows])


def subscribe(broker: NatsBroker, pool: Pool) -> None:
    """Answer every method of `libs.contracts.events.integrity`."""
    operations, decisions, refill = Operations(pool), Decisions(pool), Refill(pool)
    serve(broker, c.VERIFY, operations.verify)
    serve(broker, c.EXPORT, operations.export)
    serve(broker, c.INSPECT, operations.inspect)
    serve(broker, c.SEARCH, operations.search)
    serve(broker, c.ACTIVITY, operations.activity)
    serve(broker, c.QUARANTINE, decisions.list)
    serve(broker, c.SHOW_QUARANTINED, decisions.show)
    serve(broker, c.DECIDE, decisions.decide)
    serve(broker, c.REPUBLISH, refill.begin)
    serve(broker, c.REFILL_LEFT, refill.left)


async def _chapters(
    connection: Connection, aggregate_id: UUID, trusted: set[int], limit: int
) -> list[c.Chapter]:
    decided = (await decisions_of(connection, [aggregate_id])).get(aggregate_id, {})
    rows = stored_rows(await connection.fetch(SQL.events_of, [aggregate_id]))
    newest = rows[: -limit - 1 : -1]
    count = fitting(len(event_of(each).to_wire()) for each in newest)
    return [
        c.Chapter.model_validate(
            {
                "event": event_of(each),
                "sound": each.version in trusted,
                "state": decided[each.version].state if each.version in decided else None,
            }
        )
        for each in reversed(newest[:count])
    ]


def _after(question: c.Walk) -> tuple[UUID, UUID] | None:
    return (question.after.project_id, question.after.aggregate_id) if question.after else None


def _folded(about: Aggregate, row: Row | None, piece: Piece) -> Row | None:
    """Fold what can be folded: an event whose ground was left out does not end an export."""
    row = piece.before if piece.first else row
    for event in piece.events:
        try:
            row = fold(about, row, as_event(event))
        except (ValueError, KeyError):
            continue
    return row


def _exported(about: Aggregate, row: Row) -> dict[str, Any]:
    tables = [values for _, values in about.stored(row)]
    own = {to_camel(name): value for name, value in tables[0].items()}
    for part, values in zip(
        [each for each in about.components if each.belongs_to(row)], tables[1:], strict=True
    ):
        own[part.name] = {to_camel(name): value for name, value in values.items()}
    return {"aggregateType": about.kind, "row": own}


def _flawed(finding: Finding) -> c.Flawed:
    return c.Flawed(
        project_id=finding.project_id,
        aggregate_id=finding.aggregate_id,
        version=finding.version,
        flaw=finding.flaw,
    )
