"""The last step of an upload: its bytes are read again, verified, and become a blob.

The client that sent the last byte waits for it. If the connection breaks or a process dies, the
step is done all the same; an upload that can never be a blob is refused for good. Until either has
happened, no answer says that all bytes have arrived.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from uuid import UUID

import asyncpg
import structlog

from libs import errors
from libs.contracts.blobs.transfers import Upload
from libs.contracts.values import BLOB_BYTES_MAX
from libs.postgres import AdvisoryLocks, LockKey
from libs.postgres.pool import UNREACHABLE
from libs.tasks import PeriodicTask, passed
from services.blobs import metrics
from services.blobs.leases import leased
from services.blobs.model.frames import FRAME_BYTES
from services.blobs.pipeline import Declared, store
from services.blobs.storage import Missing, Reader, Storage
from services.blobs.store import Row, Store, Stored
from services.blobs.threads import blocking

log = structlog.get_logger(__name__)

FINISHING_MAX = 8
"""Uploads that a replica puts together at once; others wait for their turn."""
WAITING_MAX = 1_000
"""Uploads that wait for their turn in a replica; those beyond are tried again later."""
WAIT_S_MAX = 540.0
"""How long a request waits for its upload. The work goes on without it."""
LOOK_INTERVAL_S = 2.0
"""Interval of the search for uploads without a waiting client."""
BATCH_UPLOADS = 50
OTHERS_POLL_S = 0.5
"""Interval of the check of an upload that another replica finishes."""
RETRY_AFTER_S = 2
DAMAGED = "The stored bytes of this upload are damaged. Begin a new upload."
_FINAL = (errors.ContentMismatch, errors.TooLarge, errors.QuotaExceeded, errors.BlobDamaged)
"""Errors that no later try can change."""


class Finishing:
    """Finishes uploads; over all replicas each by one at a time."""

    def __init__(self, store: Store, storage: Storage, locks: AdvisoryLocks) -> None:
        """Store in *storage* what *store* knows of; *locks* tell what other replicas do."""
        self._store = store
        self._storage = storage
        self._locks = locks
        self._turns = asyncio.Semaphore(FINISHING_MAX)
        self._tasks: dict[UUID, asyncio.Task[Upload]] = {}
        # Uploads without a waiting client are finished, too.
        self.task = PeriodicTask("finish_uploads", self._resume, interval_s=LOOK_INTERVAL_S)

    async def _resume(self) -> None:
        await self.resume()
        metrics.unfinished.set(await self._store.uploads.count_received())

    async def resume(self) -> int:
        """Begin to finish complete uploads that are due; return their number."""
        room = min(BATCH_UPLOADS, WAITING_MAX - len(self._tasks))
        if room <= 0:
            return 0
        due = await self._store.uploads.take_received(room)
        for row in due:
            self._begin(row["project_id"], row["id"])
        return len(due)

    async def finish(
        self, project_id: UUID, upload_id: UUID, *, wait_s: float = WAIT_S_MAX
    ) -> Upload:
        """Verify the bytes of an upload and make them a blob.

        The work continues when the caller stops waiting; a later caller waits for the same work.

        Raises:
            errors.Conflict: Not all is there yet; `offset` says how much.
            errors.UploadUnfinished: It takes longer than *wait_s*, or this replica ends.
            errors.Gone: It was refused before, for good.
            errors.AppError: As `Uploads.put`.
        """
        row, told = await self._store.uploads.find(project_id, upload_id)
        if told.blob is not None:
            return told
        if row["resumable"] and row["size"] not in {None, row["offset"]}:
            raise errors.Conflict("Not all bytes are there yet.", offset=row["offset"])
        if not row["resumable"] and row["direct_key"] is None:
            raise errors.Conflict("No bytes were sent for this upload.")
        task = self._tasks.get(upload_id)
        if task is None:
            if len(self._tasks) >= WAITING_MAX:
                raise errors.Unavailable(
                    "Too many uploads are being put together; try again.", retryAfterS=RETRY_AFTER_S
                )
            task = self._begin(project_id, upload_id)
        done, _ = await asyncio.wait({task}, timeout=wait_s)
        if not done or task.cancelled():
            raise errors.UploadUnfinished(retryAfterS=RETRY_AFTER_S)
        return task.result()

    async def take(self, row: Row, body: AsyncIterator[bytes]) -> Upload:
        """Store all of *body* and make it the blob of the upload *row*."""
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

    async def stop(self) -> None:
        """Give up what is being put together; another replica, or the next start, goes on."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _begin(self, project_id: UUID, upload_id: UUID) -> asyncio.Task[Upload]:
        if upload_id in self._tasks:
            return self._tasks[upload_id]
        task = asyncio.create_task(self._work(project_id, upload_id), name=f"finish {upload_id}")
        self._tasks[upload_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(upload_id, None))
        task.add_done_callback(_heard)
        return task

    async def _work(self, project_id: UUID, upload_id: UUID) -> Upload:
        try:
            while True:
                async with self._turns, self._locks.hold(LockKey.UPLOAD, upload_id) as ours:
                    row, told = await self._store.uploads.find(project_id, upload_id)
                    if told.blob is not None:
                        return told
                    if ours:
                        return await self._finish(row)
                await asyncio.sleep(OTHERS_POLL_S)
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            raise errors.Unavailable from error

    async def _finish(self, row: Row) -> Upload:
        project_id, upload_id = row["project_id"], row["id"]
        if not row["resumable"]:
            # Other bytes may still be put at its address.
            return await self.take(row, self._direct(row["direct_key"]))
        pieces = await self._store.uploads.pieces(project_id, upload_id)
        try:
            return await self.take(row, self._pieces(pieces))
        except _FINAL as refusal:
            passed("upload.refusing")
            await self._store.uploads.refuse(project_id, upload_id, refusal)
            passed("upload.refused")
            raise

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
                await blocking(self._storage.check)
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
    """Log a failure for which no client waits."""
    if not task.cancelled() and (error := task.exception()):
        log.info("upload not finished", reason=getattr(error, "code", type(error).__name__))
