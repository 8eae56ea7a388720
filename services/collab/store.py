"""The log and the heads in PostgreSQL."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Any
from uuid import UUID

import asyncpg
import zstandard

from libs.postgres import Connection, Pool, load_queries
from libs.postgres.pool import UNREACHABLE
from services.collab.model import Batch, uuid_of
from services.collab.updates import checksum

SQL = load_queries("services.collab")

APPEND_TIMEOUT_S = 15.0
"""A commit that takes longer counts as lost in the network: reread the heads and insert again."""

COPY_ROWS_MIN = 16
"""COPY costs a round trip more and a third less for each row (measured: 6 against 9 us)."""

_COLUMNS = ("scene_id", "seq", "yjs_update", "client_id", "created_by", "checksum")

LOAD_ROWS_MAX = 25_000
"""Rows read at a time: about 50 ms, most of it not on the event loop."""

ZSTD_LEVEL = 3

SEQ_MAX = (1 << 63) - 1


type PoolConnection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]


class Fenced(Exception):
    """Another replica wrote to one of these scenes first; reread the heads and try again."""


class Trust(IntEnum):
    """How much of what is derived from a log may be used to read it."""

    ORIGINALS = 0
    COMPACTED = 1
    HEAD = 2


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a scene after some seq: an optional base, then rows in order."""

    after: int
    """The seq that was asked for."""
    base_seq: int
    """Which seq the base reaches, or 0 without one."""
    base: bytes | None
    """A head or a compacted row: everything up to `base_seq` as one update."""
    seqs: list[int]
    rows: list[bytes]
    damaged: list[int]
    """Rows whose bytes no longer match their checksum; left out of `rows`."""
    excluded: list[int]
    """Quarantined rows; what is in them is in no state."""
    base_damaged: bool = False
    full: bool = False
    """As many rows as may be read at a time: there may be more."""

    @property
    def upto(self) -> int:
        """The newest seq contained or passed over, or 0."""
        newest = self.seqs[-1] if self.seqs else self.base_seq
        return max([newest, *self.excluded[-1:], *self.damaged[-1:]])

    @property
    def oldest(self) -> int:
        """The oldest row that is there, whatever its condition, or 0."""
        return min(
            (each[0] for each in (self.seqs, self.excluded, self.damaged) if each), default=0
        )

    @property
    def pruned(self) -> bool:
        """Whether rows are missing between the base (or `after`) and the first one."""
        return self.oldest > max(self.base_seq, self.after) + 1


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

    async def heads(self, scenes: Sequence[bytes]) -> list[int]:
        """Return the newest seq of each scene, 0 for an empty log."""
        rows = await self._pool.fetch(SQL.heads, [uuid_of(scene) for scene in scenes])
        return [row["head"] for row in rows]

    async def append(self, batches: Sequence[Batch], seqs: list[int]) -> None:
        """Commit the edits of *batches* under *seqs*, all or none.

        Raises:
            Fenced: A seq is taken.
            asyncpg.PostgresError, OSError: The outcome is unknown; appending again is harmless.
        """
        updates = [update for batch in batches for update in batch.updates]
        columns = (
            [uuid_of(scene) for batch in batches for scene in batch.scenes],
            seqs,
            updates,
            [connection for batch in batches for connection in batch.connections],
            [uuid_of(author) for batch in batches for author in batch.authors],
            [checksum(update) for update in updates],
        )
        writer = await self._writing()
        try:
            if len(updates) < COPY_ROWS_MIN:
                await writer.execute(SQL.append, *columns, timeout=APPEND_TIMEOUT_S)
            else:
                await writer.copy_records_to_table(
                    "scene_versions",
                    records=zip(*columns, strict=True),
                    columns=_COLUMNS,
                    timeout=APPEND_TIMEOUT_S,
                )
        except asyncpg.UniqueViolationError as error:
            raise Fenced from error
        except Exception:
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
        within: Connection | None = None,
    ) -> Stored:
        """Read what is after *after* up to *upto*, both seqs, from the shortest way *trust* allows.

        At most LOAD_ROWS_MAX rows: `full` tells that there may be more after `upto`.
        """
        source = within or self._pool
        found = await source.fetch(SQL.load, scene, after, LOAD_ROWS_MAX, upto, int(trust))
        return _stored(found, after)

    async def rows(self, scene: UUID, seq_from: int, seq_to: int) -> Stored:
        """Read originals *seq_from* to *seq_to*; `pruned` tells that the first are gone."""
        return _stored(await self._pool.fetch(SQL.rows, scene, seq_from, seq_to), seq_from - 1)

    async def quarantine(self, scene: UUID, bad: dict[int, str]) -> None:
        """Exclude rows from the document for ever; they stay in the log."""
        await self._pool.execute(
            SQL.quarantine, scene, list(bad), [reason[:1000] for reason in bad.values()]
        )

    async def put_head(
        self, scene: UUID, upto: int, state: bytes, vector: bytes, *, within: Connection
    ) -> None:
        """Store a roll-up, unless one that reaches further is there."""
        packed = zstandard.compress(state, ZSTD_LEVEL)
        await within.execute(SQL.put_head, scene, upto, packed, len(state), vector, checksum(state))

    def transaction(self) -> Any:
        """Acquire a connection; the caller opens the transaction on it."""
        return self._pool.acquire()

    @staticmethod
    async def try_lock(scene: UUID, *, within: Connection) -> bool:
        """Take the roll-up lock of a scene for this transaction; false if somebody has it."""
        return bool(await within.fetchval(SQL.try_lock, str(scene)))


def _stored(records: Sequence[asyncpg.Record], after: int) -> Stored:
    base_seq, base, base_damaged = 0, None, False
    seqs: list[int] = []
    rows: list[bytes] = []
    damaged: list[int] = []
    excluded: list[int] = []
    for record in records:
        body: bytes | None = record["body"]
        if body is None:
            excluded.append(record["seq"])
        elif record["is_base"]:
            base_seq = record["seq"]
            packed = record["size"] is not None
            base = _unpack(body, record["size"]) if packed else body
            base_damaged = base is None or checksum(base) != record["checksum"]
        elif checksum(body) != record["checksum"]:
            damaged.append(record["seq"])
        else:
            seqs.append(record["seq"])
            rows.append(body)
    full = len(records) >= LOAD_ROWS_MAX
    return Stored(after, base_seq, base, seqs, rows, damaged, excluded, base_damaged, full)


def _unpack(packed: bytes, size: int) -> bytes | None:
    # The frame's own size is checked first: a damaged one must not make us allocate gigabytes.
    try:
        if zstandard.frame_content_size(packed) != size:
            return None
        return zstandard.decompress(packed, max_output_size=size)
    except zstandard.ZstdError:
        return None
