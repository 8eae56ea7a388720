"""When blobs were last read, to the hour: noted in memory, written now and then."""

import asyncio
from uuid import UUID

import asyncpg
import structlog

from libs.postgres import Pool, load_queries
from libs.postgres.pool import UNREACHABLE

log = structlog.get_logger(__name__)

SQL = load_queries("services.blobs.keeping")

WRITE_INTERVAL_S = 60.0
NOTED_MAX = 50_000
"""Blobs; what is read beyond is noted the next minute. A crash forgets a minute, harmlessly."""


class Uses:
    """Notes who is read."""

    def __init__(self, pool: Pool) -> None:
        """Write to *pool*."""
        self._pool = pool
        self._read: set[tuple[UUID, str]] = set()

    def note(self, project_id: UUID, sha256: str) -> None:
        """Somebody reads this blob."""
        if len(self._read) < NOTED_MAX:
            self._read.add((project_id, sha256))

    async def run(self) -> None:
        """Write what was noted until cancelled."""
        while True:
            await asyncio.sleep(WRITE_INTERVAL_S)
            try:
                await self.write()
            except (*UNREACHABLE, asyncpg.PostgresError) as error:
                log.warning("reads not noted", reason=repr(error)[:200])

    async def write(self) -> None:
        """Write what was noted."""
        read, self._read = self._read, set()
        if read:
            await self._pool.execute(
                SQL.note_reads, [project for project, _ in read], [sha256 for _, sha256 in read]
            )
