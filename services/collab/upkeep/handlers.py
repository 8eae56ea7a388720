"""Answers operators: what is stored, is it whole, make it so."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from uuid import UUID

from libs.contracts.actor import Actor
from libs.contracts.collab.upkeep import (
    AboutScene,
    CompactedScene,
    CompactScene,
    Damage,
    DamageRecord,
    ListScenes,
    SceneIds,
    SceneInspection,
    SceneRepair,
    SceneVerification,
)
from libs.tasks import Pace
from services.collab.upkeep.compaction import Compactor, Outcome
from services.collab.upkeep.findings import Findings
from services.collab.upkeep.integrity import Integrity, Verification
from services.collab.upkeep.repair import Repairs
from services.collab.upkeep.store import UpkeepStore

DUTY_ASKED = 0.5
"""Somebody waits for the answer, and so may edits, a little."""

LOOKS_AT_BUSY_SCENE = 20
BUSY_PAUSE_S = 0.25
"""Upkeep in the background holds a scene for milliseconds; an operator who meets it need not ask
again. After LOOKS_AT_BUSY_SCENE pauses (5 s) the answer says that the scene is busy."""


class UpkeepHandlers:
    """Serves `libs.contracts.collab.upkeep`."""

    def __init__(
        self,
        *,
        upkeep: UpkeepStore,
        findings: Findings,
        compactor: Compactor,
        integrity: Integrity,
        repairs: Repairs,
    ) -> None:
        """Wire the parts."""
        self._upkeep = upkeep
        self._findings = findings
        self._compactor = compactor
        self._integrity = integrity
        self._repairs = repairs

    async def inspect(self, question: AboutScene, _actor: Actor) -> SceneInspection:
        """Say what is stored of a scene."""
        found = asdict(await self._integrity.inspect(question.scene_id))
        return SceneInspection.model_validate({"scene_id": question.scene_id, **found})

    async def verify(self, question: AboutScene, actor: Actor) -> SceneVerification:
        """Check all that is stored of a scene."""
        done = await self._verified(question.scene_id, actor)
        return SceneVerification(
            scene_id=question.scene_id, rows=done.rows, damage=_damage(done), busy=done.busy
        )

    async def repair(self, question: AboutScene, actor: Actor) -> SceneRepair:
        """Check a scene and do what can be done about what is damaged."""
        scene, mended = question.scene_id, None
        done = await self._verified(scene, actor)
        if not done.busy:
            mended = await _once_free(
                lambda: self._repairs.mend(scene, Pace(DUTY_ASKED), by=actor.user_id),
                lambda findings: findings is None,
            )
        return SceneRepair(
            scene_id=scene,
            damage=_damage(done),
            records=[
                DamageRecord.model_validate(row) for row in await self._findings.history(scene)
            ],
            busy=done.busy or mended is None,
        )

    async def compact(self, question: CompactScene, _actor: Actor) -> CompactedScene:
        """Compact a scene."""
        done = await _once_free(
            lambda: self._compactor.compact(
                question.scene_id, Pace(DUTY_ASKED), force=question.force
            ),
            lambda done: done.outcome is Outcome.BUSY,
        )
        return CompactedScene(scene_id=question.scene_id, **asdict(done))

    async def scenes(self, question: ListScenes, _actor: Actor) -> SceneIds:
        """List scenes that have a log."""
        return SceneIds(scenes=await self._upkeep.scenes_after(question.after, question.limit))

    async def _verified(self, scene: UUID, actor: Actor) -> Verification:
        return await _once_free(
            lambda: self._integrity.verify(scene, Pace(DUTY_ASKED), by=actor.user_id),
            lambda done: done.busy,
        )


async def _once_free[T](work: Callable[[], Awaitable[T]], is_busy: Callable[[T], bool]) -> T:
    """Return what *work* gives, asked again for a while as long as others work on the scene."""
    done = await work()
    for _ in range(LOOKS_AT_BUSY_SCENE):
        if not is_busy(done):
            break
        await asyncio.sleep(BUSY_PAUSE_S)
        done = await work()
    return done


def _damage(done: Verification) -> list[Damage]:
    return [Damage(kind=kind, seq=seq, reason=reason) for kind, seq, reason in done.damage]
