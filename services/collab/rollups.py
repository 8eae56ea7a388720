"""Heads: now and then the log of a scene is rolled up into one compact state, off the loop.

A head is only a shorter way to what the log says. It is built from the log in a worker, checked
against it, and stored under an advisory lock; if anything fails, the old one still serves.
"""

import time
from dataclasses import dataclass, field

import asyncpg
import structlog
from prometheus_client import Counter, Gauge, Histogram

from libs.postgres.pool import UNREACHABLE
from libs.tasks import PeriodicTask, passed
from services.collab import heavy, updates
from services.collab.model import SceneRun, uuid_of
from services.collab.scenes import CHECKSUM, Scenes
from services.collab.settings import CollabSettings
from services.collab.store import LOAD_ROWS_MAX, Store, Trust
from services.collab.workers import WorkerDied, Workers

log = structlog.get_logger(__name__)

TRACKED_SCENES_MAX = 100_000
SWEEP_INTERVAL_S = 0.5
FAILURE_PAUSE_S = 30.0

_seconds = Histogram(
    "scriptorium_collab_rollup_seconds",
    "Time to roll one head up.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
_lag = Gauge(
    "yjs_primary_rollup_lag_seconds", "Age of the oldest tail that waits for its roll-up here."
)
_failed = Counter("scriptorium_collab_rollup_failures_total", "Roll-ups that did not succeed.")


@dataclass(slots=True)
class _Tail:
    """The part of a scene beyond its head, as this replica knows it."""

    rows: int = 0
    size_bytes: int = 0
    since: float = field(default_factory=time.monotonic)
    not_before: float = 0.0


class Rollups:
    """Watches what is committed and rolls up what has grown."""

    def __init__(
        self, store: Store, scenes: Scenes, workers: Workers, settings: CollabSettings
    ) -> None:
        """Wire the parts."""
        self._store = store
        self._scenes = scenes
        self._workers = workers
        self._settings = settings
        self._tails: dict[bytes, _Tail] = {}
        scenes.on_long_tail = self.found
        self._queue: list[bytes] = []
        """Scenes that are due; the last one, whose joins feel it most, comes first."""
        self._behind = False
        # Rests in between, so that roll-ups never compete with edits.
        self.task = PeriodicTask(
            "rollups", self.roll_up_due, interval_s=SWEEP_INTERVAL_S, duty=self._duty
        )
        self.full: set[bytes] = set()
        """Scenes whose state outgrew `scene_bytes_max`."""

    def committed(self, runs: dict[bytes, SceneRun]) -> None:
        """Note what a flush added."""
        for scene, run in runs.items():
            tail = self._tails.get(scene)
            if tail is None:
                if len(self._tails) >= TRACKED_SCENES_MAX:
                    continue
                tail = self._tails[scene] = _Tail()
            tail.rows += len(run.updates)
            tail.size_bytes += run.size_bytes

    def found(self, scene: bytes, rows: int) -> None:
        """Note a tail of *rows* rows that somebody met, whoever wrote them."""
        if len(self._tails) < TRACKED_SCENES_MAX:
            tail = self._tails.setdefault(scene, _Tail())
            tail.rows = max(tail.rows, rows)

    async def roll_up_due(self) -> bool:
        """Roll up one scene that is due; False when there is none, until a later look."""
        if not self._queue:
            self._queue = self._find_due()
            if not self._queue:
                return False
        scene = self._queue.pop()
        self._behind = self._tails[scene].rows > self._settings.rollup_behind_rows
        await self._attempt(scene)
        return True

    def _find_due(self) -> list[bytes]:
        """Return the scenes that are due, the longest tail last, and show how long they waited."""
        now = time.monotonic()
        waiting = [tail.since for tail in self._tails.values() if tail.rows]
        _lag.set(now - min(waiting) if waiting else 0)
        due = [scene for scene, tail in self._tails.items() if self._due(tail, now)]
        return sorted(due, key=lambda scene: self._tails[scene].rows)

    def _duty(self) -> float:
        return self._settings.rollup_duty_behind if self._behind else self._settings.rollup_duty

    def _due(self, tail: _Tail, now: float) -> bool:
        return now >= tail.not_before and (
            self._long(tail) or (tail.rows > 0 and now - tail.since >= self._settings.rollup_age_s)
        )

    def _long(self, tail: _Tail) -> bool:
        settings = self._settings
        return tail.rows >= settings.rollup_rows or tail.size_bytes >= settings.rollup_bytes

    async def _attempt(self, scene: bytes) -> None:
        tail = self._tails.pop(scene)
        try:
            with _seconds.time():
                more = await self.roll_up(scene, resting=not self._long(tail))
        except (*UNREACHABLE, asyncpg.PostgresError, WorkerDied) as error:
            _failed.inc()
            log.warning("roll-up failed", scene_id=str(uuid_of(scene)), reason=repr(error)[:200])
            later = self._tails.setdefault(scene, _Tail())
            later.rows += tail.rows
            later.size_bytes += tail.size_bytes
            later.not_before = time.monotonic() + FAILURE_PAUSE_S
            return
        ended = time.monotonic()
        later = self._tails.setdefault(scene, _Tail())
        if more:
            later.rows += max(self._settings.rollup_rows, tail.rows - LOAD_ROWS_MAX)
        else:
            later.not_before = ended + self._settings.rollup_pause_s
        self._forget_quiet(ended)

    def _forget_quiet(self, now: float) -> None:
        if len(self._tails) > TRACKED_SCENES_MAX // 2:
            quiet = [
                scene
                for scene, tail in self._tails.items()
                if tail.rows == 0 and tail.not_before < now
            ]
            for scene in quiet:
                del self._tails[scene]

    async def roll_up(self, scene: bytes, *, resting: bool = False) -> bool:
        """Move the head of one scene forward; returns whether there is more to roll up.

        One that will be *resting* is compressed harder.

        Raises:
            WorkerDied: The document crashed its worker.
            asyncpg.PostgresError, OSError: The database is away; the old head still serves.
        """
        scene_id = uuid_of(scene)
        async with self._store.transaction() as connection, connection.transaction():
            if not await self._store.try_lock(scene_id, within=connection):
                return False
            stored = await self._store.load(scene_id, within=connection)
            if stored.base_damaged:
                # Its repair makes a new head, from what is left.
                await self._scenes.step_down(scene, stored, Trust.HEAD)
                return False
            if stored.pruned:
                log.error("scene cannot be rolled up", scene_id=str(scene_id))
                return False
            if stored.damaged:
                await self._scenes.quarantine(scene, dict.fromkeys(stored.damaged, CHECKSUM))
            if not stored.rows and (stored.base is None or stored.base_is_head):
                return False
            # Of a compacted row alone a head is made too: each can be rebuilt from the other.
            pieces = [stored.base, *stored.rows] if stored.base else stored.rows
            try:
                done = await self._workers.run(heavy.integrate, pieces)
            except WorkerDied:
                done = None
            if done is None:
                bad = await self._scenes.find_bad(stored.base, stored.seqs, stored.rows)
                await self._scenes.quarantine(scene, bad)
                return False
            state, vector, _ = done
            passed("rollup.built")
            await self._store.put_head(
                scene_id, stored.upto, state, vector, within=connection, resting=resting
            )
            passed("rollup.stored")
        passed("rollup.committed")
        if len(state) > self._settings.scene_bytes_max:
            self.full.add(scene)
        else:
            self.full.discard(scene)
        log.debug(
            "head rolled up",
            scene_id=str(scene_id),
            upto=stored.upto,
            rows=len(stored.rows),
            size_bytes=len(state),
            clients=len(updates.read_state_vector(vector)),
        )
        return stored.full
