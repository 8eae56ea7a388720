"""How far tasks have come that one replica at a time does: kept in the service's database.

A service that has such tasks makes the table with a migration of its own:

    CREATE TABLE task_positions (
        name text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[a-z_]{1,40}$'),
        position text COLLATE "C" NOT NULL DEFAULT '',
        begun_at timestamptz NOT NULL DEFAULT now(),
        ended_at timestamptz,
        report jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(report) = 'object')
    );
    GRANT SELECT, INSERT, UPDATE ON task_positions TO {role};
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from libs.postgres import AdvisoryLocks, LockKey, Pool, load_queries

SQL = load_queries("libs.tasks")


@dataclass(frozen=True, slots=True)
class Position:
    """The begin and end of a pass of a task, and the report of the last finished pass."""

    name: str
    begun_at: datetime
    ended_at: datetime | None
    report: dict[str, Any]


class TaskPositions:
    """The turns of replicas at shared tasks, and the positions that they have reached."""

    def __init__(self, pool: Pool, locks: AdvisoryLocks) -> None:
        """Keep positions in *pool*."""
        self._pool = pool
        self._locks = locks

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncGenerator[bool]:
        """Be the only one, over all replicas, that does *name*; gives False when another does."""
        async with self._locks.hold(LockKey.TASK, name) as ours:
            yield ours

    async def begin(self, name: str, interval: timedelta) -> str | None:
        """Return where to go on; None when the last pass ended less than *interval* ago."""
        return await self._pool.fetchval(SQL.begin_pass, name, interval)

    async def keep(self, name: str, position: str) -> None:
        """Remember how far the pass has come."""
        await self._pool.execute(SQL.keep_position, name, position)

    async def end(self, name: str, report: Mapping[str, Any]) -> None:
        """Record the end of the pass, and its report."""
        await self._pool.execute(SQL.end_pass, name, dict(report))

    async def all(self) -> list[Position]:
        """Return the positions of all tasks, by name."""
        return [Position(**dict(row)) for row in await self._pool.fetch(SQL.positions)]

    async def age_s(self, name: str) -> float:
        """Return how long ago the last pass ended, or the one under way began; 0 before any."""
        return await self._pool.fetchval(SQL.age_s, name) or 0.0
