"""Chores: work over all blobs that one replica at a time does, and another goes on with."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from libs.contracts.blobs.operations import Chore
from libs.postgres import Connection, Pool, load_queries
from libs.postgres.pool import UNREACHABLE

SQL = load_queries("services.blobs.collection")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A key in the table of blobs."""

    project_id: UUID
    sha256: str


BEGINNING = Place(UUID(int=0), "")


class Chores:
    """Who does what, and how far they are."""

    def __init__(self, pool: Pool) -> None:
        """Keep it in *pool*; of all chores at once, one connection is held."""
        self._pool = pool
        self._turn = asyncio.Lock()
        self._held: set[str] = set()
        self._connection: Connection | None = None

    @asynccontextmanager
    async def doing(self, name: str) -> AsyncGenerator[bool]:
        """Be the one that does *name*, over all replicas; False when somebody else is.

        The lock only saves work: whoever lost it with its connection does no harm, for each step
        looks again under the locks of its rows.
        """
        taken = await self._take(name)
        try:
            yield taken
        finally:
            if taken:
                await self._end(name)

    async def _take(self, name: str) -> bool:
        async with self._turn:
            if name in self._held:
                return False
            if self._connection is not None and self._connection.is_closed():
                await self._hang_up()
            if self._connection is None:
                self._connection = await self._pool.acquire()
            taken = False
            try:
                taken = bool(await self._connection.fetchval(SQL.try_chore, name))
            finally:
                if taken:
                    self._held.add(name)
                elif not self._held:
                    await self._hang_up()
            return taken

    async def _end(self, name: str) -> None:
        async with self._turn:
            self._held.discard(name)
            # A broken connection has let go of it already.
            with suppress(*UNREACHABLE):
                if self._connection is not None:
                    await self._connection.execute(SQL.end_chore_lock, name)
            if not self._held:
                await self._hang_up()

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._pool.release(connection)  # pyright: ignore[reportArgumentType]  # it is its own

    async def begin(self, name: str, interval: timedelta) -> Place | None:
        """After which blob *name* goes on; None when it ended less than *interval* ago."""
        row = await self._pool.fetchrow(SQL.begin_chore, name, interval)
        return Place(row["after_project"], row["after_sha256"]) if row else None

    async def keep(self, name: str, place: Place) -> None:
        """Remember that *name* has come to *place*."""
        await self._pool.execute(SQL.keep_place, name, place.project_id, place.sha256)

    async def end(self, name: str, report: Mapping[str, Any]) -> None:
        """*name* is through, and did this."""
        await self._pool.execute(SQL.end_chore, name, dict(report))

    async def all(self) -> list[Chore]:
        """What is done again and again, and when it was last."""
        return [Chore.model_validate(dict(row)) for row in await self._pool.fetch(SQL.chores)]
