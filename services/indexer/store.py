"""Documents, chunks and their state in PostgreSQL."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np

from libs import errors
from libs.contracts.events.things import Thing
from libs.postgres import Connection, Pool, load_queries
from libs.postgres.pool import UNREACHABLE
from services.indexer.model.chunking import Piece
from services.indexer.model.matching import Known

SQL = load_queries("services.indexer")

FILTER_DOCUMENTS_MAX = 5_000
"""Documents that one search is narrowed to by their place."""

type Row = asyncpg.Record

_VECTOR = "<f4"


@dataclass(frozen=True, slots=True)
class Due:
    """A document that changed, and how many notices of it were there when it was read."""

    id: UUID
    kind: str
    notices: int
    failures: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A chunk with all that is stored of its text."""

    known: Known
    piece: Piece


class Store:
    """Speaks the SQL of `queries.sql`."""

    def __init__(self, pool: Pool) -> None:
        """Use *pool*."""
        self.pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """Yield a connection in a transaction.

        Raises:
            errors.Unavailable: The database is away.
        """
        try:
            async with self.pool.acquire() as connection, connection.transaction():
                yield connection
        except UNREACHABLE as error:
            raise errors.Unavailable from error

    async def rows(self, query: str, *arguments: Any) -> list[Row]:
        """Return the rows of a query.

        Raises:
            errors.Unavailable: The database is away.
        """
        try:
            return await self.pool.fetch(query, *arguments)
        except UNREACHABLE as error:
            raise errors.Unavailable from error

    async def row(self, query: str, *arguments: Any) -> Row:
        """Return the one row of a query that always has one. Raises as `rows`."""
        return (await self.rows(query, *arguments))[0]

    async def note_due(
        self, things: Sequence[tuple[UUID, str]], rebuild_of: UUID | None = None
    ) -> None:
        """Note that documents, each by id and kind, changed."""
        await self.rows(
            SQL.note_due, [one for one, _ in things], [kind for _, kind in things], rebuild_of
        )

    async def claim_due(self, limit: int, lease_s: float) -> list[Due]:
        """Return documents to index; other replicas leave them alone for *lease_s*."""
        rows = await self.rows(SQL.claim_due, limit, lease_s)
        return [Due(row["id"], row["kind"], row["notices"], row["failures"]) for row in rows]

    async def settle(self, due: Due) -> None:
        """Note that a document was indexed; one that was noticed again meanwhile is due at once."""
        async with self.transaction() as connection:
            status = await connection.execute(SQL.settle_due, due.id, due.notices)
            if status.endswith(" 0"):
                await connection.execute(SQL.again_due, due.id)

    async def postpone(self, due: Due, by_s: float) -> None:
        """Note that a document could not be indexed now."""
        await self.rows(SQL.postpone_due, due.id, by_s)


def searchable(name: str) -> str:
    """Return a name as names are compared while somebody types."""
    return name.replace("\0", " ").casefold()


async def put_document(
    connection: Connection, thing: Thing, *, seq: int, updated_at: datetime
) -> None:
    """Store what is known of a document besides its chunks."""
    names = [name for name in (thing.title, *thing.names) if name]
    await connection.execute(
        SQL.put_document,
        thing.id,
        thing.project_id,
        thing.kind.value,
        thing.book_id,
        thing.chapter_id,
        thing.version,
        seq,
        thing.shown,
        thing.type,
        thing.status,
        searchable("".join(f"\n{' '.join(name.split())}" for name in names)),
        updated_at,
    )


async def stored_chunks(connection: Connection, project: UUID, document: UUID) -> list[Stored]:
    """Return the chunks of a document, in their order."""
    rows = await connection.fetch(SQL.chunks_of, project, document)
    return [_stored(row) for row in rows]


def _stored(row: Row) -> Stored:
    first = last = None
    if row["first_client"] is not None:
        first = row["first_client"], row["first_clock"]
        last = row["last_client"], row["last_clock"]
    piece = Piece(
        chunk_type=row["chunk_type"],
        block_type=row["block_type"],
        part=row["part"],
        index=row["index"],
        text=row["text"],
        start=row["from_offset"],
        end=row["to_offset"],
        first=first,
        last=last,
    )
    return Stored(Known(row["id"], row["part"], row["text"], row["hash"], first, last), piece)


async def put_chunks(
    connection: Connection, project: UUID, document: UUID, chunks: Sequence[tuple[UUID, Piece]]
) -> None:
    """Store chunks that are new or changed."""
    if not chunks:
        return
    pieces = [piece for _, piece in chunks]
    nowhere = (None, None)
    await connection.execute(
        SQL.put_chunks,
        project,
        document,
        [one for one, _ in chunks],
        [piece.chunk_type for piece in pieces],
        [piece.block_type for piece in pieces],
        [piece.part for piece in pieces],
        [piece.index for piece in pieces],
        [piece.text for piece in pieces],
        [piece.hash for piece in pieces],
        [piece.start for piece in pieces],
        [piece.end for piece in pieces],
        [(piece.first or nowhere)[0] for piece in pieces],
        [(piece.first or nowhere)[1] for piece in pieces],
        [(piece.last or nowhere)[0] for piece in pieces],
        [(piece.last or nowhere)[1] for piece in pieces],
    )


def stored_vector(vector: Sequence[float]) -> bytes:
    """Return a vector as it is stored."""
    return np.asarray(vector, dtype=_VECTOR).tobytes()


def vector_of(stored: bytes) -> list[float]:
    """Return a vector that was stored."""
    return np.frombuffer(stored, dtype=_VECTOR).tolist()
