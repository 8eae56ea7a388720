"""The periodic worker: every scene that changed gets a snapshot, soon enough and never all at once.

This replica's own commits tell what changed. What a replica that died left behind, a walk over all
scenes finds: one replica at a time, some scenes at a time. Both only say that a scene is due; under
its lock the snapshot is made when the log really went further.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from prometheus_client import Counter

from libs import errors
from libs.tasks import PeriodicTask
from services.collab.due import DueScenes
from services.collab.editors import SceneEditors
from services.collab.model import uuid_of
from services.collab.snapshots.divergence import FAILURES
from services.collab.snapshots.rendering import RENDERING
from services.collab.snapshots.store import NO_SCENE, Passed, SnapshotStore
from services.collab.snapshots.taking import Snapshots
from services.collab.workers import JOB_TIMEOUT_S

log = structlog.get_logger(__name__)

PAUSE_S_MAX = 10.0
"""One that was slow does not make all others wait for longer."""
LOOK_INTERVAL_S = 0.5
PATIENCE_S = 2 * JOB_TIMEOUT_S
"""One that takes longer hangs."""
FAILURE_PAUSE_S = 60.0
WALK_JITTER = 0.1
WALK_SCENES = 500
"""Scenes of one step of the walk: about 20 ms of the database."""

_failed = Counter("yjs_primary_snapshot_failures", "Periodic snapshots that did not succeed.")


@dataclass(frozen=True, slots=True)
class Schedule:
    """When snapshots are taken.

    Args:
        interval_s: A change is in a snapshot after so many seconds at the latest.
        walk_interval_s: Time between two walks over all scenes.
        behind_s: A scene whose snapshot lacks a change that is older counts as behind.
        duty: Share of the time that snapshots take at most, so that they never compete with edits.
        duty_behind: The same when scenes have waited for longer than the interval.
    """

    interval_s: float
    walk_interval_s: float
    behind_s: float
    duty: float
    duty_behind: float


@dataclass(slots=True)
class _Walk:
    """How far a walk over all scenes has come, and what it found."""

    after: UUID = NO_SCENE
    scenes: int = 0
    behind: int = 0
    late: int = 0
    age_s: float = 0.0
    oldest: datetime | None = None

    def add(self, scene: Passed, editor: str | None, schedule: Schedule) -> bool:
        """Count a scene, written with *editor*; returns whether it needs a snapshot now."""
        self.scenes += 1
        if scene.since is None or scene.waits_s is None:
            return scene.rendering != RENDERING or scene.compacted or scene.editor != editor
        self.oldest = min(self.oldest or scene.since, scene.since)
        self.behind += scene.waits_s > schedule.behind_s
        if scene.age_s is not None:
            self.late += 1
            self.age_s += scene.age_s
        return scene.waits_s > schedule.interval_s


class SnapshotWorker:
    """Takes the snapshots that are due."""

    def __init__(
        self,
        store: SnapshotStore,
        snapshots: Snapshots,
        editors: SceneEditors,
        schedule: Schedule,
    ) -> None:
        """Wire the parts; `committed` is what the commits are told to."""
        self._editors = editors
        self._store = store
        self._snapshots = snapshots
        self._schedule = schedule
        self._due = DueScenes()
        self._behind = False
        self._walk: _Walk | None = None
        self.taken = self.failures = 0
        self.task = PeriodicTask(
            "snapshots",
            self.take_due,
            interval_s=LOOK_INTERVAL_S,
            duty=self._duty,
            rest_s_max=min(PAUSE_S_MAX, schedule.interval_s),
            patience_s=PATIENCE_S,
        )
        self.walking = PeriodicTask(
            "snapshot_walk",
            self.walk,
            interval_s=schedule.walk_interval_s,
            duty=schedule.duty,
            jitter=WALK_JITTER,
            patience_s=PATIENCE_S,
        )

    @property
    def is_working(self) -> bool:
        """Whether scenes that changed get their snapshots: nothing hangs, or fails altogether."""
        return self.task.is_working and self.walking.is_working

    def committed(self, scenes: Iterable[bytes]) -> None:
        """Note that scenes changed: each is due within the interval, at a time of its own."""
        now: float | None = None
        for scene in scenes:
            if scene not in self._due:
                now = now or time.monotonic()
                interval_s = self._schedule.interval_s
                self._due.add_between(scene, now + interval_s / 2, now + interval_s)

    async def take_due(self) -> bool:
        """Take the snapshot that is due for longest; False when none is."""
        now = time.monotonic()
        # Removed before the work: an edit committed during it makes the scene due again.
        if (found := self._due.pop(now)) is None:
            return False
        due, scene = found
        self._behind = now - due > self._schedule.interval_s
        await self._attempt(scene)
        return True

    def _duty(self) -> float:
        return self._schedule.duty_behind if self._behind else self._schedule.duty

    async def _attempt(self, scene: bytes) -> None:
        try:
            if await self._snapshots.renew(uuid_of(scene)):
                self.taken += 1
        except (*FAILURES, errors.AppError) as error:
            self.failures += 1
            _failed.inc()
            reason = repr(error)[:200]
            log.warning("snapshot failed", scene_id=str(uuid_of(scene)), reason=reason)
            self._due.add(scene, time.monotonic() + FAILURE_PAUSE_S)

    async def walk(self) -> bool:
        """Look at some scenes, the first ones when no replica walked lately; False at the end."""
        walk, self._walk = self._walk, None
        if walk is None:
            if not await self._store.begin_walk(self._schedule.walk_interval_s * 0.9):
                return False
            walk = _Walk()
        page = await self._store.walk(walk.after, WALK_SCENES)
        editors = await self._editors_of(page)
        for scene in page:
            if walk.add(scene, editors.get(scene.scene_id, scene.editor), self._schedule):
                self._later(scene)
        if len(page) == WALK_SCENES:
            walk.after = page[-1].scene_id
            self._walk = walk
            return True
        age_s = walk.age_s / walk.late if walk.late else None
        await self._store.end_walk(walk.scenes, walk.behind, age_s, walk.oldest)
        return False

    async def _editors_of(self, page: Sequence[Passed]) -> dict[UUID, str]:
        """The key of each scene's editor; nothing while events is away."""
        try:
            return await self._editors.keys_of([passed.scene_id for passed in page])
        except errors.AppError:
            return {}

    def _later(self, passed: Passed) -> None:
        """Expect a scene that nobody saw to, at a time within the interval."""
        now = time.monotonic()
        self._due.add_between(passed.scene_id.bytes, now, now + self._schedule.interval_s)
