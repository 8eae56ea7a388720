"""Uploads: whole, in pieces, or sent to storage directly; all end in the same pipeline."""

import hashlib
from collections.abc import AsyncIterator, Callable
from uuid import UUID

from libs import errors
from libs.contracts.blobs.transfers import CHECKED_BYTES_MAX, Blob, Upload
from libs.tasks import passed
from services.blobs import metrics
from services.blobs.bodies import Source
from services.blobs.finishing import Finishing
from services.blobs.leases import leased
from services.blobs.model.checksums import Checksum
from services.blobs.model.frames import FRAME_BYTES
from services.blobs.storage import Storage, Writer
from services.blobs.store import Row, Store
from services.blobs.store.uploads import require_offset, room_left
from services.blobs.threads import Turns, blocking

PIECE_BYTES_MAX = CHECKED_BYTES_MAX


class Uploads:
    """Takes bytes and makes them blobs."""

    def __init__(self, store: Store, storage: Storage, finishing: Finishing) -> None:
        """Store in *storage* what *store* knows of, and have it finished by *finishing*."""
        self._store = store
        self._storage = storage
        self._finishing = finishing

    async def put(self, project_id: UUID, upload_id: UUID, body: AsyncIterator[bytes]) -> Upload:
        """Take all bytes of an upload.

        Raises:
            errors.NotFound: The upload was cancelled or has expired.
            errors.Conflict: It was done with other bytes.
            errors.ContentMismatch, errors.TooLarge, errors.QuotaExceeded: They are refused.
            errors.StorageFull, errors.Unavailable: They cannot be stored now.
        """
        row, told = await self._store.uploads.find(project_id, upload_id)
        if row["resumable"]:
            raise errors.Conflict("This upload takes its bytes in pieces.")
        if told.blob is not None:
            await _require_same(body, told.blob)
            return told
        return await self._finishing.take(row, body)

    async def patch(
        self,
        project_id: UUID,
        upload_id: UUID,
        start: int,
        body: AsyncIterator[bytes],
        *,
        checksum: Checksum | None = None,
        size: int | None = None,
    ) -> Upload:
        """Take the next bytes of a resumable upload, as far as they come; finish it at its end.

        Bytes that arrived before a connection broke are kept. With a *checksum* all of them are, or
        none, and there may be CHECKED_BYTES_MAX. With a *size*, in bytes, the upload whose length
        was not told yet has that; it is told once.

        Raises:
            errors.Conflict: The upload is at another offset; `offset` says which.
            errors.Invalid: It has another size, or that many bytes are there already.
            errors.ContentMismatch: The body has more bytes than were declared.
            errors.AppError: As `put`, and as `Finishing.finish`.
        """
        row, told = await self._store.uploads.find(project_id, upload_id)
        if size is not None and size != row["size"]:
            row, told = await self._store.uploads.set_size(project_id, upload_id, start, size)
        if told.blob is None or start != told.offset:
            require_offset(row, start)
            if not row["resumable"]:
                raise errors.Conflict("This upload takes its bytes at once.")
            source = Source(body, room_left(row))
            if checksum is not None:
                told = await self._take_piece(row, told.offset, source, checksum) or told
            while not source.ended:
                told = await self._take_piece(row, told.offset, source) or told
        else:
            # Bytes behind the end of a finished upload were never declared.
            await Source(body, 0).next(1)
        if told.is_received and told.blob is None:
            passed("upload.received")
            return await self._finishing.finish(project_id, upload_id)
        return told

    async def _take_piece(
        self, row: Row, start: int, source: Source, checksum: Checksum | None = None
    ) -> Upload | None:
        """Store what comes next, at most PIECE_BYTES_MAX; None when nothing came."""
        first = await source.next(PIECE_BYTES_MAX)
        if not first:
            if checksum:
                checksum.require()
            return None
        where = row["project_id"], row["id"]
        try:
            async with leased(self._store, row["project_id"], "piece") as key:
                passed("upload.leased")
                length, digest = await self._store_piece(key, first, source, checksum)
                passed("upload.piece_stored")
                return await self._store.uploads.add_piece(
                    *where, start=start, length=length, digest=digest, key=key
                )
        except (errors.StorageFull, errors.Unavailable) as refusal:
            metrics.uploads.labels(refusal.code).inc()
            raise

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


def _add(writer: Writer, digests: list[Callable[[bytes], None]], part: bytes) -> None:
    for digest in digests:
        digest(part)
    writer.write(part)


async def _require_same(body: AsyncIterator[bytes], blob: Blob) -> None:
    """Accept bytes that came before, as from a client whose answer was lost.

    Raises:
        errors.Conflict: They are other ones.
    """
    other = errors.Conflict("This upload has ended with other bytes.")
    source, whole = Source(body, blob.size), hashlib.sha256()
    try:
        while part := await source.next(FRAME_BYTES):
            whole.update(part)
    except errors.ContentMismatch:
        raise other from None
    if whole.hexdigest() != blob.sha256:
        raise other
