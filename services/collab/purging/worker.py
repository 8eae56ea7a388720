"""Erasing what is purged, in pieces of one transaction each; any replica goes on where one died."""

from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge

from libs.postgres import Pool
from libs.tasks import PeriodicTask, passed
from services.collab.purging.consumer import SQL
from services.collab.scenes import Scenes

log = structlog.get_logger(__name__)

ROWS_PER_STEP = 5000
"""Rows of a log that go in one transaction: some tenths of a second."""
POLL_S = 5.0
SWEEP_S = 3600.0
"""For so long after its purge a scene is looked at again: an edit may have been under way."""
SWEEP_INTERVAL_S = 60.0
FORGET_S = 60.0
"""States of scenes purged within this are dropped from memory, a few times over."""

_erased = Counter("scriptorium_collab_purged_total", "Scenes and branches that were erased.")
_rows = Counter("scriptorium_collab_purged_rows_total", "Rows that went with them.")
_open = Gauge("scriptorium_collab_purges_open", "Scenes and branches that are still to be erased.")
_age = Gauge("scriptorium_collab_purge_age_seconds", "How long the oldest of them has waited.")


class Eraser:
    """Erases what is noted; any number may run, no two on the same scene."""

    def __init__(self, pool: Pool, scenes: Scenes) -> None:
        """Erase in *pool*, and from the memory of *scenes*."""
        self._pool = pool
        self._scenes = scenes
        self.task = PeriodicTask("erase_purged", self._erase, interval_s=POLL_S)
        """Wake it when there is something to erase."""

    async def _erase(self) -> bool:
        await self._forget()
        if await self.step():
            return True
        await self._measure()
        return False

    async def step(self) -> bool:
        """Erase some rows of one scene; False when there is nothing to do now."""
        async with self._pool.acquire() as connection, connection.transaction():
            due = await connection.fetchrow(SQL.due, SWEEP_S, SWEEP_INTERVAL_S)
            if due is None:
                return False
            log_id: UUID = due["log_id"]
            rows = await connection.fetchval(SQL.erase, log_id, ROWS_PER_STEP) or 0
            passed("purging.piece")
            if rows:
                await connection.execute(SQL.count, log_id, rows)
            else:
                await connection.execute(SQL.erased, log_id)
                passed("purging.erased")
        _rows.inc(rows)
        if rows == 0 and due["fresh"]:
            _erased.inc()
            log.info("scene erased", scene_id=str(log_id))
        return True

    async def _forget(self) -> None:
        for row in await self._pool.fetch(SQL.recent, FORGET_S):
            self._scenes.forget(row["log_id"].bytes)

    async def _measure(self) -> None:
        row = await self._pool.fetchrow(SQL.measure)
        assert row is not None
        _open.set(row["open"])
        _age.set(row["age_s"])
