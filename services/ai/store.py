"""Runs in PostgreSQL, which decides who works on a run and whether what was done counts."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.ids import new_id
from libs.postgres import Connection, Pool, load_queries
from libs.postgres.pool import UNREACHABLE
from libs.telemetry import inject_trace

SQL = load_queries("services.ai")

type Row = asyncpg.Record


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of one worker to record results of a run, until another worker takes the run up.

    `attempt` numbers the claims of a run: a result with an older number is refused.
    """

    run_id: UUID
    worker: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run that a worker has taken up, with the results that are recorded already."""

    claim: Claim
    project_id: UUID
    kind: str
    book_id: UUID | None
    scene_id: UUID | None
    created_by: UUID
    config: dict[str, Any]
    is_cancelled: bool
    memos: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """The result of a step, and the versions of the scenes that were read for it."""

    seq: int
    name: str
    memo: Any
    attempts: int
    started_at: datetime
    read: Mapping[UUID, int]


class LeaseLost(Exception):
    """Another worker has the run, or it ended: nothing was recorded."""


class Store:
    """Speaks the SQL of `queries.sql`."""

    def __init__(self, pool: Pool) -> None:
        """Use *pool*."""
        self.pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """Yield a connection in a transaction.

        Raises:
            errors.Unavailable: The database is away.
        """
        try:
            async with self.pool.acquire() as connection, connection.transaction():
                yield connection
        except UNREACHABLE as error:
            raise errors.Unavailable from error

    async def rows(self, query: str, *arguments: Any) -> list[Row]:
        """Return the rows of a query.

        Raises:
            errors.Unavailable: The database is away.
        """
        try:
            return await self.pool.fetch(query, *arguments)
        except UNREACHABLE as error:
            raise errors.Unavailable from error

    async def row_or_none(self, query: str, *arguments: Any) -> Row | None:
        """Return the first row of a query, if there is any. Raises as `rows`."""
        rows = await self.rows(query, *arguments)
        return rows[0] if rows else None

    async def claim(self, worker: str, *, lease_s: float, project_max: int) -> Claimed | None:
        """Take a run up: one that is queued, or one whose worker is gone. Raises as `rows`."""
        row = await self.row_or_none(SQL.claim, worker, lease_s, project_max, new_id(), _headers())
        if row is None:
            return None
        memos = await self.rows(SQL.memos, row["id"])
        return Claimed(
            claim=Claim(row["id"], worker, row["attempt"]),
            project_id=row["project_id"],
            kind=row["kind"],
            book_id=row["book_id"],
            scene_id=row["scene_id"],
            created_by=row["created_by"],
            config=row["config"],
            is_cancelled=row["cancel_asked_at"] is not None,
            memos=tuple((memo["name"], memo["memo"]) for memo in memos),
        )

    async def renew(self, worker: str, claims: Sequence[Claim], lease_s: float) -> dict[UUID, bool]:
        """Renew leases; return the runs that are still held, and whether each is to be cancelled.

        Raises as `rows`.
        """
        rows = await self.rows(
            SQL.renew,
            worker,
            [claim.run_id for claim in claims],
            [claim.attempt for claim in claims],
            lease_s,
        )
        return {row["id"]: row["cancelled"] for row in rows}

    async def record(self, claim: Claim, step: StepRecord, *, lease_s: float) -> None:
        """Record the result of a step.

        Raises:
            LeaseLost: Another worker has the run, or it ended.
            errors.Unavailable: The database is away; the result may have been recorded.
        """
        row = await self.row_or_none(
            SQL.record_step,
            claim.run_id,
            claim.worker,
            claim.attempt,
            lease_s,
            step.seq,
            step.name,
            step.memo,
            step.attempts,
            step.started_at,
            new_id(),
            list(step.read),
            list(step.read.values()),
            _headers(),
        )
        if row is None:
            raise LeaseLost

    async def end(
        self,
        claim: Claim,
        status: str,
        *,
        output: Any = None,
        error: Any = None,
        also: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """End a run; *also* are the data of further facts that are announced with it, by type.

        Raises as `record`.
        """
        async with self.transaction() as connection:
            ended = await connection.fetchrow(
                SQL.end_run,
                claim.run_id,
                claim.worker,
                claim.attempt,
                status,
                output,
                error,
                new_id(),
                "0",
                _headers(),
            )
            if ended is None:
                raise LeaseLost
            for fact, data in (also or {}).items():
                await connection.execute(
                    SQL.announce, claim.run_id, fact, new_id(), data, _headers()
                )

    async def postpone(self, claim: Claim, by_s: float) -> None:
        """Give a run back, for any worker to take up after *by_s*. Raises as `rows`."""
        await self.rows(SQL.postpone, claim.run_id, claim.worker, claim.attempt, by_s)

    async def cancel(self, run: UUID, project: UUID, by: UUID) -> bool:
        """Ask for the end of a run; return whether that changed anything. Raises as `rows`."""
        rows = await self.rows(SQL.cancel, run, project, by, new_id(), _headers())
        return bool(rows)


def _headers() -> str:
    return json.dumps(inject_trace())
