"""Follows the anchors of scenes that are edited, a moment after the edits."""

import time
from collections.abc import Iterable
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Counter, Histogram

from libs import errors
from libs.postgres.pool import UNREACHABLE
from libs.tasks import PeriodicTask, progressed
from services.collab.due import DueScenes
from services.collab.model import uuid_of
from services.collab.review.anchors.anchors import Anchors
from services.collab.review.anchors.store import AnchorStore

log = structlog.get_logger(__name__)

DELAY_S_MIN = 1.0
DELAY_S_MAX = 2.0
"""Time from the first edit that anchors were not followed through to the step over all of them."""
LOOK_INTERVAL_S = 0.25
SCENES_TOGETHER = 64
AGAIN_S = 10.0
"""Time after which a scene is tried again that could not be read."""
PAUSE_S_MAX = 2.0
WALK_SCENES = 500
WALK_INTERVAL_S = 900.0
"""Long before rows of the log are compacted, when only the newest state tells what became."""

_followed = Histogram(
    "scriptorium_collab_anchors_follow_seconds", "Time to follow the anchors of one scene."
)
_failed = Counter(
    "scriptorium_collab_anchors_follow_failures", "Scenes whose anchors could not be followed."
)


class AnchorFollower:
    """Keeps anchors in step with the log."""

    def __init__(self, anchors: Anchors, store: AnchorStore, *, duty: float) -> None:
        """Follow for the share *duty* of the time."""
        self._anchors = anchors
        self._store = store
        self._due = DueScenes()
        self.task = PeriodicTask(
            "anchors",
            self.follow_due,
            interval_s=LOOK_INTERVAL_S,
            duty=duty,
            rest_s_max=PAUSE_S_MAX,
        )
        self.walk = PeriodicTask(
            "anchors_walk", self.follow_all_behind, interval_s=WALK_INTERVAL_S, jitter=0.1
        )

    def committed(self, scenes: Iterable[bytes]) -> None:
        """Note that *scenes* were edited."""
        now: float | None = None
        for scene in scenes:
            if scene not in self._due:
                now = now or time.monotonic()
                self._due.add_between(scene, now + DELAY_S_MIN, now + DELAY_S_MAX)

    async def follow_due(self) -> bool:
        """Follow some of the scenes that are due; False when there are none."""
        now = time.monotonic()
        due: list[bytes] = []
        while len(due) < SCENES_TOGETHER and (found := self._due.pop(now)):
            due.append(found[1])
        if not due:
            return False
        try:
            anchored = await self._store.anchored([uuid_of(scene) for scene in due])
            for scene in anchored:
                await self._follow(scene)
                progressed()
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            log.warning("following anchors postponed", reason=repr(error)[:200])
            for scene in due:
                self._due.add(scene, time.monotonic() + AGAIN_S)
        return True

    async def follow_all_behind(self) -> None:
        """Follow scenes that were edited while no replica that lives knew of it."""
        after: UUID | None = UUID(int=0)
        while after is not None:
            scenes = await self._store.behind(after, WALK_SCENES)
            for scene in scenes:
                await self._follow(scene)
                progressed()
            after = scenes[-1] if len(scenes) == WALK_SCENES else None

    async def _follow(self, scene: UUID) -> None:
        try:
            with _followed.time():
                await self._anchors.follow(scene)
        except errors.Unavailable as error:
            _failed.inc()
            log.warning("anchors not followed", scene_id=str(scene), reason=repr(error.__cause__))
            self._due.add(scene.bytes, time.monotonic() + AGAIN_S)
