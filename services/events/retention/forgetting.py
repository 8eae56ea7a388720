"""Deleting the oldest events; of each aggregate the row that they fold into is kept.

The events are first read, checked and folded here. The database deletes only events that are the
complete beginning of a chain and end with the given checksum, and keeps the fold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Counter

from libs.postgres import Connection, Pool, snapshot_transaction
from services.events.model.aggregate import Row
from services.events.model.aggregates import AGGREGATES
from services.events.model.beginning import row_to_json
from services.events.model.chain import AggregateHead, as_event
from services.events.model.log import fold
from services.events.retention.store import SQL
from services.events.store.log import head_of, read_chains

log = structlog.get_logger(__name__)


CHAINS_AT_ONCE = 200
EVENTS_AT_ONCE = 20_000
"""Events of one transaction, or one longer chain: chunks of the archive are rewritten."""
ROUND_CHAINS_MAX = 100_000
"""Chains of one call, so that a policy that is set late is carried out over several hours."""

_FIRST = UUID(int=0)

_forgotten = Counter("scriptorium_events_forgotten_total", "Events that retention took away.")


@dataclass(frozen=True, slots=True)
class _ForgottenChain:
    """The events to delete of one aggregate: all up to a version, with the row they fold into."""

    aggregate_id: UUID
    version: int
    checksum: str
    row: Row | None


async def forget(pool: Pool, older_than: datetime) -> int:
    """Delete the events before a time; return their number.

    Corrupt, recovered and unpublished events stay until they are none of these.

    Raises:
        asyncpg.PostgresError: A statement failed; events deleted before it stay deleted.
    """
    forgotten, chains = 0, 0
    project_id = await pool.fetchval(SQL.due_project, older_than, _FIRST)
    while project_id is not None and chains < ROUND_CHAINS_MAX:
        after = _FIRST
        while page := await _due(pool, project_id, older_than, after):
            forgotten += await _forget(pool, project_id, older_than, page)
            after, chains = page[-1].aggregate_id, chains + len(page)
        project_id = await pool.fetchval(SQL.due_project, older_than, project_id)
    if forgotten:
        log.info("events forgotten", count=forgotten, older_than=older_than.isoformat())
    return forgotten


async def forgotten_after(
    connection: Connection, project_id: UUID, position: int | None
) -> int | None:
    """Return the position to continue from when events after *position* were deleted.

    Call it after everything else was read, because events may be deleted in the meantime.
    """
    horizon = await connection.fetchval(SQL.horizon, project_id)
    is_behind = horizon is not None and (position is None or position < horizon)
    return horizon if is_behind else None


async def _due(
    pool: Pool, project_id: UUID, older_than: datetime, after: UUID
) -> list[AggregateHead]:
    """Return the next chains of a project, as many as one transaction takes."""
    rows = await pool.fetch(SQL.due_chains, project_id, older_than, after, CHAINS_AT_ONCE)
    found: list[AggregateHead] = []
    events = 0
    for head in map(head_of, rows):
        events += head.version
        if found and events > EVENTS_AT_ONCE:
            break
        found.append(head)
    return found


async def _forget(
    pool: Pool, project_id: UUID, older_than: datetime, page: Sequence[AggregateHead]
) -> int:
    pasts = await _read(pool, older_than, page)
    if not pasts:
        return 0
    rows: list[dict[str, Any] | None] = [each.row and row_to_json(each.row) for each in pasts]
    try:
        count = await pool.fetchval(
            SQL.forget_events,
            project_id,
            older_than,
            [each.aggregate_id for each in pasts],
            [each.version for each in pasts],
            [each.checksum for each in pasts],
            rows,
        )
    except asyncpg.RaiseError as error:
        # A finding, decision or purge came in between; the next round reads the chains again.
        log.warning("nothing was forgotten", project_id=str(project_id), reason=str(error))
        return 0
    _forgotten.inc(count)
    return count


async def _read(
    pool: Pool, older_than: datetime, page: Sequence[AggregateHead]
) -> list[_ForgottenChain]:
    """Fold the old events; a chain that cannot be checked from its beginning is left out."""
    found: list[_ForgottenChain] = []
    row: Row | None = None
    end: tuple[int, str] | None = None
    is_sound = True
    async with snapshot_transaction(pool) as connection:
        async for piece in read_chains(connection, page):
            spec = AGGREGATES[piece.head.aggregate_type]
            if piece.first:
                row, end, is_sound = piece.before, None, True
            try:
                for event in piece.events:
                    if event.timestamp >= older_than:
                        break
                    row, end = fold(spec, row, as_event(event)), (event.version, event.checksum)
            except (ValueError, KeyError):
                # An event of a newer release, or a corrupt one: this release cannot fold it.
                is_sound = False
            if piece.last and end and is_sound and not piece.findings:
                found.append(_ForgottenChain(piece.head.aggregate_id, *end, row))
    return found
