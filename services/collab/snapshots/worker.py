"""The periodic worker: every scene that changed gets a snapshot, soon enough and never all at once.

This replica's own commits tell what changed. What a replica that died left behind, a walk over all
scenes finds: one replica at a time, some scenes at a time. Both only say that a scene is due; under
its lock the snapshot is made when the log really went further.
"""

import asyncio
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Counter

from libs import errors
from libs.postgres.pool import UNREACHABLE
from services.collab.editors import SceneEditors
from services.collab.model import uuid_of
from services.collab.snapshots.divergence import FAILURES
from services.collab.snapshots.due import DueScenes
from services.collab.snapshots.rendering import RENDERING
from services.collab.snapshots.store import NO_SCENE, Passed, SnapshotStore
from services.collab.snapshots.taking import Snapshots

log = structlog.get_logger(__name__)

PAUSE_S_MAX = 10.0
"""One that was slow does not make all others wait for longer."""
LOOK_INTERVAL_S = 0.5
FAILURE_PAUSE_S = 60.0
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
        self.taken = self.failures = 0

    def committed(self, scenes: Iterable[bytes]) -> None:
        """Note that scenes changed: each is due within the interval, at a time of its own."""
        now: float | None = None
        for scene in scenes:
            if scene not in self._due:
                now = now or time.monotonic()
                interval_s = self._schedule.interval_s
                self._due.add_between(scene, now + interval_s / 2, now + interval_s)

    async def run(self) -> None:
        """Take what is due, one scene after the other, until cancelled."""
        while True:
            now = time.monotonic()
            # Removed before the work: an edit committed during it makes the scene due again.
            if (found := self._due.pop(now)) is None:
                await asyncio.sleep(LOOK_INTERVAL_S)
                continue
            due, scene = found
            await self._attempt(scene)
            behind = now - due > self._schedule.interval_s
            duty = self._schedule.duty_behind if behind else self._schedule.duty
            pause_s = (time.monotonic() - now) * (1 / duty - 1)
            await asyncio.sleep(min(pause_s, PAUSE_S_MAX, self._schedule.interval_s))

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

    async def walk(self) -> None:
        """Walk over all scenes now and then, if no other replica does, until cancelled."""
        interval_s = self._schedule.walk_interval_s
        while True:
            try:
                if await self._store.begin_walk(interval_s * 0.9):
                    await self._walk()
            except (*UNREACHABLE, asyncpg.PostgresError) as error:
                log.warning("walk over all scenes failed", reason=repr(error)[:200])
            await asyncio.sleep(interval_s * random.uniform(0.9, 1.1))

    async def _walk(self) -> None:
        scenes = behind = late = 0
        age_s = 0.0
        oldest: datetime | None = None
        after = NO_SCENE
        while True:
            started = time.monotonic()
            page = await self._store.walk(after, WALK_SCENES)
            editors = await self._editors_of(page)
            for passed in page:
                if passed.since is None or passed.waits_s is None:
                    other = passed.editor != editors.get(passed.scene_id, passed.editor)
                    if passed.rendering != RENDERING or passed.compacted or other:
                        self._later(passed)
                    continue
                waits_s = passed.waits_s
                oldest = min(oldest or passed.since, passed.since)
                behind += waits_s > self._schedule.behind_s
                if passed.age_s is not None:
                    late += 1
                    age_s += passed.age_s
                if waits_s > self._schedule.interval_s:
                    self._later(passed)
            scenes += len(page)
            if len(page) < WALK_SCENES:
                break
            after = page[-1].scene_id
            await asyncio.sleep((time.monotonic() - started) * (1 / self._schedule.duty - 1))
        await self._store.end_walk(scenes, behind, age_s / late if late else None, oldest)

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
