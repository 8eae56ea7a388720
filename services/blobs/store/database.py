"""Running work in the database of blobs, and the errors when it cannot be reached."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs import errors
from libs.bus import Fact, announce
from libs.contracts import subjects
from libs.contracts.blobs.transfers import Blob, BlobEvent, BlobState
from libs.contracts.ids import new_id
from libs.postgres import Connection, Pool, load_queries
from libs.postgres.pool import UNREACHABLE
from libs.telemetry import inject_trace

SQL = load_queries("services.blobs")

TRIES_MAX = 5
"""Tries of a transaction that conflicts with another one."""


class TryAgain(Exception):
    """Another transaction changed rows that this one had read; nothing was written, retry."""


type Row = asyncpg.Record


class Database:
    """Transactions and reads of one pool."""

    def __init__(self, pool: Pool) -> None:
        """Work on *pool*."""
        self.pool = pool

    async def transact[T](self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run *work* in a transaction, again when it met another one.

        Raises:
            errors.ConcurrencyConflict: It met others TRIES_MAX times.
            errors.Unavailable: The database is away; nothing was changed.
            errors.DeadlineExceeded: It went away during the commit.
        """
        for _ in range(TRIES_MAX):
            ended = False
            try:
                async with self.pool.acquire() as connection, connection.transaction():
                    answer = await work(connection)
                    ended = True
            except (TryAgain, asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
                continue
            except UNREACHABLE as error:
                raise (errors.DeadlineExceeded if ended else errors.Unavailable) from error
            else:
                return answer
        raise errors.ConcurrencyConflict

    async def rows(self, query: str, *args: Any) -> list[Row]:
        """Return the rows of a query.

        Raises:
            errors.Unavailable: The database is away.
        """
        try:
            return await self.pool.fetch(query, *args)
        except UNREACHABLE as error:
            raise errors.Unavailable from error

    async def row(self, query: str, *args: Any) -> Row | None:
        """Return the first row of a query, if any. Raises as `rows`."""
        rows = await self.rows(query, *args)
        return rows[0] if rows else None


def blob_of(row: Row) -> Blob:
    """Return what the contract tells of a row of `blobs`."""
    return Blob(**{name: row[name] for name in Blob.model_fields})


def require_bytes(row: Row | None) -> Row:
    """Return the row of a blob that has bytes, in storage or in the cold tier.

    Raises:
        errors.NotFound: The project never had it.
        errors.BlobUnavailable: It was collected.
        errors.BlobDamaged: It is in quarantine.
    """
    if row is None:
        raise errors.NotFound
    known = blob_of(row).model_dump(mode="json", by_alias=True)
    match row["state"]:
        case BlobState.COLLECTED:
            raise errors.BlobUnavailable(blob=known)
        case BlobState.QUARANTINED:
            raise errors.BlobDamaged(blob=known)
        case _:
            return row


def fact(
    event_type: str, project_id: UUID, subject: str, data: dict[str, Any], user_id: UUID | None
) -> Fact:
    """Return a fact about the blob or path *subject*, for `record`."""
    aggregate, _, action = event_type.partition(".")
    event = BlobEvent(
        id=new_id(),
        aggregate_type=aggregate,
        aggregate_id=subject,
        event_type=event_type,
        project_id=project_id,
        user_id=user_id,
        data=data,
        timestamp=datetime.now(UTC),
    )
    return Fact(
        event_id=event.id,
        subject=subjects.fact("blobs", aggregate, action, project_id),
        event=event.model_dump(mode="json", by_alias=True),
        headers=inject_trace(),
    )


async def record(connection: Connection, facts: Sequence[Fact]) -> None:
    """Announce *facts* with the transaction, and write those about blobs into the audit."""
    await announce(connection, facts)
    told = [each.event for each in facts if isinstance(each.event, dict)]
    about = [event for event in told if event["aggregateType"] == "blob"]
    await connection.executemany(
        SQL.put_audit,
        [
            (
                UUID(event["id"]),
                UUID(event["projectId"]),
                UUID(event["userId"]) if event["userId"] else None,
                event["eventType"].partition(".")[2],
                event["aggregateId"],
                event["data"],
            )
            for event in about
        ],
    )
