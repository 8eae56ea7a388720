"""When blobs were last read, to the hour: noted in memory, written now and then."""

from uuid import UUID

from libs.postgres import Pool, load_queries
from libs.tasks import PeriodicTask

SQL = load_queries("services.blobs.keeping")

WRITE_INTERVAL_S = 60.0
NOTED_MAX = 50_000
"""Blobs; further reads are noted in the next minute. A crash loses a minute, harmlessly."""


class Uses:
    """Notes who is read."""

    def __init__(self, pool: Pool) -> None:
        """Write to *pool*."""
        self._pool = pool
        self._read: set[tuple[UUID, str]] = set()
        self.task = PeriodicTask("note_reads", self.write, interval_s=WRITE_INTERVAL_S)

    def note(self, project_id: UUID, sha256: str) -> None:
        """Note a read of this blob."""
        if len(self._read) < NOTED_MAX:
            self._read.add((project_id, sha256))

    async def write(self) -> None:
        """Write what was noted."""
        read, self._read = self._read, set()
        if read:
            await self._pool.execute(
                SQL.note_reads, [project for project, _ in read], [sha256 for _, sha256 in read]
            )
