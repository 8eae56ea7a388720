"""History in PostgreSQL: what the log tells beyond states, and what is kept beside it."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import zstandard

from libs import errors
from libs.postgres import Pool, load_queries
from services.collab.updates import checksum

SQL = load_queries("services.collab.history")

ZSTD_LEVEL = 9
"""Kept for ever and written once: a fifth smaller than heads, which are written all the time."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The versions of a document that exist. `horizon` is 0 when every version can be read."""

    head: int
    compacted: int
    """Up to where versions are in a compacted row, too."""
    horizon: int
    horizon_at: datetime | None


@dataclass(frozen=True, slots=True)
class Original:
    """A row of the log as it came; without `body` when nothing of it is in any state."""

    seq: int
    by: UUID
    at: datetime
    body: bytes | None


@dataclass(frozen=True, slots=True)
class AuthorRun:
    """Versions after one another by one person."""

    seq_from: int
    seq_to: int
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Packed:
    """A state as it is kept: compressed, with what proves it whole."""

    body: bytes
    size: int
    checksum: int

    @classmethod
    def of(cls, state: bytes) -> "Packed":
        """Compress *state*."""
        return cls(zstandard.compress(state, ZSTD_LEVEL), len(state), checksum(state))

    def unpack(self) -> bytes | None:
        """Return the state; None when it is damaged."""
        try:
            # The frame's own size first: a damaged one must not make us allocate gigabytes.
            if zstandard.frame_content_size(self.body) != self.size:
                return None
            state = zstandard.decompress(self.body, max_output_size=self.size)
        except zstandard.ZstdError:
            return None
        return state if checksum(state) == self.checksum else None


class Records:
    """Speaks SQL about the past."""

    def __init__(self, pool: Pool) -> None:
        """Use *pool*."""
        self.pool = pool

    async def standing(self, document: UUID) -> Standing:
        """How far a document's log reaches, forwards and backwards."""
        row = await self.pool.fetchrow(SQL.standing, document)
        assert row is not None
        return Standing(row["head"], row["compacted"], row["horizon"], row["horizon_at"])

    async def seq_at(self, document: UUID, at: datetime, standing: Standing) -> int:
        """The newest version from *at* or before; the horizon when it is before all others."""
        oldest, newest = standing.horizon + 1, standing.head
        return await self.pool.fetchval(SQL.seq_at, document, at, oldest, newest)

    async def time_of(self, document: UUID, seq: int) -> datetime | None:
        """When a version came to be; None for the empty one."""
        return await self.pool.fetchval(SQL.time_of, document, seq) if seq else None

    async def authors(self, document: UUID, after: int, upto: int) -> list[AuthorRun]:
        """Return the authors of the rows that the log still has after *after* up to *upto*."""
        rows = await self.pool.fetch(SQL.authors, document, after, upto)
        return [
            AuthorRun(row["seq_from"], row["seq_to"], row["created_by"], row["at"]) for row in rows
        ]

    async def originals(
        self, document: UUID, after: int, upto: int, limit: int
    ) -> tuple[list[Original], bool]:
        """Rows after *after*, and whether there may be more; damaged ones without their bytes."""
        rows = await self.pool.fetch(SQL.originals, document, after, upto, limit)
        found: list[Original] = []
        for row in rows:
            body: bytes | None = row["body"]
            if body is not None and checksum(body) != row["checksum"]:
                body = None
            found.append(Original(row["seq"], row["created_by"], row["created_at"], body))
        return found, len(rows) >= limit


@contextmanager
def names_unique() -> Generator[None]:
    """Raise NameTaken when the statement inside finds a name taken."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise errors.NameTaken from error
