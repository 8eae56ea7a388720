"""The verifier: reads everything that is stored, slowly, again and again, and compares it.

Quarantined blobs are checked more often: a missing object may be back, and an intact blob leaves
quarantine by itself.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import structlog

from libs import errors
from libs.contracts.blobs.operations import Flaw
from libs.contracts.blobs.transfers import BlobState
from libs.postgres import Pool
from libs.tasks import PeriodicTask, SharedTask, TaskPositions, progressed
from services.blobs.collection.model import Place
from services.blobs.keeping import metrics
from services.blobs.keeping.uses import SQL
from services.blobs.reading import Reading, Storages
from services.blobs.store import Row, Store
from services.blobs.threads import blocking

log = structlog.get_logger(__name__)

TASK = "verify"
PAGE_BLOBS = 100
STEP_BYTES = 64 << 20
"""Read before the place is kept, or one blob if that is larger."""
POLL_S_MAX = 60.0
RECHECK_INTERVAL = timedelta(minutes=1)
"""How often an object in quarantine is looked for."""
RECHECK_READ_INTERVAL = timedelta(seconds=5)
RECHECK_READ_BYTES_MAX = 64 << 20
"""For readers of a blob in quarantine its object is looked for at most so often, and read again at
once when it is no larger."""
RECHECK_BLOBS = 100
"""Looked for in one go; one that has the right size is read whole."""
_LOOKED_AT = frozenset({"live", "condemned"})
"""States that are verified; an archived blob is verified when it returns, or for an operator."""
_HERE = _LOOKED_AT | {"archived", "quarantined"}


@contextmanager
def _stops_counted() -> Generator[None]:
    try:
        yield
    except errors.AppError:
        metrics.verify_stopped.inc()
        raise


class Verifier:
    """Verifies blobs: each stored frame by its digest, then all plain bytes by their SHA-256."""

    def __init__(
        self,
        *,
        pool: Pool,
        positions: TaskPositions,
        store: Store,
        storages: Storages,
        reading: Reading,
        bytes_per_s: int,
        interval_s: float,
    ) -> None:
        """Wire the parts."""
        self._pool = pool
        self._store = store
        self._storages = storages
        self._reading = reading
        self._bytes_per_s = bytes_per_s
        self.task = SharedTask(
            TASK, self._verify, positions=positions, every_s=interval_s, poll_s_max=POLL_S_MAX
        )
        self._rechecking = PeriodicTask(
            "recheck", self._recheck, interval_s=min(interval_s, POLL_S_MAX)
        )

    def tasks(self) -> list[PeriodicTask]:
        """Return the background tasks; an object that cannot be read now is read later."""
        return [self.task, self._rechecking]

    async def _verify(self, position: str) -> str | None:
        place, size = Place.at(position), 0
        with _stops_counted():
            page = await self.page(place, PAGE_BLOBS, None)
            for blob in page:
                place = Place(blob["project_id"], blob["sha256"])
                if blob["state"] in _LOOKED_AT:
                    await self.check(blob, paced=True)
                    self.task.report.update(blobs=1, bytes=blob["size"])
                    size += blob["size"]
                if size >= STEP_BYTES:
                    break
        if not page:
            log.info("everything was verified", **self.task.report)
        return str(place) if page else None

    async def _recheck(self) -> None:
        with _stops_counted():
            await self.recheck()

    async def recheck(self) -> int:
        """Check quarantined blobs that are due again; return the number of repaired ones.

        Only an object of the right size is read, so that lasting damage costs one request each.
        """
        mended = 0
        rows = await self._pool.fetch(SQL.take_quarantined, RECHECK_INTERVAL, RECHECK_BLOBS)
        for blob in rows:
            if await self._is_back(blob):
                mended += await self.check(blob, paced=True) is None
        return mended

    async def recheck_for_reader(self, blob: Row) -> Row:
        """Return a blob as it is when what is in quarantine has been looked at again.

        Raises:
            errors.Unavailable: Storage or database is away.
        """
        if blob["state"] != BlobState.QUARANTINED or blob["stored_size"] > RECHECK_READ_BYTES_MAX:
            return blob
        project_id, sha256 = blob["project_id"], blob["sha256"]
        query, every = SQL.take_quarantined_blob, RECHECK_READ_INTERVAL
        if (
            not await self._store.database.rows(query, project_id, sha256, every)
            or not await self._is_back(blob)
            or await self.check(blob)
        ):
            return blob
        return await self._store.blob(project_id, sha256)

    async def _is_back(self, blob: Row) -> bool:
        storage = self._storages.get(blob["tier"])
        return (
            storage is not None and await blocking(storage.size, blob["key"]) == blob["stored_size"]
        )

    async def page(self, after: Place, limit: int, project_id: UUID | None) -> list[Row]:
        """Return the next blobs that have bytes."""
        return await self._pool.fetch(
            SQL.next_blobs, after.project_id, after.sha256, limit, project_id
        )

    async def check(self, blob: Row, *, paced: bool = False) -> Flaw | None:
        """Read all of a blob; damage sets it aside and is returned, soundness brings it back.

        Raises:
            errors.Unavailable: The storage is away or not the one that is known, the database is
                away, or the blob was just moved.
        """
        if blob["state"] not in _HERE:
            return None
        try:
            async for plain in self._reading.frames(blob, 0, blob["size"]):
                metrics.verified_bytes.inc(len(plain))
                if paced:
                    pause_s = len(plain) / self._bytes_per_s
                    progressed(pause_s)
                    await asyncio.sleep(pause_s)
        except errors.BlobDamaged:
            return Flaw(
                project_id=blob["project_id"],
                sha256=blob["sha256"],
                reason="its bytes are damaged; it is in quarantine",
            )
        if blob["state"] == BlobState.QUARANTINED and await self._store.mend(blob):
            where = {"project_id": str(blob["project_id"]), "sha256": blob["sha256"]}
            log.info("blob is sound again", **where)
            metrics.mended.inc()
        await self._pool.execute(SQL.verified, blob["project_id"], blob["sha256"])
        return None
