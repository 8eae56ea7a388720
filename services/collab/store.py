"""The log and the heads in PostgreSQL."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import zstandard
from prometheus_client import Counter

from libs.postgres import Connection, LockKey, Pool, load_queries, try_lock
from libs.postgres.pool import UNREACHABLE
from services.collab.model import Batch, uuid_of
from services.collab.stored import LOAD_ROWS_MAX, Head, Stored, Trust, stored_of, unpack
from services.collab.updates import checksum

SQL = load_queries("services.collab")

_persist_errors = Counter(
    "yjs_primary_update_persist_errors", "Commits of updates that failed and were tried again."
)

APPEND_TIMEOUT_S = 15.0
"""A commit that takes longer counts as lost in the network: reread the heads and insert again."""

COPY_ROWS_MIN = 16
"""COPY costs a round trip more and a third less for each row (measured: 6 against 9 us)."""

_COLUMNS = ("scene_id", "seq", "yjs_update", "client_id", "created_by", "checksum")

ZSTD_LEVEL = 12
"""3 : 1 on a novel, against 2.8 : 1 at level 3; loads are as fast."""
ZSTD_LEVEL_RESTING = 17
"""3.2 : 1, for 110 ms of CPU instead of 15 on a novel of 440 KB: for a head that stays a while."""
ZSTD_LEVEL_LARGE = 3
ZSTD_BYTES_MAX = 1 << 20
"""Larger heads are compressed at the lower level: the higher one takes 80 ms for half of this."""

SEQ_MAX = (1 << 63) - 1


type _Columns = tuple[list[UUID], list[int], list[bytes], list[int], list[UUID], list[int]]
"""Edits as `_COLUMNS` names them."""

type PoolConnection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]


class Fenced(Exception):
    """Another replica wrote to one of these scenes first; reread the heads and try again."""


class Store:
    """Speaks SQL to collab's own tables."""

    def __init__(self, pool: Pool) -> None:
        """Use *pool*."""
        self._pool = pool
        self._writer: PoolConnection | None = None

    async def close(self) -> None:
        """Give the journal's connection back, so that the pool can close."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with suppress(*UNREACHABLE):
                await self._pool.release(writer)

    async def ping(self) -> None:
        """Raise unless the database answers."""
        await self._pool.execute(SQL.ping)

    async def heads(
        self, scenes: Sequence[bytes], *, within: Connection | None = None
    ) -> list[int]:
        """Return the newest seq of each scene, 0 for an empty log."""
        rows = await (within or self._pool).fetch(SQL.heads, [uuid_of(scene) for scene in scenes])
        return [row["head"] for row in rows]

    async def written_at(self, scene: UUID, upto: int) -> datetime | None:
        """Return when a version of a scene was written; None for the empty one."""
        return await self._pool.fetchval(SQL.written_at, scene, upto)

    async def append(
        self,
        batches: Sequence[Batch],
        seqs: list[int],
        *,
        within: Connection | None = None,
    ) -> None:
        """Commit the edits of *batches* under *seqs*, all or none; or append them *within*.

        Raises:
            Fenced: A seq is taken.
            asyncpg.PostgresError, OSError: The outcome is unknown; appending again is harmless.
        """
        updates = [update for batch in batches for update in batch.updates]
        columns: _Columns = (
            [uuid_of(scene) for batch in batches for scene in batch.scenes],
            seqs,
            updates,
            [connection for batch in batches for connection in batch.connections],
            [uuid_of(author) for batch in batches for author in batch.authors],
            [checksum(update) for update in updates],
        )
        run_ids = _run_ids(batches)
        if within is not None:
            try:
                await _append(within, columns, run_ids)
            except asyncpg.UniqueViolationError as error:
                raise Fenced from error
            return
        writer = await self._writing()
        try:
            if not run_ids:
                await _insert(writer, columns)
            else:
                async with writer.transaction():
                    await _append(writer, columns, run_ids)
        except asyncpg.UniqueViolationError as error:
            raise Fenced from error
        except Exception:
            _persist_errors.inc()
            # Whatever it was, the next attempt begins with another connection: one that broke
            # cannot even be asked whether it did, for the pool has taken it back.
            self._writer = None
            with suppress(asyncpg.InterfaceError):
                writer.terminate()
            raise

    async def _writing(self) -> PoolConnection:
        """The connection of the journal, kept: to borrow one for each flush costs as much again."""
        if self._writer is None:
            self._writer = await self._pool.acquire()
        return self._writer

    async def load(
        self,
        scene: UUID,
        after: int = 0,
        *,
        upto: int = SEQ_MAX,
        trust: Trust = Trust.HEAD,
        rows_max: int = LOAD_ROWS_MAX,
        within: Connection | None = None,
    ) -> Stored:
        """Read what is after *after* up to *upto*, both seqs, from the shortest way *trust* allows.

        At most *rows_max* rows: `full` tells that there may be more after `upto`.
        """
        source = within or self._pool
        found = await source.fetch(SQL.load, scene, after, rows_max, upto, int(trust))
        return stored_of(found, after, rows_max)

    async def rows(self, scene: UUID, seq_from: int, seq_to: int) -> Stored:
        """Read originals *seq_from* to *seq_to*; `pruned` tells that the first are gone."""
        return stored_of(await self._pool.fetch(SQL.rows, scene, seq_from, seq_to), seq_from - 1)

    async def quarantine(
        self, scene: UUID, bad: dict[int, str], *, compacted: bool = False
    ) -> list[int]:
        """Exclude originals, or *compacted* rows, from the document; they stay in the log.

        Returns those that were not excluded yet.
        """
        reasons = [reason[:1000] for reason in bad.values()]
        rows = await self._pool.fetch(SQL.quarantine, scene, list(bad), reasons, compacted)
        return [row["seq"] for row in rows]

    async def head(self, scene: UUID, *, within: Connection | None = None) -> Head | None:
        """Read the head as it is stored, damaged or not."""
        row = await (within or self._pool).fetchrow(SQL.head, scene)
        if row is None:
            return None
        state = unpack(row["snapshot"], row["size"])
        if state is not None and checksum(state) != row["checksum"]:
            state = None
        return Head(
            row["upto_seq"],
            state,
            row["state_vector"],
            row["snapshot"],
            row["version"],
            row["updated_at"],
        )

    async def put_head(
        self,
        scene: UUID,
        upto: int,
        state: bytes,
        vector: bytes,
        *,
        within: Connection,
        instead_of: int = 0,
        resting: bool = False,
    ) -> None:
        """Store a roll-up, unless one that reaches further is there.

        Version *instead_of* of the head is replaced however far it reaches: it is damaged. One that
        will be *resting*, as nobody types much there, is worth more CPU.
        """
        level = ZSTD_LEVEL_RESTING if resting else ZSTD_LEVEL
        if len(state) > ZSTD_BYTES_MAX:
            level = ZSTD_LEVEL_LARGE
        # Beside the event loop: the compressor does not hold the interpreter lock.
        packed = await asyncio.to_thread(zstandard.compress, state, level)
        await within.execute(
            SQL.put_head, scene, upto, packed, len(state), vector, checksum(state), instead_of
        )

    def transaction(self) -> Any:
        """Acquire a connection; the caller opens the transaction on it."""
        return self._pool.acquire()

    @staticmethod
    async def try_lock(scene: UUID, *, within: Connection) -> bool:
        """Take the roll-up lock of a scene for this transaction; false if somebody has it."""
        return await try_lock(within, LockKey.ROLLUP, scene)


async def _append(connection: Connection, columns: _Columns, run_ids: dict[int, UUID]) -> None:
    """Append edits, and the runs that made them, within a transaction."""
    await _insert(connection, columns)
    if run_ids:
        scenes, seqs = ([column[at] for at in run_ids] for column in columns[:2])
        await connection.execute(SQL.append_runs, scenes, seqs, list(run_ids.values()))


async def _insert(writer: Connection, columns: _Columns) -> None:
    if len(columns[1]) < COPY_ROWS_MIN:
        await writer.execute(SQL.append, *columns, timeout=APPEND_TIMEOUT_S)
        return
    await writer.copy_records_to_table(
        "scene_versions",
        records=zip(*columns, strict=True),
        columns=_COLUMNS,
        timeout=APPEND_TIMEOUT_S,
    )


def _run_ids(batches: Sequence[Batch]) -> dict[int, UUID]:
    """Return the runs of edits by their position over all *batches*."""
    found: dict[int, UUID] = {}
    start = 0
    for batch in batches:
        if batch.run_ids:
            found |= {start + at: run_id for at, run_id in batch.run_ids.items()}
        start += len(batch)
    return found
