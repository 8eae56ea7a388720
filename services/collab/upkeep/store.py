"""What upkeep reads and writes in PostgreSQL beyond the log and the heads."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg

from libs.postgres import AdvisoryLocks, Connection, LockKey, Pool, load_queries
from services.collab.updates import checksum

SQL = load_queries("services.collab.upkeep")


@dataclass(frozen=True, slots=True)
class Span:
    """Which part of a log may be compacted."""

    base: int
    upto: int
    recent: bool
    """Whether the last compaction is not long enough ago."""


@dataclass(frozen=True, slots=True)
class Compaction:
    """A line of the ledger, with what is needed to prove its row."""

    seq: int
    from_seq: int
    digest: bytes
    source: str
    """`log`, or `head`: that one may hold more than what is left of the log."""


@dataclass(frozen=True, slots=True)
class Due:
    """What there is to do for a scene."""

    scene: UUID
    tail: int
    """Rows beyond its head, when they are many or old; otherwise 0."""
    compact: bool
    prune: bool
    mend: bool


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one chunk of pruning removed."""

    last: int
    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Policy:
    """When what is due."""

    rows_min: int
    age: timedelta
    pause: timedelta
    retention: timedelta
    session_pause: timedelta
    tail_rows: int
    tail_age: timedelta


class UpkeepStore:
    """Speaks SQL to compactions, editing sessions and findings."""

    def __init__(self, pool: Pool, locks: AdvisoryLocks) -> None:
        """Use *pool*, and *locks* for what one replica at a time does."""
        self._pool = pool
        self._locks = locks

    def working(self, scene: UUID) -> AbstractAsyncContextManager[bool]:
        """Hold the work on *scene*, over all replicas; gives False when somebody else does.

        It is many transactions; what each does is checked again in its own statement.
        """
        return self._locks.hold(LockKey.SCENE_UPKEEP, scene)

    async def span(self, scene: UUID, age: timedelta, pause: timedelta) -> Span:
        """Which part of the log of *scene* is older than *age* and in no compacted row."""
        row = await self._pool.fetchrow(SQL.span, scene, age, pause)
        assert row
        return Span(row["base"], row["upto"], row["recent"])

    async def put_compacted(
        self,
        scene: UUID,
        entry: Compaction,
        body: bytes,
        *,
        updates: int,
        bytes_before: int,
        took_ms: float,
        session_pause: timedelta,
    ) -> bool:
        """Store a compacted row, its line in the ledger, and the sessions of what it covers.

        False when a row that reaches the same seq is there already.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            seq = entry.seq
            if not await connection.fetchval(
                SQL.put_compacted, scene, seq, body, checksum(body), min(seq, (1 << 31) - 1)
            ):
                return False
            await connection.execute(
                SQL.note_compaction,
                scene,
                seq,
                entry.from_seq,
                updates,
                bytes_before,
                len(body),
                entry.source,
                entry.digest,
                took_ms,
            )
            await connection.execute(SQL.keep_sessions, scene, seq, session_pause)
            return True

    async def unmarked(self, scene: UUID) -> list[tuple[int, int]]:
        """Compactions that somebody did not finish marking: (seq, from_seq)."""
        rows = await self._pool.fetch(SQL.unmarked, scene)
        return [(row["seq"], row["from_seq"]) for row in rows]

    async def mark(self, scene: UUID, seq: int, first: int, rows_max: int) -> int | None:
        """Mark some rows from *first* on as held by compacted row *seq*.

        Returns the last one, None when there was none left. Not waited for on disk: marking again
        is harmless.
        """
        async with self._lazily() as connection:
            row = await connection.fetchrow(SQL.mark, scene, seq, first, rows_max)
        return row["last"] if row else None

    async def end_marking(self, scene: UUID, seq: int) -> None:
        """All rows that compacted row *seq* holds are marked."""
        await self._pool.execute(SQL.end_marking, scene, seq)

    async def prunable(self, scene: UUID) -> list[Compaction]:
        """Compactions of which originals may be left to prune, in order."""
        rows = await self._pool.fetch(SQL.prunable, scene)
        return [_compaction(row) for row in rows]

    async def ledger(self, scene: UUID) -> list[asyncpg.Record]:
        """All compactions of a scene, in order."""
        return await self._pool.fetch(SQL.ledger, scene)

    async def compaction(self, scene: UUID, seq: int) -> Compaction | None:
        """The compaction that reaches *seq*."""
        return next(
            (_compaction(row) for row in await self.ledger(scene) if row["seq"] == seq), None
        )

    async def retained(self, scene: UUID, entry: Compaction, age: timedelta) -> tuple[int, int]:
        """Up to which seq originals are older than *age*, and the first there is, or 0."""
        row = await self._pool.fetchrow(SQL.retained, scene, entry.from_seq, entry.seq, age)
        assert row
        return row["upto"], row["first"] or 0

    async def prune(self, scene: UUID, seq: int, first: int, upto: int, rows_max: int) -> Pruned:
        """Remove some originals *first* to *upto* that compacted row *seq* holds, oldest first."""
        async with self._lazily() as connection:
            row = await connection.fetchrow(SQL.prune, scene, first, upto, rows_max, seq)
        assert row
        return Pruned(row["last"] or upto, row["rows"], row["bytes"])

    async def end_pruning(self, scene: UUID, seq: int) -> None:
        """All originals of compaction *seq* are gone; older compacted rows go too."""
        await self._pool.execute(SQL.end_pruning, scene, seq)

    async def compacted(self, scene: UUID, seq: int) -> tuple[bytes, bool] | None:
        """A compacted row, and whether its bytes are those that were stored."""
        row = await self._pool.fetchrow(SQL.compacted, scene, seq)
        return (row["body"], checksum(row["body"]) == row["checksum"]) if row else None

    async def verified(self, scene: UUID, seq: int) -> None:
        """Note that a compacted row was compared with what it replaces."""
        await self._pool.execute(SQL.verified, scene, seq)

    async def rewrite_compacted(
        self, scene: UUID, seq: int, body: bytes, digest: bytes, finding: UUID
    ) -> None:
        """Put *body* in the place of a damaged compacted row, whose bytes the finding keeps."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(SQL.compacted, scene, seq)
            assert row
            await connection.execute(SQL.keep_evidence, finding, row["body"])
            await connection.execute(SQL.rewrite_compacted, scene, seq, body, checksum(body))
            await connection.execute(SQL.release_compacted, scene, seq)
            await connection.execute(SQL.redigest, scene, seq, digest, len(body))

    async def due(self, scenes: Sequence[UUID], policy: Policy) -> list[Due]:
        """What there is to do for each of *scenes*."""
        rows = await self._pool.fetch(
            SQL.due,
            scenes,
            policy.rows_min,
            policy.age,
            policy.pause,
            policy.retention,
            policy.tail_age,
        )
        return [
            Due(
                row["id"],
                row["tail"] if row["quiet"] or row["tail"] >= policy.tail_rows else 0,
                row["ripe"] or row["unmarked"],
                row["prunable"],
                row["broken"],
            )
            for row in rows
        ]

    async def scenes_after(self, scene: UUID, limit: int) -> list[UUID]:
        """The next *limit* scenes that have a log, by id."""
        rows = await self._pool.fetch(SQL.scenes_after, scene, limit)
        return [row["scene_id"] for row in rows]

    @asynccontextmanager
    async def _lazily(self) -> AsyncGenerator[Connection]:
        """A transaction that does not wait for the disk, so that commits of edits need not either.

        What it does is done again if it is lost.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL synchronous_commit = off")
            yield connection


def _compaction(row: asyncpg.Record) -> Compaction:
    return Compaction(row["seq"], row["from_seq"], row["digest"], row["source"])
