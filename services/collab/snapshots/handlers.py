"""Serves `libs.contracts.collab.persistence`."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.persistence import (
    AskHealth,
    AskSnapshots,
    CheckDivergence,
    DivergenceReport,
    DivergenceStatus,
    Fallback,
    Freshness,
    PastSnapshot,
    PersistenceHealth,
    PutSnapshot,
    ReadScenes,
    SceneState,
    SceneText,
    SceneTexts,
    Snapshot,
    SnapshotHistory,
    SnapshotSource,
    TakeSnapshot,
    Validation,
)
from libs.postgres.pool import UNREACHABLE
from services.collab.editors import Named, SceneEditors
from services.collab.scenes import Scenes, SceneUnreadable
from services.collab.snapshots import model, rendering
from services.collab.snapshots.divergence import FAILURES, Detector
from services.collab.snapshots.measuring import Measuring
from services.collab.snapshots.rendering import Readable
from services.collab.snapshots.store import SnapshotStore, Taken
from services.collab.snapshots.taking import Snapshots
from services.collab.updates import BadUpdate
from services.collab.workers import WorkerDied, Workers

SCENES_BYTES_MAX = 2 << 20
"""Blocks in one answer of many scenes, bytes of JSON; the bus carries 8 MB a message."""
SCENES_TOGETHER = 8

REST = "rest"
YJS = "yjs"
_IMPORTS = frozenset({SnapshotSource.IMPORT, SnapshotSource.MIGRATED})


class SnapshotHandlers:
    """Answers about snapshots and how they agree with the log."""

    def __init__(
        self,
        *,
        store: SnapshotStore,
        scenes: Scenes,
        editors: SceneEditors,
        workers: Workers,
        snapshots: Snapshots,
        detector: Detector,
        measuring: Measuring,
        thresholds: model.Thresholds,
    ) -> None:
        """Wire the parts."""
        self._store = store
        self._scenes = scenes
        self._editors = editors
        self._workers = workers
        self._snapshots = snapshots
        self._detector = detector
        self._measuring = measuring
        self._thresholds = thresholds

    async def take(self, question: TakeSnapshot, actor: Actor) -> Snapshot:
        """Take a snapshot on demand."""
        scene, by = question.scene_id, _person(actor)
        recent_s = 0 if question.force else self._thresholds.stale_s
        try:
            finding = after = None
            if question.validate_ and not await self._store.noted(question.snapshot_id, scene):
                # What is replaced is looked at first: afterwards nobody could tell.
                _, finding = await self._detector.examine(scene, by)
            taken = await self._snapshots.take(
                scene,
                SnapshotSource.MANUAL,
                snapshot=question.snapshot_id,
                by=by,
                recent_s=recent_s,
                finding=finding,
            )
            if question.validate_:
                after = await self._detector.check(scene, repair=False)
        except FAILURES as error:
            raise errors.Unavailable from error
        validation = None
        if after:
            matches = after.compared and not after.diverged
            validation = Validation(
                passed=matches and not finding,
                diverged=finding is not None,
                checksum_match=matches,
            )
        return _snapshot(scene, taken, validation)

    async def put(self, question: PutSnapshot, actor: Actor) -> Snapshot:
        """Take in the blocks of a scene that was written elsewhere."""
        if question.source not in _IMPORTS:
            raise errors.Invalid("Only an import or a migration brings blocks.", field="source")
        try:
            taken = await self._snapshots.put(
                question.scene_id,
                question.source,
                question.blocks,
                snapshot=question.snapshot_id,
                by=_person(actor),
            )
        except (*UNREACHABLE, asyncpg.PostgresError, WorkerDied) as error:
            raise errors.Unavailable from error
        return _snapshot(question.scene_id, taken, None)

    async def history(self, question: AskSnapshots, _actor: Actor) -> SnapshotHistory:
        """Tell what snapshots a scene has had."""
        try:
            [row] = await self._store.overview([question.scene_id])
            taken = await self._store.history(question.scene_id, question.limit)
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            raise errors.Unavailable from error
        return SnapshotHistory(
            scene_id=question.scene_id,
            yjs_update_count=row["head"],
            freshness=self._freshness(row, row["head"]),
            state=_state(row, row["head"]),
            snapshots=[PastSnapshot.model_validate(dict(each)) for each in taken],
        )

    async def check(self, question: CheckDivergence, actor: Actor) -> DivergenceReport:
        """Compare one snapshot with the log."""
        try:
            return await self._detector.check(
                question.scene_id, repair=question.repair, requested_by=_person(actor)
            )
        except FAILURES as error:
            raise errors.Unavailable from error

    async def health(self, _question: AskHealth, _actor: Actor) -> PersistenceHealth:
        """Tell how persistence is."""
        return await self._measuring.health()

    async def divergence(self, _question: AskHealth, _actor: Actor) -> DivergenceStatus:
        """Tell how snapshots and logs agree."""
        try:
            return await self._measuring.divergence()
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            raise errors.Unavailable from error

    async def read(self, question: ReadScenes, _actor: Actor) -> SceneTexts:
        """Read many scenes: from Yjs where there is any, else from the snapshot."""
        found: list[SceneText] = []
        size = 0
        try:
            rows = await self._store.overview(question.scene_ids)
            editors = await self._editors.of_all(question.scene_ids)
            for start in range(0, len(rows), SCENES_TOGETHER):
                group = rows[start : start + SCENES_TOGETHER]
                for text in await asyncio.gather(*(self._text(row, editors) for row in group)):
                    size += len(text.blocks_json)
                    if found and size > SCENES_BYTES_MAX:
                        return SceneTexts(scenes=found)
                    found.append(text)
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            raise errors.Unavailable from error
        return SceneTexts(scenes=found)

    async def _text(self, row: asyncpg.Record, editors: Mapping[UUID, Named]) -> SceneText:
        scene, head, reason = row["scene_id"], row["head"], None
        text: Readable | None = None
        if head:
            try:
                state = await self._scenes.state(scene.bytes)
                head = state.upto
                text = await self._workers.run(
                    rendering.readable, state.body, editors[scene].editor
                )
            except (SceneUnreadable, BadUpdate, WorkerDied):
                reason = Fallback.UNREADABLE
        source = YJS if text else REST
        if text is None and row["snapshot_at"]:
            text = await self._kept(scene)
            reason = reason if text else Fallback.UNREADABLE
            if row["snapshot_source"] == SnapshotSource.MIGRATED and not head:
                source = SnapshotSource.MIGRATED.value
        if text and len(text.blocks_json.encode()) > SCENES_BYTES_MAX:
            text, reason = Readable("[]", text.heading), Fallback.TOO_LARGE
        return self._described(row, text or Readable("[]", None), source, reason, head)

    def _described(
        self, row: asyncpg.Record, text: Readable, source: str, reason: Fallback | None, head: int
    ) -> SceneText:
        return SceneText.model_construct(
            scene_id=row["scene_id"],
            blocks_json=text.blocks_json,
            heading=text.heading,
            source=source,
            snapshot_at=row["snapshot_at"],
            # Seqs have no gaps: the newest is how many there were, compacted or not.
            yjs_update_count=head,
            last_modified=row["edited_at"] or row["snapshot_at"],
            freshness=self._freshness(row, head),
            state=_state(row, head),
            reason=reason,
        )

    def _freshness(self, row: asyncpg.Record, head: int) -> Freshness:
        at, complete = row["snapshot_at"], row["seq"] == head
        return model.freshness(at, row["now"], self._thresholds, complete=complete)

    async def _kept(self, scene: UUID) -> Readable | None:
        known = await self._store.read(scene)
        if known is None:
            return None
        try:
            return await self._workers.run(
                rendering.unpacked, known.kept.content, known.kept.size_bytes
            )
        except WorkerDied:
            return None


def _state(row: asyncpg.Record, head: int) -> SceneState:
    return model.state_of(
        head=head,
        first_snapshot_seq=row["first_yjs_seq"],
        compacted=row["compacted"],
        pruned=row["pruned"],
    )


def _snapshot(scene: UUID, taken: Taken, validation: Validation | None) -> Snapshot:
    return Snapshot(
        snapshot_id=taken.snapshot_id,
        scene_id=scene,
        source=taken.source,
        created_at=taken.at,
        yjs_update_count=taken.seq,
        generation_time_ms=taken.took_ms,
        snapshot_size_bytes=taken.size_bytes,
        validation=validation,
    )


def _person(actor: Actor) -> UUID | None:
    """Return the person who asked; None for an operator on the command line."""
    return actor.user_id if actor.user_id.int else None
