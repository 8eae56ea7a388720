"""How persistence is, over all replicas: measured by each, added up in the database.

Each replica adds what it did to its current minute, and shows the sums of all as its own gauges, so
that any one of them tells the same. Thresholds are those of the alerts (deploy/alerts).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import REGISTRY, Gauge

from libs.contracts.collab.persistence import (
    CompactionHealth,
    DivergedScene,
    DivergenceHealth,
    DivergenceStatus,
    HealthStatus,
    PersistenceHealth,
    Repair,
    Severity,
    SnapshotHealth,
    YjsHealth,
)
from libs.postgres.pool import UNREACHABLE
from libs.tasks import PeriodicTask
from services.collab import store as log_store
from services.collab.snapshots import model
from services.collab.snapshots.divergence import Detector
from services.collab.snapshots.store import SnapshotStore
from services.collab.snapshots.worker import SnapshotWorker

log = structlog.get_logger(__name__)

REPORT_INTERVAL_S = 10.0
REPORTING_S = 150.0
"""A service whose newest minute is older does not operate: a minute, and two missed reports."""
HEALTH_WAIT_S = 3.0
"""A database that takes longer to tell how it is counts as away; whoever asks waits 5 s."""
LOADS_WINDOW_S = 900.0
MINUTES_KEPT_S = 86_400.0
WORST_MAX = 20
REPAIRS_MAX = 20
MEBIBYTE = 1 << 20

DIVERGENCE_ALERT = 0.001
DIVERGENCE_CRITICAL = 0.01
"""Shares of the checked scenes: a warning from 0.1 %, critical from 1 %."""
LAG_ALERT_S = 30 * 60.0
LAG_CRITICAL_S = 60 * 60.0
LOAD_ALERT_MS = 200.0
LOAD_CRITICAL_MS = 500.0

_rate = Gauge(
    "yjs_primary_divergence_rate",
    "Scenes whose snapshot diverged, percent of those checked in the window; all replicas.",
)
_lag = Gauge(
    "yjs_primary_snapshot_lag_minutes",
    "Age of the oldest change that is in no snapshot, minutes; all replicas.",
)
_behind = Gauge(
    "yjs_primary_snapshots_behind", "Scenes with a change older than 30 minutes in no snapshot."
)


@dataclass(frozen=True, slots=True)
class Watch:
    """The scope of the figures: the name of this replica, the window of the rate, the setting."""

    replica: str
    window_s: float
    sampling: bool


class Measuring:
    """Gathers figures, and tells them."""

    def __init__(
        self,
        store: SnapshotStore,
        log: log_store.Store,
        worker: SnapshotWorker,
        detector: Detector,
        watch: Watch,
    ) -> None:
        """Report what *worker* and *detector* did, and what this process loaded."""
        self._store = store
        self._log = log
        self._worker = worker
        self._detector = detector
        self._watch = watch
        self._told = (0, 0.0, 0, 0)
        self.task = PeriodicTask("persistence_figures", self.report, interval_s=REPORT_INTERVAL_S)

    async def report(self) -> None:
        """Add what this replica did to the figures, and show those of all."""
        await self._report()
        await self._show()

    async def health(self) -> PersistenceHealth:
        """All figures; when the database cannot be asked, that itself is the answer."""
        try:
            asked = asyncio.create_task(self._health())
            # Not a timeout around it: a server that does not answer would not answer that either.
            await asyncio.wait({asked}, timeout=HEALTH_WAIT_S)
            if asked.done():
                return asked.result()
            asked.cancel()
            raise TimeoutError
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            log.warning("health of persistence cannot be measured", reason=repr(error)[:200])
            return PersistenceHealth(
                status=HealthStatus.UNHEALTHY,
                yjs_persistence=YjsHealth(
                    operational=False, avg_load_time_ms=None, scenes_with_updates=None
                ),
                snapshot_service=SnapshotHealth(
                    operational=False,
                    snapshots_behind_threshold=None,
                    avg_snapshot_age_minutes=None,
                ),
                divergence_detection=DivergenceHealth(
                    enabled=False, divergence_rate=None, scenes_diverged=None
                ),
                compaction=CompactionHealth(
                    last_run=None, scenes_compacted=None, storage_saved_mb=None
                ),
            )

    async def _health(self) -> PersistenceHealth:
        minutes = await self._store.minutes(LOADS_WINDOW_S, REPORTING_S)
        counts = await self._store.counts()
        found = await self._store.divergence(self._watch.window_s)
        compaction = await self._store.compaction()
        load_ms = 1000 * minutes["load_seconds"] / minutes["loads"] if minutes["loads"] else None
        loads = await self._loads()
        working = minutes["working"] and (minutes["snapshots"] > 0 or minutes["failures"] == 0)
        sampled: bool = minutes["sampling"]
        rate = _share(found)
        age_s = counts["age_s_average"]
        counted = counts["counted_at"] is not None
        return PersistenceHealth(
            status=worst(
                HealthStatus.HEALTHY if loads else HealthStatus.UNHEALTHY,
                HealthStatus.HEALTHY if working else HealthStatus.DEGRADED,
                # That nobody samples is an operator's choice, or a failure.
                HealthStatus.HEALTHY
                if sampled or not self._watch.sampling
                else HealthStatus.DEGRADED,
                graded(rate, DIVERGENCE_ALERT, DIVERGENCE_CRITICAL),
                graded(_lag_s(counts["oldest_change_at"]), LAG_ALERT_S, LAG_CRITICAL_S),
                graded(load_ms, LOAD_ALERT_MS, LOAD_CRITICAL_MS),
            ),
            yjs_persistence=YjsHealth(
                operational=loads,
                avg_load_time_ms=None if load_ms is None else round(load_ms, 2),
                scenes_with_updates=counts["scenes_with_updates"],
            ),
            snapshot_service=SnapshotHealth(
                operational=working,
                snapshots_behind_threshold=counts["scenes_behind"],
                # Nothing behind is an age of nothing, once somebody looked.
                avg_snapshot_age_minutes=round((age_s or 0) / 60, 2) if counted else None,
            ),
            divergence_detection=DivergenceHealth(
                enabled=sampled,
                divergence_rate=rate,
                scenes_diverged=found["diverged"],
            ),
            compaction=CompactionHealth(
                last_run=compaction["last_run"],
                scenes_compacted=compaction["scenes"],
                storage_saved_mb=round(compaction["saved_bytes"] / MEBIBYTE, 2),
            ),
        )

    async def divergence(self) -> DivergenceStatus:
        """How snapshots and logs agree.

        Raises:
            asyncpg.PostgresError, OSError: The database is away.
        """
        found = await self._store.divergence(self._watch.window_s)
        rate = _share(found)
        return DivergenceStatus(
            status=graded(rate, DIVERGENCE_ALERT, DIVERGENCE_CRITICAL),
            divergence_rate=rate,
            alert_threshold=DIVERGENCE_ALERT,
            critical_threshold=DIVERGENCE_CRITICAL,
            window_hours=self._watch.window_s / 3600,
            scenes_checked=found["checked"],
            scenes_diverged=found["diverged"],
            by_severity={each: found[each.lower()] for each in Severity},
            last_check=found["last_check"],
            worst=[
                DivergedScene(
                    scene_id=row["scene_id"],
                    severity=Severity(row["severity"]),
                    recommended_action=model.ACTIONS[
                        None if row["repaired_at"] else Severity(row["severity"])
                    ],
                    found_at=row["diverged_at"],
                    repaired_at=row["repaired_at"],
                )
                for row in await self._store.worst(self._watch.window_s, WORST_MAX)
            ],
            repairs=[
                Repair(**{name: row[name] for name in Repair.model_fields})
                for row in await self._store.recent_repairs(REPAIRS_MAX)
            ],
        )

    async def _loads(self) -> bool:
        """Whether a scene can be loaded now: the one that changed last, if there is any."""
        scene: UUID | None = await self._store.newest_scene()
        if scene is None:
            return True
        stored = await self._log.load(scene)
        return stored.upto > 0

    async def _report(self) -> None:
        loads = int(_sample("yjs_primary_scene_load_time_ms_count"))
        seconds = _sample("yjs_primary_scene_load_time_ms_sum") / 1e3
        now = (loads, seconds, self._worker.taken, self._worker.failures)
        before = self._told
        await self._store.note_minute(
            self._watch.replica,
            now[0] - before[0],
            now[1] - before[1],
            now[2] - before[2],
            now[3] - before[3],
            sampling=self._detector.task.is_working,
            working=self._worker.is_working,
        )
        # Only now: what was not stored is added the next time.
        self._told = now
        await self._store.forget_minutes(MINUTES_KEPT_S)

    async def _show(self) -> None:
        found = await self._store.divergence(self._watch.window_s)
        counts = await self._store.counts()
        _rate.set(100 * (_share(found) or 0))
        _lag.set((_lag_s(counts["oldest_change_at"]) or 0) / 60)
        _behind.set(counts["scenes_behind"] or 0)


def graded(value: float | None, alert: float, critical: float) -> HealthStatus:
    """Return the level of a figure by its two thresholds; one that was not measured has none."""
    if value is None or value <= alert:
        return HealthStatus.HEALTHY
    return HealthStatus.DEGRADED if value <= critical else HealthStatus.UNHEALTHY


def worst(*found: HealthStatus) -> HealthStatus:
    """The worst of several."""
    order: Sequence[HealthStatus] = list(HealthStatus)
    return max(found, key=order.index)


def _share(found: asyncpg.Record) -> float | None:
    return found["diverged"] / found["checked"] if found["checked"] else None


def _lag_s(oldest: datetime | None) -> float | None:
    return None if oldest is None else (datetime.now(UTC) - oldest).total_seconds()


def _sample(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0.0
