"""Collection in the background of every replica; one at a time works, and any goes on."""

import asyncio
from datetime import timedelta

import asyncpg
import structlog

from libs import errors
from libs.postgres import Pool
from libs.postgres.pool import UNREACHABLE
from services.blobs.collection import metrics
from services.blobs.collection.chores import SQL, Chores
from services.blobs.collection.model import Policy
from services.blobs.collection.rounds import CHORE, Collector
from services.blobs.collection.store import CollectionStore
from services.blobs.pacing import Pace

log = structlog.get_logger(__name__)

POLL_S_MAX = 30.0
"""A replica asks at least so often whether a collection is due."""
MEASURE_INTERVAL_S = 30.0
CLAIMS_KEPT = timedelta(days=30)
"""Settled ones, for who wonders."""
FORGET_ROWS = 5_000


class Worker:
    """Collects and measures until cancelled."""

    def __init__(
        self,
        *,
        pool: Pool,
        chores: Chores,
        store: CollectionStore,
        collector: Collector,
        policy: Policy,
        interval_s: float,
        duty: float,
    ) -> None:
        """Wire the parts."""
        self._pool = pool
        self._chores = chores
        self._store = store
        self._collector = collector
        self._policy = policy
        self._interval = timedelta(seconds=interval_s)
        self._poll_s = min(interval_s, POLL_S_MAX)
        self._duty = duty

    async def run(self) -> None:
        """Collect until cancelled, through losses of events, bus and database."""
        while True:
            try:
                await self.once()
            except errors.AppError as error:
                # Fail closed: nobody is asked, nothing goes. The next turn begins where this ended.
                metrics.rounds.labels("stopped").inc()
                log.warning("collection stopped", code=error.code, detail=error.detail)
            except (*UNREACHABLE, asyncpg.PostgresError) as error:
                metrics.rounds.labels("stopped").inc()
                log.warning("collection interrupted", reason=repr(error)[:200])
            await asyncio.sleep(self._poll_s)

    async def once(self) -> bool:
        """Collect if it is time and nobody else does; returns whether it was done."""
        async with self._chores.doing(CHORE) as mine:
            after = await self._chores.begin(CHORE, self._interval) if mine else None
            if after is None:
                return False
            report = await self._collector.go_on(Pace(self._duty), after)
            await self._store.forget_claims(CLAIMS_KEPT, FORGET_ROWS)
            counts = report.counts()
            await self._chores.end(CHORE, {"lookedAt": report.looked_at} | counts)
        metrics.rounds.labels("done").inc()
        log.info("collection done", looked_at=report.looked_at, **counts)
        return True

    async def keep_measuring(self) -> None:
        """Show what waits until cancelled; beside the work, because it matters while that fails."""
        while True:
            try:
                await self.measure()
            except (*UNREACHABLE, asyncpg.PostgresError):
                log.warning("backlog of collection unknown")
            await asyncio.sleep(MEASURE_INTERVAL_S)

    async def measure(self) -> None:
        """Show what waits."""
        row = await self._pool.fetchrow(SQL.backlog)
        assert row
        metrics.condemned.set(row["condemned"])
        metrics.condemned_bytes.set(row["condemned_bytes"])
        over_s = row["oldest_s"] - self._policy.grace.total_seconds()
        metrics.overdue_s.set(max(0.0, over_s))
        metrics.open_claims.set(row["claims"])
        metrics.round_age_s.set(row["round_age_s"])
