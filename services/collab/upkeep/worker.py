"""The background of upkeep, in every replica: a slow walk over all scenes, and urgent repairs."""

import asyncio
import time
from datetime import timedelta
from uuid import UUID

import asyncpg
import structlog

from libs.postgres.pool import UNREACHABLE
from libs.process import FOR_EVER
from libs.tasks import Pace, PeriodicTask, SharedTask, TaskPositions, progressed
from services.collab.rollups import Rollups
from services.collab.scenes import Scenes
from services.collab.settings import CollabSettings
from services.collab.upkeep.compaction import Compactor, Outcome
from services.collab.upkeep.integrity import Integrity
from services.collab.upkeep.repair import Repairs
from services.collab.upkeep.replay import Unbuildable
from services.collab.upkeep.retention import Retention
from services.collab.upkeep.store import Due, Policy, UpkeepStore
from services.collab.workers import WorkerDied

log = structlog.get_logger(__name__)

PAGE_SCENES = 200
"""Scenes looked at in one query, about 10 ms of the server."""
VERIFY_SCENES = 5
MEND_INTERVAL_S = 60.0
"""Damage that is met wakes the repairs at once; nothing is waiting when they look by themselves."""
DAMAGED_MAX = 10_000
BUSY_PAUSE_S = 1.0
RETRY_PAUSE_S = 600.0
POSTPONED_MAX = 100_000


def policy_of(settings: CollabSettings) -> Policy:
    """When what is due, by the settings."""
    return Policy(
        rows_min=settings.compaction_rows,
        age=timedelta(seconds=settings.compaction_age_s),
        pause=timedelta(seconds=settings.compaction_pause_s),
        retention=FOR_EVER
        if settings.retention_s is None
        else timedelta(seconds=settings.retention_s),
        session_pause=timedelta(seconds=settings.session_pause_s),
        tail_rows=settings.rollup_rows,
        tail_age=timedelta(seconds=settings.rollup_age_s),
    )


def _scene_of(position: str) -> UUID:
    return UUID(position) if position else UUID(int=0)


class Upkeep:
    """Walks over all scenes, verifies and repairs."""

    def __init__(
        self,
        *,
        settings: CollabSettings,
        upkeep: UpkeepStore,
        positions: TaskPositions,
        scenes: Scenes,
        rollups: Rollups,
        compactor: Compactor,
        retention: Retention,
        integrity: Integrity,
        repairs: Repairs,
    ) -> None:
        """Wire the parts; from now on damage that readers meet is repaired."""
        self._settings = settings
        self._policy = policy_of(settings)
        self._upkeep = upkeep
        self._rollups = rollups
        self._compactor = compactor
        self._retention = retention
        self._integrity = integrity
        self._repairs = repairs
        self._damaged: dict[UUID, list[tuple[str, int]]] = {}
        self._postponed: dict[UUID, float] = {}
        """Scenes that cannot be compacted now, and when to try again (monotonic)."""
        self._tried: dict[UUID, float] = {}
        """When what failed before was last tried again, per scene (monotonic)."""
        self._walking = SharedTask(
            "upkeep",
            self._walk,
            positions=positions,
            every_s=settings.upkeep_interval_s,
            duty=settings.upkeep_duty,
        )
        self._verifying = SharedTask(
            "verify", self._verify, positions=positions, every_s=settings.verify_interval_s
        )
        self._mending = PeriodicTask("mend", self._mend, interval_s=MEND_INTERVAL_S)
        scenes.on_damage = self._note

    def tasks(self) -> list[PeriodicTask]:
        """Return what this replica does in the background."""
        return [self._walking, self._verifying, self._mending]

    def _note(self, scene: UUID, kind: str, seq: int) -> None:
        if len(self._damaged) < DAMAGED_MAX:
            found = self._damaged.setdefault(scene, [])
            if (kind, seq) not in found:
                found.append((kind, seq))
        self._mending.wake()

    async def _walk(self, position: str) -> str | None:
        """Find what is due among the next scenes, and do it."""
        after = _scene_of(position)
        scenes = await self._upkeep.scenes_after(after, PAGE_SCENES)
        for due in await self._upkeep.due(scenes, self._policy):
            await self._attend(due)
            progressed()
        return str(scenes[-1]) if len(scenes) == PAGE_SCENES else None

    async def _attend(self, due: Due) -> None:
        if due.tail:
            self._rollups.found(due.scene.bytes, due.tail)
        try:
            if due.compact and self._postponed.get(due.scene, 0) < time.monotonic():
                pace = Pace(self._settings.upkeep_duty)
                done = await self._compactor.compact(due.scene, pace)
                if done.outcome in (Outcome.WAITING, Outcome.DAMAGED, Outcome.DIFFERS):
                    if len(self._postponed) >= POSTPONED_MAX:
                        self._postponed.clear()
                    pause_s = self._settings.compaction_pause_s
                    self._postponed[due.scene] = time.monotonic() + pause_s
                    log.warning("not compacted", scene_id=str(due.scene), reason=done.outcome)
            if due.mend:
                # Whoever found this died over it.
                await self._repairs.mend(due.scene, Pace(1), failed=False)
            if due.prune:
                await self._retention.prune(due.scene, Pace(self._settings.upkeep_duty))
        except (*UNREACHABLE, WorkerDied):
            raise
        except Exception:
            # One scene that cannot be kept up must not end the walk for all others.
            log.exception("upkeep of a scene failed", scene_id=str(due.scene))

    async def _verify(self, position: str) -> str | None:
        """Check the next scenes for damage."""
        scenes = await self._upkeep.scenes_after(_scene_of(position), VERIFY_SCENES)
        for scene in scenes:
            try:
                await self._integrity.verify(scene, Pace(self._settings.verify_duty))
            except Unbuildable:
                log.error("scene cannot be verified", scene_id=str(scene))  # noqa: TRY400
            progressed()
        return str(scenes[-1]) if len(scenes) == VERIFY_SCENES else None

    async def _mend(self) -> None:
        """Repair what readers and checks met, at once."""
        for scene in list(self._damaged):
            found = self._damaged.pop(scene)
            if not await self._mended(scene, found):
                for kind, seq in found:
                    self._note(scene, kind, seq)
                await asyncio.sleep(BUSY_PAUSE_S)

    async def _mended(self, scene: UUID, found: list[tuple[str, int]]) -> bool:
        """Whether *scene* need not be looked at again."""
        now = time.monotonic()
        again = now - self._tried.get(scene, -RETRY_PAUSE_S) >= RETRY_PAUSE_S
        try:
            for kind, seq in found:
                await self._integrity.confirm(scene, kind, seq)
            mended = await self._repairs.mend(scene, Pace(1), failed=again)
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            log.warning("repair interrupted", reason=repr(error)[:200])
            return False
        except Exception:
            log.exception("repair failed", scene_id=str(scene))
            return True
        if again and mended:
            if len(self._tried) >= POSTPONED_MAX:
                self._tried.clear()
            self._tried[scene] = now
        return mended is not None
