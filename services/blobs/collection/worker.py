"""Collection in the background of every replica; one at a time works, and any goes on."""

from datetime import timedelta

import structlog

from libs.postgres import Pool
from libs.tasks import Pace, PeriodicTask, SharedTask, TaskPositions
from services.blobs.collection import metrics
from services.blobs.collection.model import Place, Policy, Report
from services.blobs.collection.rounds import TASK, Collector
from services.blobs.collection.store import SQL, CollectionStore

log = structlog.get_logger(__name__)

POLL_S_MAX = 30.0
"""A replica asks at least so often whether a collection is due."""
MEASURE_INTERVAL_S = 30.0
CLAIMS_KEPT = timedelta(days=30)
"""Time for which settled claims can be inspected."""
FORGET_ROWS = 5_000


class Worker:
    """Collects, and measures what waits."""

    def __init__(
        self,
        *,
        pool: Pool,
        positions: TaskPositions,
        store: CollectionStore,
        collector: Collector,
        policy: Policy,
        interval_s: float,
        duty: float,
    ) -> None:
        """Wire the parts."""
        self._pool = pool
        self._store = store
        self._collector = collector
        self._policy = policy
        self._duty = duty
        self.task = SharedTask(
            TASK, self._collect, positions=positions, every_s=interval_s, poll_s_max=POLL_S_MAX
        )
        # Beside the work, because what waits matters while that fails.
        self.measuring = PeriodicTask(
            "collection_backlog", self.measure, interval_s=MEASURE_INTERVAL_S
        )

    async def _collect(self, position: str) -> str | None:
        try:
            return await self._go_on(Place.at(position))
        except Exception:
            # Fail closed: without an answer nothing is deleted. The next turn continues here.
            metrics.rounds.labels("stopped").inc()
            raise

    async def _go_on(self, after: Place) -> str | None:
        """Mark some more blobs; when all are marked, delete the condemned ones, and end."""
        report, pace = Report(dry_run=False, items_max=0), Pace(self._duty)
        place = await self._collector.mark(report, pace, after)
        if place is None:
            await self._collector.let_go(report, pace)
            await self._store.forget_claims(CLAIMS_KEPT, FORGET_ROWS)
        counts = self.task.report
        counts.update({"lookedAt": report.looked_at} | report.counts())
        if place:
            return str(place)
        metrics.rounds.labels("done").inc()
        log.info("collection done", **counts)
        return None

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
