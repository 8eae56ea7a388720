"""Uploads: whole, in pieces, or sent to storage directly; all end in the same pipeline."""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from uuid import UUID

import structlog

from libs import errors
from libs.contracts.blobs import BLOB_BYTES_MAX, CHECKED_BYTES_MAX, Upload
from services.blobs import metrics
from services.blobs.bodies import Source
from services.blobs.failpoints import passed
from services.blobs.leases import leased
from services.blobs.model.checksums import Checksum
from services.blobs.model.frames import FRAME_BYTES
from services.blobs.pipeline import Declared, store
from services.blobs.storage import Missing, Reader, Storage, Writer
from services.blobs.store import Row, Store, Stored
from services.blobs.store.uploads import require_offset, room_left
from services.blobs.threads import Turns, blocking

log = structlog.get_logger(__name__)

PIECE_BYTES_MAX = CHECKED_BYTES_MAX
DAMAGED = "What was stored of this upload is damaged; send it anew."
FINISHING_MAX = 8
"""Uploads that a replica puts together at once; more are asked to come again."""


class Uploads:
    """Takes bytes and makes them blobs."""

    def __init__(self, store: Store, storage: Storage) -> None:
        """Store in *storage* what *store* knows of."""
        self._store = store
        self._storage = storage
        self._finishing: dict[UUID, asyncio.Task[Upload]] = {}

    async def put(self, project_id: UUID, upload_id: UUID, body: AsyncIterator[bytes]) -> Upload:
        """Take all bytes of an upload.

        Raises:
            errors.NotFound: The upload was cancelled or has expired.
            errors.ContentMismatch, errors.TooLarge, errors.QuotaExceeded: They are refused.
            errors.StorageFull, errors.Unavailable: They cannot be stored now.
        """
        row, told = await self._store.uploads.find(project_id, upload_id)
        if told.blob is not None:
            return told
        if row["resumable"]:
            raise errors.Conflict("This upload takes its bytes in pieces.")
        return await self._take(row, body)

    async def patch(
        self,
        project_id: UUID,
        upload_id: UUID,
        start: int,
        body: AsyncIterator[bytes],
        checksum: Checksum | None = None,
    ) -> Upload:
        """Take the next bytes of a resumable upload, as far as they come; finish it at its end.

        Bytes that arrived before a connection broke are kept. With a *checksum* all of them are, or
        none, and there may be CHECKED_BYTES_MAX.

        Raises:
            errors.Conflict: The upload is at another offset; `offset` says which.
            errors.AppError: As `put`.
        """
        row, told = await self._store.uploads.find(project_id, upload_id)
        if told.blob is None or start != told.offset:
            require_offset(row, start)
            if not row["resumable"]:
                raise errors.Conflict("This upload takes its bytes at once.")
            source = Source(body, room_left(row))
            if checksum is not None:
                told = await self._take_piece(row, told.offset, source, checksum) or told
            while not source.ended:
                told = await self._take_piece(row, told.offset, source) or told
        if told.blob is None and told.size is not None and told.offset == told.size:
            return await self.complete(project_id, upload_id)
        return told

    async def complete(self, project_id: UUID, upload_id: UUID) -> Upload:
        """Verify what arrived of an upload and make it a blob.

        It goes on when the caller does not wait; who asks again waits for the same work.

        Raises:
            errors.Conflict: Not all is there yet; `offset` says how much.
            errors.RateLimited: Too many are being put together.
            errors.AppError: As `put`.
        """
        row, told = await self._store.uploads.find(project_id, upload_id)
        if told.blob is not None:
            return told
        task = self._finishing.get(upload_id)
        if task is None:
            if row["resumable"] and row["size"] not in {None, row["offset"]}:
                raise errors.Conflict("Not all bytes are there yet.", offset=row["offset"])
            if not row["resumable"] and row["direct_key"] is None:
                raise errors.Conflict("No bytes were sent for this upload.")
            if len(self._finishing) >= FINISHING_MAX:
                raise errors.RateLimited(retryAfterS=5)
            task = asyncio.create_task(self._finish(row), name=f"finish {upload_id}")
            self._finishing[upload_id] = task
            task.add_done_callback(lambda _: self._finishing.pop(upload_id, None))
            task.add_done_callback(_heard)
        return await asyncio.shield(task)

    async def stop(self) -> None:
        """Give up what is being put together; it begins anew when somebody asks."""
        tasks = list(self._finishing.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _finish(self, row: Row) -> Upload:
        if row["resumable"]:
            pieces = await self._store.uploads.pieces(row["project_id"], row["id"])
            body = self._pieces(pieces)
        else:
            body = self._direct(row["direct_key"])
        return await self._take(row, body)

    async def _take(self, row: Row, body: AsyncIterator[bytes]) -> Upload:
        declared = Declared(size=row["size"], sha256=row["sha256"], media_type=row["media_type"])
        began = time.monotonic()
        try:
            async with leased(self._store, row["project_id"], "upload") as key:
                passed("upload.leased")
                stored = await store(self._storage, key, body, declared)
                passed("upload.stored")
                upload = await self._store.uploads.commit(row["project_id"], row["id"], stored)
                passed("upload.committed")
        except errors.AppError as error:
            metrics.uploads.labels(error.code).inc()
            raise
        _count(upload, stored, time.monotonic() - began)
        return upload

    async def _take_piece(
        self, row: Row, start: int, source: Source, checksum: Checksum | None = None
    ) -> Upload | None:
        """Store what comes next, at most PIECE_BYTES_MAX; None when nothing came."""
        first = await source.next(PIECE_BYTES_MAX)
        if not first:
            if checksum:
                checksum.require()
            return None
        async with leased(self._store, row["project_id"], "piece") as key:
            passed("upload.leased")
            length, digest = await self._store_piece(key, first, source, checksum)
            passed("upload.piece_stored")
            return await self._store.uploads.add_piece(
                row["project_id"], row["id"], start=start, length=length, digest=digest, key=key
            )

    async def _store_piece(
        self, key: str, first: bytes, source: Source, checksum: Checksum | None
    ) -> tuple[int, bytes]:
        whole = hashlib.sha256()
        digests = [whole.update] + ([checksum.update] if checksum else [])
        length = 0
        writer = await blocking(self._storage.writer, key)
        turns = Turns()
        try:
            part = first
            while part:
                length += len(part)
                await turns.take(_add, writer, digests, part)
                part = await source.next(PIECE_BYTES_MAX - length)
            await turns.last()
            if checksum:
                checksum.require(is_all=not await source.next(1))
            await blocking(writer.commit)
        except BaseException:
            await turns.settle()
            await blocking(writer.abort)
            raise
        return length, whole.digest()

    async def _pieces(self, pieces: list[Row]) -> AsyncGenerator[bytes]:
        at = 0
        for piece in pieces:
            if piece["start"] != at:
                raise errors.Internal
            whole = hashlib.sha256()
            async for part in self._read(piece["key"], piece["length"]):
                whole.update(part)
                yield part
            at += piece["length"]
            if whole.digest() != piece["digest"]:
                metrics.damage.labels("piece").inc()
                log.error("piece of an upload is damaged", key=piece["key"])
                raise errors.BlobDamaged(DAMAGED)

    async def _direct(self, key: str) -> AsyncGenerator[bytes]:
        size = await blocking(self._storage.size, key)
        if size is None:
            raise errors.Conflict("No bytes were sent for this upload.")
        if size > BLOB_BYTES_MAX:
            raise errors.TooLarge(limitBytes=BLOB_BYTES_MAX)
        async for part in self._read(key, size):
            yield part

    async def _read(self, key: str, length: int) -> AsyncGenerator[bytes]:
        try:
            reader: Reader = await blocking(self._storage.reader, key, 0, length)
        except Missing:
            metrics.damage.labels("piece").inc()
            log.error("bytes of an upload are missing", key=key)  # noqa: TRY400 (that says it all)
            raise errors.BlobDamaged(DAMAGED) from None
        try:
            while part := await blocking(reader.read, FRAME_BYTES):
                yield part
        finally:
            await blocking(reader.close)


def _add(writer: Writer, digests: list[Callable[[bytes], None]], part: bytes) -> None:
    for digest in digests:
        digest(part)
    writer.write(part)


def _count(upload: Upload, stored: Stored, took_s: float) -> None:
    if upload.deduplicated:
        metrics.uploads.labels("deduplicated").inc()
        metrics.deduplicated_bytes.inc(stored.size)
    else:
        metrics.uploads.labels("stored").inc()
        metrics.received_bytes.inc(stored.size)
        metrics.stored_bytes.inc(stored.stored_size)
    metrics.upload_seconds.observe(took_s)


def _heard(task: asyncio.Task[Upload]) -> None:
    """Take note of a failure that nobody waited for."""
    if not task.cancelled() and (error := task.exception()):
        log.info("upload not finished", reason=getattr(error, "code", type(error).__name__))
