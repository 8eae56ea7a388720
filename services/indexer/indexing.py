"""Brings the chunks of documents that changed up to date."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import structlog

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.collab.passages import READ_PASSAGES, Passage, Passages, ReadPassages
from libs.contracts.events.things import DESCRIBE_THINGS, DescribeThings, Thing, ThingRef
from libs.contracts.ids import new_id
from libs.contracts.things import ThingKind
from libs.postgres import Connection, LockKey, wait_for_lock
from libs.tasks import PeriodicTask, passed, progressed
from services.indexer import metrics
from services.indexer.model.chunking import Piece, card_of, pieces_of
from services.indexer.model.matching import match
from services.indexer.store import (
    SQL,
    Due,
    Store,
    Stored,
    put_chunks,
    put_document,
    stored_chunks,
)

log = structlog.get_logger(__name__)

NOBODY = Actor(user_id=UUID(int=0))
TOGETHER = 50
"""Documents of one question to events."""
AT_ONCE = 4
"""Scenes that are read at the same time."""
LEASE_S = 60.0
POLL_S = 2.0
"""Work that another replica noted, or that was postponed, is found within so long."""
AGAIN_S_FIRST = 0.5
AGAIN_S_MAX = 300.0
READ_TRIES_MAX = 3
"""How often a long text is read that changes while its pages are."""
DEADLINE_S = 30.0


class Indexing:
    """Makes chunks of what is due."""

    def __init__(self, store: Store, caller: Caller, on_chunks: Callable[[], None]) -> None:
        """Ask over *caller*; call *on_chunks* when points are to be written or deleted."""
        self._store = store
        self._caller = caller
        self._on_chunks = on_chunks
        self.task = PeriodicTask("indexing", self.index_due, interval_s=POLL_S)

    async def index_due(self) -> bool:
        """Index some documents that are due; False when there are none.

        Raises:
            errors.AppError: Events is away; they stay due.
        """
        due = await self._store.claim_due(TOGETHER, LEASE_S)
        if not due:
            return False
        refs = [ThingRef(kind=ThingKind(one.kind), id=one.id) for one in due]
        try:
            found = await self._caller.ask(
                DESCRIBE_THINGS, DescribeThings(things=refs, texts=True), NOBODY
            )
        except errors.AppError:
            for one in due:
                await self._store.postpone(one, AGAIN_S_FIRST)
            raise
        things = {thing.id: thing for thing in found.things}
        turns = asyncio.Semaphore(AT_ONCE)

        async def index_one(one: Due) -> None:
            async with turns:
                await self._index_or_postpone(one, things.get(one.id))

        await asyncio.gather(*(index_one(one) for one in due))
        return True

    async def _index_or_postpone(self, due: Due, thing: Thing | None) -> None:
        started = time.monotonic()
        try:
            await self.index(due.id, thing)
        except errors.AppError as error:
            again_s = min(AGAIN_S_FIRST * 2 ** min(due.failures, 16), AGAIN_S_MAX)
            metrics.failed.inc()
            log.warning(
                "document not indexed", document_id=str(due.id), code=error.code, retry_in_s=again_s
            )
            await self._store.postpone(due, again_s)
        else:
            await self._store.settle(due)
            metrics.indexed.labels(due.kind).inc()
            metrics.index_seconds.observe(time.monotonic() - started)
        progressed()

    async def index(self, document: UUID, thing: Thing | None) -> None:
        """Make the chunks of a document say what it says now.

        Raises:
            errors.AppError: The text cannot be read now, or the database is away.
        """
        if thing is None:
            # It is not there any more, or not yet: then its event comes.
            async with self._store.transaction() as connection:
                await wait_for_lock(connection, LockKey.INDEXED_DOCUMENT, document)
                await connection.execute(SQL.drop_document_chunks, document)
                await connection.execute(SQL.drop_document, document)
            self._on_chunks()
            return
        seq, pieces, updated_at = 0, list[Piece](), thing.updated_at
        if thing.shown:
            pieces = card_of(thing.title, thing.texts)
            if thing.kind is ThingKind.SCENE:
                text, passages = await self._read(thing.id)
                seq, updated_at = text.seq, max(updated_at, text.written_at or updated_at)
                pieces += pieces_of(passages)
        passed("indexing.read")
        async with self._store.transaction() as connection:
            await self._put(connection, thing, seq, updated_at, pieces)
        passed("indexing.stored")
        self._on_chunks()

    async def _read(self, scene: UUID) -> tuple[Passages, Sequence[Passage]]:
        """Return a page of a scene's text, and the passages of all pages, all of one version."""
        for _ in range(READ_TRIES_MAX):
            seq, found, start = None, list[Passage](), 0
            while True:
                page = await self._caller.ask(
                    READ_PASSAGES,
                    ReadPassages(scene_id=scene, start=start),
                    NOBODY,
                    deadline_s=DEADLINE_S,
                )
                if seq is not None and page.seq != seq:
                    break
                seq = page.seq
                found += page.passages
                if page.following is None:
                    return page, found
                start = page.following
        raise errors.Unavailable("The text changed while it was read.")

    async def _put(
        self,
        connection: Connection,
        thing: Thing,
        seq: int,
        updated_at: datetime,
        pieces: Sequence[Piece],
    ) -> None:
        await wait_for_lock(connection, LockKey.INDEXED_DOCUMENT, thing.id)
        if await connection.fetchval(SQL.purged, thing.id, thing.project_id):
            return
        before = await connection.fetchrow(SQL.document, thing.id)
        if before is not None and (before["version"] > thing.version or before["seq"] > seq > 0):
            # Another replica was given a newer state.
            return
        if not thing.shown and before is not None:
            seq = before["seq"]
        await put_document(connection, thing, seq=seq, updated_at=updated_at)
        stored = await stored_chunks(connection, thing.project_id, thing.id)
        gone, changed = await asyncio.to_thread(_compared, stored, pieces)
        await connection.execute(SQL.drop_chunks, thing.project_id, thing.id, gone)
        await put_chunks(connection, thing.project_id, thing.id, changed)
        metrics.chunks_changed.inc(len(changed))


def _compared(
    stored: Sequence[Stored], pieces: Sequence[Piece]
) -> tuple[list[UUID], list[tuple[UUID, Piece]]]:
    """Return the chunks that are gone, and those that are new or changed; work for a thread."""
    kept = set[UUID]()
    changed: list[tuple[UUID, Piece]] = []
    for chunk_type in ("CARD", "PARAGRAPH"):
        old = [one for one in stored if one.piece.chunk_type == chunk_type]
        new = [piece for piece in pieces if piece.chunk_type == chunk_type]
        ids = match([one.known for one in old], new, new_id)
        as_stored = {one.known.id: one.piece for one in old}
        kept |= set(ids)
        changed += [
            (one, piece) for one, piece in zip(ids, new, strict=True) if as_stored.get(one) != piece
        ]
    return [one.known.id for one in stored if one.known.id not in kept], changed
