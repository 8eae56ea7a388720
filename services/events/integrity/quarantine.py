"""Corrupt events: quarantined when found, listed, and decided about by a person."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge

from libs import errors
from libs.contracts.events.event import Event
from libs.contracts.events.integrity import (
    QUARANTINED_MAX,
    Decide,
    ListQuarantine,
    Quarantined,
    ShowQuarantined,
)
from libs.contracts.pages import Page
from libs.postgres import Connection, Pool
from services.events.integrity.store import SQL
from services.events.model.chain import (
    ChainFinding,
    LogRow,
    content_bytes,
    digest,
    event_of,
    log_row_of,
)
from services.events.model.log import content
from services.events.model.page import fitting
from services.events.model.refusal import field_refusal
from services.events.store.log import (
    chain_starts_of,
    check_events,
    heads_of,
    read_whole_chains,
    stored_rows_of,
)

log = structlog.get_logger(__name__)

_found = Counter(
    "scriptorium_events_quarantined_total",
    "Events that were found corrupt, by flaw and finder.",
    ["flaw", "found_by"],
)
open_now = Gauge("scriptorium_events_quarantine_open", "Corrupt events that wait for a decision.")


def log_row_to_json(stored: LogRow) -> dict[str, Any]:
    """Return a row of the log as the JSON of an `Event`."""
    return content(event_of(stored)) | {"checksum": stored.checksum}


async def quarantine_findings(
    pool: Pool | Connection, findings: Sequence[ChainFinding], *, found_by: str
) -> None:
    """Quarantine corrupt events; those in quarantine already are left as they are."""
    if not findings:
        return
    rows = await pool.fetch(
        SQL.quarantine,
        [each.aggregate_id for each in findings],
        [each.version for each in findings],
        [each.project_id for each in findings],
        [each.stored.id if each.stored else None for each in findings],
        [each.flaw for each in findings],
        [log_row_to_json(each.stored) if each.stored else None for each in findings],
        found_by,
    )
    for row in rows:
        _found.labels(row["flaw"], found_by).inc()
        log.error(
            "event quarantined",
            aggregate_id=str(row["aggregate_id"]),
            version=row["version"],
            flaw=row["flaw"],
            found_by=found_by,
        )
    open_now.set(await pool.fetchval(SQL.open_count))


class QuarantineHandlers:
    """Handlers of requests about the quarantine."""

    def __init__(self, pool: Pool) -> None:
        """Keep decisions in *pool*."""
        self._pool = pool

    async def list(self, question: ListQuarantine, _: object) -> Page[Quarantined]:
        """List quarantined events, the oldest finding first."""
        rows = await self._pool.fetch(
            SQL.quarantined, question.project_id, question.all, QUARANTINED_MAX
        )
        items = [_shown(dict(row)) for row in rows]
        return Page(items=items[: fitting(len(item.to_wire()) for item in items)])

    async def show(self, question: ShowQuarantined, _: object) -> Quarantined:
        """Show one quarantined event and the decisions about it."""
        async with self._pool.acquire() as connection:
            return await _show(connection, question.aggregate_id, question.version)

    async def decide(self, question: Decide, _: object) -> Quarantined:
        """Accept the stored event, or replace it by its original, and note who decided.

        Raises:
            errors.NotFound: The event is not in quarantine.
            errors.Conflict: The event was decided about before.
            errors.Invalid: The original does not fit the chain, or there is no event to accept.
        """
        given = [log_row_of(each) for each in question.originals]
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                if given:
                    await _require_fit(connection, question, given)
                for version in range(question.version, question.version + max(1, len(given))):
                    await _decide(connection, question, version)
            # The rest depends only on the current state, so it may be repeated or done later.
            await release_if_resolved(connection, question.aggregate_id)
            answer = await _show(connection, question.aggregate_id, question.version)
        open_now.set(await self._pool.fetchval(SQL.open_count))
        return answer


async def release_if_resolved(connection: Connection, aggregate_id: UUID) -> None:
    """Clear findings that no longer hold; release withheld facts when none is left."""
    async with connection.transaction(isolation="repeatable_read"):
        whole = await read_whole_chains(connection, [aggregate_id])
    still = [finding.version for finding in whole.findings]
    await connection.execute(SQL.clear, aggregate_id, still)
    if still:
        return
    async with connection.transaction():
        while await connection.fetch(SQL.release, aggregate_id):
            pass
        await connection.execute(SQL.wake_relay)


async def drop_corrupt_events(
    connection: Connection, events: Sequence[Event], *, found_by: str = "reader"
) -> list[Event]:
    """Return the events that continue their chains; quarantine the others.

    Decisions of people about events count. The connection must not be in a transaction.
    """
    async with connection.transaction(isolation="repeatable_read"):
        found = await check_events(connection, [log_row_of(each) for each in events])
    await quarantine_findings(connection, found.findings, found_by=found_by)
    return [event_of(each) for each in found.events]


async def _require_fit(connection: Connection, question: Decide, given: Sequence[LogRow]) -> None:
    """Return when the originals continue the chain and the next event continues them."""
    versions = range(question.version, question.version + len(given))
    if [(each.aggregate_id, each.version) for each in given] != [
        (question.aggregate_id, version) for version in versions
    ]:
        raise field_refusal(
            "originals", "are not the quarantined events in the order of their versions"
        )
    trusted = {
        each.version: each
        for each in (await read_whole_chains(connection, [given[0].aggregate_id])).events
    }
    before = trusted.get(question.version - 1)
    beginning = (await chain_starts_of(connection, [question.aggregate_id])).get(
        question.aggregate_id
    )
    if beginning and beginning.version == question.version - 1:
        link = beginning.checksum
    elif before is None and question.version > 1:
        raise field_refusal("originals", f"must begin with version {question.version - 1}")
    else:
        link = before.checksum if before else ""
    for each in given:
        if each.checksum != digest(link, content_bytes(each)):
            raise field_refusal("originals", "a checksum does not continue the chain")
        link = each.checksum
    last = given[-1]
    rows = await stored_rows_of(connection, last.aggregate_id)
    heads = await heads_of(connection, [last.aggregate_id])
    stored_so = any((row.version, row.checksum) == (last.version, link) for row in rows)
    continued = any(
        row.version == last.version + 1 and row.checksum == digest(link, content_bytes(row))
        for row in rows
    )
    if not (stored_so or continued or any(head.checksum == link for head in heads)):
        raise field_refusal("originals", "the chain does not continue from the last checksum")


async def _decide(connection: Connection, question: Decide, version: int) -> None:
    key = (question.aggregate_id, version)
    row = await connection.fetchrow(SQL.lock_quarantined, *key)
    if row is None:
        raise errors.NotFound(f"Version {version} is not in quarantine.")
    if row["state"] != "open":
        raise errors.Conflict(f"Version {version} is already {row['state']}.")
    original = None
    if question.originals:
        event = question.originals[version - question.version]
        original = content(event) | {"checksum": event.checksum}
    elif row["stored"] is None:
        raise field_refusal("originals", "no event is stored that could be accepted")
    state = "recovered" if original else "accepted"
    await connection.execute(SQL.resolve, *key, state, original)
    await connection.execute(
        SQL.note_decision, *key, state, question.by, question.reason, original or row["stored"]
    )


async def _show(connection: Connection, aggregate_id: UUID, version: int) -> Quarantined:
    row = await connection.fetchrow(SQL.shown_quarantined, aggregate_id, version)
    if row is None:
        raise errors.NotFound
    noted = await connection.fetch(SQL.noted_decisions, aggregate_id, version)
    decisions = [dict(each) | {"decided_at": each["decided_at"].isoformat()} for each in noted]
    return _shown(dict(row) | {"decisions": decisions})


def _shown(row: dict[str, Any]) -> Quarantined:
    return Quarantined.model_validate({k: v for k, v in row.items() if k != "resolved_at"})
