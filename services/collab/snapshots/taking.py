"""Taking snapshots: the state from the log, rendered in a worker, stored with its history.

One at a time for each scene, over all replicas: an advisory lock is held while a snapshot is made,
and whoever comes second finds that there is nothing left to do. Edits take no part in any of it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from prometheus_client import Counter, Histogram

from libs import errors
from libs.contracts.collab.persistence import SnapshotSource
from libs.contracts.ids import new_id
from libs.postgres import Connection
from services.collab.editors import Named, SceneEditors
from services.collab.scenes import Scenes
from services.collab.snapshots import rendering
from services.collab.snapshots.rendering import Rendered
from services.collab.snapshots.store import Finding, SnapshotStore, Stored, Taken
from services.collab.workers import Workers

AT_ONCE_MAX = 2
"""Snapshots that a replica takes at once; each holds a connection of its pool meanwhile."""
LOCK_POLL_S = 0.05

_seconds = Histogram(
    "yjs_primary_snapshot_duration_seconds",
    "Time to take one snapshot, from reading the log to the commit.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_bytes = Histogram(
    "yjs_primary_snapshot_size_bytes",
    "Size of one snapshot as it is stored.",
    buckets=tuple(256 * 4**power for power in range(9)),
)
_taken = Counter("yjs_primary_snapshots", "Snapshots taken, by source.", ["source"])
for _source in SnapshotSource:
    _taken.labels(_source)


class Snapshots:
    """Takes snapshots and stores imported ones."""

    def __init__(
        self,
        store: SnapshotStore,
        scenes: Scenes,
        editors: SceneEditors,
        workers: Workers,
        *,
        history_rows_max: int,
    ) -> None:
        """Keep *history_rows_max* rows of history for each scene."""
        self._editors = editors
        self._store = store
        self._scenes = scenes
        self._workers = workers
        self._history_rows_max = history_rows_max
        self._room = asyncio.Semaphore(AT_ONCE_MAX)
        self.on_import: Callable[[UUID], None] = lambda _scene: None
        """Told of each scene that was given blocks from elsewhere."""

    async def renew(self, scene: UUID) -> Taken | None:
        """Take a snapshot if the scene changed since the last one, and nobody else is at it.

        Also when its log was compacted: that is read back, and the history tells of it. And when
        it is written with another editor than the one as which the last one was rendered.

        Raises:
            SceneUnreadable, BadUpdate, WorkerDied: The scene cannot be read.
            asyncpg.PostgresError, OSError: The database is away.
        """
        async with self._room:
            named = await self._named(scene)
            return await self._renewed(scene, named)

    async def _renewed(self, scene: UUID, named: Named) -> Taken | None:
        async with self._transaction() as within:
            if not await self._store.try_lock(scene, within):
                return None
            known = await self._store.read(scene, within)
            head = (await self._store.overview([scene]))[0]["head"]
            compacted = await self._store.compacted_since(scene, within)
            current = known and known.seq >= head and known.rendered_as(named.key)
            if not head or (current and not compacted):
                return None
            source = SnapshotSource.COMPACTED if compacted else SnapshotSource.YJS
            return await self._take(scene, named, source, new_id(), None, within=within)

    async def _named(self, scene: UUID) -> Named:
        """The editor of a scene; none while events is away, and then it is renewed later."""
        return (await self._editors.of_all_if_known([scene]))[scene]

    async def take(
        self,
        scene: UUID,
        source: SnapshotSource,
        *,
        snapshot: UUID,
        by: UUID | None,
        recent_s: float = 0,
        finding: Finding | None = None,
    ) -> Taken:
        """Take a snapshot, also when nothing changed, unless the last is younger than *recent_s*.

        Asked again with the same id it answers what the first time made. When *finding* is about
        the snapshot that is replaced, the audit is written with it.

        Raises:
            RecentSnapshot: There is a younger one.
            NothingWritten: The scene has no Yjs text.
            SceneUnreadable, BadUpdate, WorkerDied: The scene cannot be read.
            asyncpg.PostgresError, OSError: The database is away.
        """
        named = await self._named(scene)
        async with self._locked(scene) as within:
            if before := await self._store.noted(snapshot, scene):
                return before
            known = await self._store.read(scene, within)
            if known and recent_s:
                require_old(known, recent_s)
            taken = await self._take(scene, named, source, snapshot, by, within=within)
            if taken and finding and known and known.snapshot_id == finding.snapshot_id:
                await self._record(finding, taken, within)
        if taken is None:
            raise errors.ConcurrencyConflict("The log ends before the snapshot that is stored.")
        return taken

    async def put(
        self,
        scene: UUID,
        source: SnapshotSource,
        blocks: list[dict[str, Any]],
        *,
        snapshot: UUID,
        by: UUID | None,
    ) -> Taken:
        """Store blocks from elsewhere as the snapshot of a scene that has no Yjs text.

        Raises:
            Conflict: The scene has Yjs text, which is the truth.
            asyncpg.PostgresError, OSError: The database is away.
        """
        started = time.perf_counter()
        made: Rendered = await self._workers.run(rendering.pack, blocks)
        async with self._locked(scene) as within:
            if before := await self._store.noted(snapshot, scene):
                return before
            if (await self._store.overview([scene]))[0]["head"]:
                raise errors.Conflict("The scene has Yjs text already; write its content instead.")
            taken = await self._store.put(
                scene,
                made,
                snapshot=snapshot,
                source=source,
                seq=0,
                took_ms=_ms_since(started),
                by=by,
                history_rows_max=self._history_rows_max,
                within=within,
            )
            if taken is None:
                raise errors.Conflict("The scene has a snapshot of Yjs text already.")
            await self._store.keep_import(scene, made, within)
        self.on_import(scene)
        _note(taken, time.perf_counter() - started)
        return taken

    async def repair(self, finding: Finding) -> bool:
        """Replace a snapshot that differs by what the log says, and write the audit with it.

        One transaction: a repair that is in the audit happened, and one that happened is there.
        Nothing is done when somebody else replaced it meanwhile.

        Raises:
            SceneUnreadable, BadUpdate, WorkerDied: The scene cannot be read.
            asyncpg.PostgresError, OSError: The database is away.
        """
        named = await self._named(finding.scene_id)
        async with self._locked(finding.scene_id) as within:
            known = await self._store.read(finding.scene_id, within)
            if known is None or known.snapshot_id != finding.snapshot_id:
                return True
            taken = await self._take(
                finding.scene_id,
                named,
                SnapshotSource.YJS,
                new_id(),
                finding.requested_by,
                within=within,
                backwards=True,
            )
            if taken is None:
                return False
            await self._record(finding, taken, within)
        return True

    async def _record(self, finding: Finding, taken: Taken, within: Connection) -> None:
        outcome = f"snapshot renewed from the log at seq {taken.seq}"
        await self._store.record_repair(finding, outcome, repaired=True, within=within)

    async def _take(
        self,
        scene: UUID,
        named: Named,
        source: SnapshotSource,
        snapshot: UUID,
        by: UUID | None,
        *,
        within: Connection,
        backwards: bool = False,
    ) -> Taken | None:
        started = time.perf_counter()
        state = await self._scenes.state(scene.bytes)
        if not state.upto:
            raise errors.NothingWritten
        made: Rendered = await self._workers.run(rendering.render, state.body, named.editor)
        taken = await self._store.put(
            scene,
            made,
            snapshot=snapshot,
            source=source,
            seq=state.upto,
            took_ms=_ms_since(started),
            by=by,
            history_rows_max=self._history_rows_max,
            within=within,
            editor=named.key,
            backwards=backwards,
        )
        if taken:
            _note(taken, time.perf_counter() - started)
        return taken

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[Connection]:
        async with self._store.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def _locked(self, scene: UUID) -> AsyncGenerator[Connection]:
        """A transaction that has the scene's lock; who waits for it holds no connection."""
        while True:
            async with self._room, self._transaction() as within:
                if await self._store.try_lock(scene, within):
                    yield within
                    return
            await asyncio.sleep(LOCK_POLL_S)


def require_old(known: Stored, recent_s: float) -> None:
    """Return when a snapshot is at least *recent_s* old.

    Raises:
        RecentSnapshot: It is not; its age and id are in the data.
    """
    if known.age_s < recent_s:
        raise errors.RecentSnapshot(
            f"A recent snapshot exists (age: {known.age_s:.0f} s). Use force=true to override.",
            ageS=round(known.age_s, 1),
            snapshotId=str(known.snapshot_id),
        )


def _ms_since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)


def _note(taken: Taken, seconds: float) -> None:
    _seconds.observe(seconds)
    _bytes.observe(taken.size_bytes)
    _taken.labels(taken.source).inc()
