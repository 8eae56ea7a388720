"""Snapshots, what comparing them found, and what was measured, in PostgreSQL."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.contracts.collab.persistence import Severity, SnapshotSource
from libs.contracts.ids import new_id
from libs.postgres import Connection, LockKey, Pool, load_queries, try_lock
from services.collab.snapshots.rendering import RENDERING, Kept, Rendered

SQL = load_queries("services.collab.snapshots")

NO_SCENE = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Stored:
    """A snapshot as it is stored."""

    scene_id: UUID
    snapshot_id: UUID
    source: SnapshotSource
    at: datetime
    age_s: float
    seq: int
    yjs_derived: bool
    rendering: int
    editor: str
    """`services.collab.editors.Named.key` of the editor as which it was rendered."""
    kept: Kept

    def rendered_as(self, editor: str) -> bool:
        """Whether it is what this release makes for an editor of that key."""
        return (self.rendering, self.editor) == (RENDERING, editor)


@dataclass(frozen=True, slots=True)
class Taken:
    """A row of a scene's snapshot history."""

    snapshot_id: UUID
    source: SnapshotSource
    at: datetime
    seq: int
    took_ms: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Passed:
    """A scene as the walk over all scenes met it."""

    scene_id: UUID
    head: int
    seq: int | None
    rendering: int | None
    editor: str | None
    age_s: float | None
    since: datetime | None
    """When the oldest change that its snapshot lacks was made."""
    waits_s: float | None
    compacted: bool
    """Whether its log was compacted after its snapshot was taken."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The audit record of one snapshot that differs."""

    scene_id: UUID
    snapshot_id: UUID
    severity: Severity
    found_at: datetime
    detail: dict[str, Any]
    action: str
    requested_by: UUID | None


