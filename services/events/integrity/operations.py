"""Requests of operators about the log: verify it, read it, export the state that it folds into."""

import json
from typing import Any
from uuid import UUID

from pydantic.alias_generators import to_camel

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events import integrity as c
from libs.contracts.pages import Page
from libs.postgres import Connection, Pool, snapshot_transaction
from services.events.integrity.quarantine import quarantine_findings
from services.events.integrity.store import SQL
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.aggregates import AGGREGATES
from services.events.model.chain import ChainFinding, as_event, event_of
from services.events.model.log import fold
from services.events.model.page import fitting
from services.events.store.log import (
    ChainPiece,
    count_lost_heads,
    decisions_of,
    heads_of,
    log_rows,
    log_size,
    read_chains,
    read_heads,
    stored_rows_of,
)

STEP_EVENTS = 5000
"""Events that one answer covers, so that a person sees progress."""
EXPORT_EVENTS = 2000
EXPORT_BYTES_MAX = 4 << 20
"""The size limit of one answer; a message may have 8 MiB."""
SEARCH_S_MAX = 120.0


class OperatorHandlers:
    """Handlers of requests of operators. None of them reads a projection."""

    def __init__(self, pool: Pool) -> None:
        """Read from *pool*."""
        self._pool = pool

    async def verify(self, question: c.Walk, _: Actor) -> c.Verified:
        """Verify the next chains, and quarantine corrupt events."""
        findings: list[ChainFinding] = []
        events = 0
        async with snapshot_transaction(self._pool) as connection:
            size = 0, 0
            if question.after is None:
                size = await log_size(connection, question.project_id)
            page = await read_heads(
                connection, _after(question), project_id=question.project_id, events=STEP_EVENTS
            )
            async for piece in read_chains(connection, page):
                events += len(piece.events)
                findings.extend(piece.findings)
            lost = 0 if page else await count_lost_heads(connection, question.project_id)
        await quarantine_findings(self._pool, findings, found_by="operator")
        last = page[-1] if page else None
        return c.Verified(
            aggregates=len(page),
            events=events,
            flawed=[_flawed(each) for each in findings],
            after=c.Place(project_id=last.project_id, aggregate_id=last.aggregate_id)
            if last
            else None,
            aggregates_all=size[0],
            events_all=size[1],
            lost_heads=lost,
        )

    async def export(self, question: c.Walk, _: Actor) -> c.Exported:
        """Fold the next aggregates from the log and return their rows."""
        items: list[dict[str, Any]] = []
        findings: list[ChainFinding] = []
        row: Row | None = None
        last = None
        size = 0
        async with snapshot_transaction(self._pool) as connection:
            page = await read_heads(
                connection, _after(question), project_id=question.project_id, events=EXPORT_EVENTS
            )
            for head in page:
                row = None
                async for piece in read_chains(connection, [head]):
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
        """Show the events and the state of an aggregate, named by its id or by one of its events.

        Raises:
            errors.NotFound: The log has neither.
        """
        async with snapshot_transaction(self._pool) as connection:
            found = await heads_of(connection, [question.id])
            if not found:
                owner = await connection.fetchval(SQL.event_by_id, question.id)
                found = await heads_of(connection, [owner] if owner else [])
            if not found:
                raise errors.NotFound("The log has no aggregate and no event with this id.")
            head = found[0]
            spec = AGGREGATES[head.aggregate_type]
            state: Row | None = None
            findings: list[ChainFinding] = []
            trusted: set[int] = set()
            async for piece in read_chains(connection, [head]):
                state = _folded(spec, state, piece)
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
            row=_exported(spec, state)["row"] if state else None,
        )

    async def search(self, question: c.Search, _: Actor) -> c.Found:
        """Find events, archived ones too, the newest first."""
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
        events = [event_of(each) for each in log_rows(rows)]
        return c.Found(events=events[: fitting(len(each.to_wire()) for each in events)])

    async def activity(self, question: c.Activity, actor: Actor) -> Page[c.Hour]:
        """Count the events of the actor's project by the hour."""
        rows = await self._pool.fetch(
            SQL.activity, actor.scope(), question.since, question.until, c.HOURS_MAX
        )
        return Page(items=[c.Hour.model_validate(dict(row)) for row in rows])


async def _chapters(
    connection: Connection, aggregate_id: UUID, trusted: set[int], limit: int
) -> list[c.Chapter]:
    decided = (await decisions_of(connection, [aggregate_id])).get(aggregate_id, {})
    rows = await stored_rows_of(connection, aggregate_id)
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


def _folded(spec: AggregateSpec, row: Row | None, piece: ChainPiece) -> Row | None:
    """Fold the events that can be folded; an event whose predecessor is missing is skipped."""
    row = piece.before if piece.first else row
    for event in piece.events:
        try:
            row = fold(spec, row, as_event(event))
        except (ValueError, KeyError):
            continue
    return row


def _exported(spec: AggregateSpec, row: Row) -> dict[str, Any]:
    tables = [values for _, values in spec.stored(row)]
    own = {to_camel(name): value for name, value in tables[0].items()}
    for part, values in zip(
        [each for each in spec.components if each.belongs_to(row)], tables[1:], strict=True
    ):
        own[part.name] = {to_camel(name): value for name, value in values.items()}
    return {"aggregateType": spec.kind, "row": own}


def _flawed(finding: ChainFinding) -> c.Flawed:
    return c.Flawed(
        project_id=finding.project_id,
        aggregate_id=finding.aggregate_id,
        version=finding.version,
        flaw=finding.flaw,
    )
