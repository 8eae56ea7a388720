"""Deletes from storage what no row names, and forgets uploads whose time is over."""

import structlog

from libs import errors
from libs.postgres import Connection
from libs.tasks import PeriodicTask, passed
from services.blobs import metrics
from services.blobs.reading import Storages
from services.blobs.store import SQL, Store
from services.blobs.threads import blocking

log = structlog.get_logger(__name__)

INTERVAL_S = 5.0
BATCH_KEYS = 100
"""Deleted together, while their rows are held."""
BATCHES_MAX = 100
"""Batches of one round."""
EXPIRE_BATCH = 50
OUTBOX_KEPT_DAYS = 7
FORGET_INTERVAL_S = 3600.0
FORGET_ROWS = 10_000


class Sweeper:
    """Any number may sweep at once."""

    def __init__(self, store: Store, storages: Storages) -> None:
        """Delete from *storages* the objects that *store* doomed."""
        self._store = store
        self._storages = storages

    def tasks(self) -> list[PeriodicTask]:
        """Return what a replica does in the background."""
        return [
            PeriodicTask("delete_doomed", self._sweep, interval_s=INTERVAL_S),
            PeriodicTask("forget_announced", self._forget, interval_s=FORGET_INTERVAL_S),
        ]

    async def _sweep(self) -> None:
        await self.once()

    async def _forget(self) -> None:
        await self._store.database.pool.execute(SQL.forget_announced, OUTBOX_KEPT_DAYS, FORGET_ROWS)

    async def once(self) -> int:
        """Delete all that is due now, as far as BATCHES_MAX reach; returns how many keys went."""
        for _ in range(BATCHES_MAX):
            if await self._store.uploads.expire(EXPIRE_BATCH) < EXPIRE_BATCH:
                break
        deleted = 0
        for tier in self._storages:
            for _ in range(BATCHES_MAX):
                batch = await self._batch(tier)
                deleted += batch
                if batch < BATCH_KEYS:
                    break
        row = await self._store.database.row(SQL.doomed_backlog)
        metrics.doomed.set(row[0] if row else 0)
        return deleted

    async def _batch(self, tier: str) -> int:
        storage = self._storages[tier]

        async def work(connection: Connection) -> int:
            keys = [row["key"] for row in await connection.fetch(SQL.due, tier, BATCH_KEYS)]
            if not keys:
                return 0
            try:
                await blocking(storage.delete, keys)
            except errors.AppError as error:
                log.warning("objects not deleted", tier=tier, count=len(keys), code=error.code)
                await connection.execute(SQL.postpone, keys)
                return 0
            passed("sweep.deleted")
            await connection.execute(SQL.forget_doomed, keys)
            return len(keys)

        return await self._store.database.transact(work)