class SnapshotStore:
    """Speaks SQL to the tables of snapshots."""

    def __init__(self, pool: Pool) -> None:
        """Use *pool*."""
        self._pool = pool

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection; the caller opens the transaction on it."""
        return self._pool.acquire()

    @staticmethod
    async def try_lock(scene: UUID, within: Connection) -> bool:
        """Take the snapshot lock of a scene for this transaction; false if somebody has it."""
        return await try_lock(within, LockKey.SNAPSHOT, scene)

    async def read(self, scene: UUID, within: Connection | None = None) -> Stored | None:
        """Return the snapshot of a scene, or None."""
        row = await (within or self._pool).fetchrow(SQL.read, scene)
        return _stored(row) if row else None

    async def noted(self, snapshot: UUID, scene: UUID) -> Taken | None:
        """Return what the history says of a snapshot, or None."""
        row = await self._pool.fetchrow(SQL.noted, snapshot, scene)
        if row is None:
            return None
        return Taken(
            row["snapshot_id"],
            SnapshotSource(row["snapshot_source"]),
            row["created_at"],
            row["yjs_version_count"],
            row["generation_time_ms"],
            row["snapshot_size_bytes"],
        )

    async def put(
        self,
        scene: UUID,
        made: Rendered,
        *,
        snapshot: UUID,
        source: SnapshotSource,
        seq: int,
        took_ms: int,
        by: UUID | None,
        history_rows_max: int,
        within: Connection,
        editor: str = "",
        backwards: bool = False,
    ) -> Taken | None:
        """Store a snapshot and note it in the history; None if one that stands further is there.

        *backwards* replaces also that: a repair of one that claims a place the log never reached.
        """
        packed = made.packed
        at = await within.fetchval(
            SQL.put,
            scene,
            snapshot,
            packed.content,
            packed.size_bytes,
            packed.block_count,
            source,
            made.checksum,
            made.position,
            seq,
            RENDERING,
            backwards,
            editor,
        )
        if at is None:
            return None
        size = len(packed.content)
        await within.execute(
            SQL.note, snapshot, scene, source, at, by, seq, made.checksum, took_ms, size
        )
        await within.execute(SQL.trim, scene, history_rows_max)
        await within.execute(SQL.expect_check, scene)
        return Taken(snapshot, source, at, seq, took_ms, size)

    @staticmethod
    async def keep_import(scene: UUID, made: Rendered, within: Connection) -> None:
        """Keep imported blocks where no snapshot overwrites them, until they are migrated."""
        await within.execute(SQL.keep_import, scene, *made.packed)

    async def history(self, scene: UUID, limit: int) -> list[asyncpg.Record]:
        """Return the newest snapshots of a scene, the last one first."""
        return await self._pool.fetch(SQL.history, scene, limit)

    @staticmethod
    async def compacted_since(scene: UUID, within: Connection) -> bool:
        """Whether the log of a scene was compacted after its snapshot was taken."""
        return bool(await within.fetchval(SQL.compacted_since, scene))

    async def overview(self, scenes: Sequence[UUID]) -> list[asyncpg.Record]:
        """Return what is stored of each scene, without content, in the order asked."""
        return await self._pool.fetch(SQL.overview, list(scenes))

    async def begin_walk(self, pause_s: float) -> bool:
        """Claim the next walk over all scenes; false while the last is younger than *pause_s*."""
        return bool(await self._pool.fetchval(SQL.begin_walk, pause_s))

    async def walk(self, after: UUID, limit: int) -> list[Passed]:
        """Return the next scenes that have a log."""
        rows = await self._pool.fetch(SQL.walk, after, limit)
        return [Passed(**dict(row)) for row in rows]

    async def end_walk(
        self, scenes: int, behind: int, age_s: float | None, oldest: datetime | None
    ) -> None:
        """Store what a walk counted."""
        await self._pool.execute(SQL.end_walk, scenes, behind, age_s, oldest)

    async def counts(self) -> asyncpg.Record:
        """Return what the last walk counted."""
        row = await self._pool.fetchrow(SQL.counts)
        assert row is not None
        return row

    async def claim_check(self, pause_s: float) -> UUID | None:
        """Claim the snapshot that was not looked at for longest; None if all were in *pause_s*."""
        return await self._pool.fetchval(SQL.claim_check, pause_s)

    async def note_check(
        self,
        scene: UUID,
        snapshot: UUID,
        severity: Severity | None,
        report: dict[str, Any] | None,
    ) -> None:
        """Store the result of comparing a snapshot; without a severity it was well."""
        await self._pool.execute(SQL.note_check, scene, severity, report, snapshot)

    async def record_repair(
        self, finding: Finding, outcome: str, *, repaired: bool, within: Connection | None = None
    ) -> None:
        """Write a finding, and what came of it, into the audit."""
        source = within or self._pool
        await source.execute(
            SQL.record_repair,
            new_id(),
            finding.scene_id,
            finding.found_at,
            finding.severity,
            finding.detail,
            finding.action,
            outcome,
            repaired,
            finding.requested_by,
        )
        if repaired:
            await source.execute(SQL.note_repair, finding.scene_id)

    async def note_minute(
        self,
        replica: str,
        loads: int,
        load_seconds: float,
        snapshots: int,
        failures: int,
        *,
        sampling: bool,
        working: bool,
    ) -> None:
        """Add what a replica measured to its current minute."""
        await self._pool.execute(
            SQL.note_minute, replica, loads, load_seconds, snapshots, failures, sampling, working
        )

    async def forget_minutes(self, older_than_s: float) -> None:
        """Remove measurements of long ago."""
        await self._pool.execute(SQL.forget_minutes, older_than_s)

    async def minutes(self, window_s: float, reporting_s: float) -> asyncpg.Record:
        """Return sums over all replicas."""
        row = await self._pool.fetchrow(SQL.minutes, window_s, reporting_s)
        assert row is not None
        return row

    async def divergence(self, window_s: float) -> asyncpg.Record:
        """Return how many scenes were checked and diverged."""
        row = await self._pool.fetchrow(SQL.divergence, window_s)
        assert row is not None
        return row

    async def worst(self, window_s: float, limit: int) -> list[asyncpg.Record]:
        """Return the scenes that diverged, the worst first."""
        return await self._pool.fetch(SQL.worst, window_s, limit)

    async def recent_repairs(self, limit: int) -> list[asyncpg.Record]:
        """Return the newest rows of the audit, of every kind."""
        return await self._pool.fetch(SQL.recent_repairs, limit)

    async def compaction(self) -> asyncpg.Record:
        """Return what compaction did so far."""
        row = await self._pool.fetchrow(SQL.compaction)
        assert row is not None
        return row

    async def newest_scene(self) -> UUID | None:
        """Return a scene whose loading shows whether loading works."""
        return await self._pool.fetchval(SQL.newest_scene)


def _stored(row: asyncpg.Record) -> Stored:
    return Stored(
        scene_id=row["scene_id"],
        snapshot_id=row["snapshot_id"],
        source=SnapshotSource(row["snapshot_source"]),
        at=row["snapshot_at"],
        age_s=row["age_s"],
        seq=row["seq"],
        yjs_derived=row["yjs_derived"],
        rendering=row["rendering"],
        editor=row["editor"],
        kept=Kept(
            row["content_blocks"],
            row["content_bytes"],
            row["block_count"],
            row["yjs_position"],
            row["yjs_checksum"],
        ),
    )
