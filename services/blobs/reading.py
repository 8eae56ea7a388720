"""Reading: any range of a blob, each frame verified before a byte of it goes out."""

import hashlib
from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

import structlog

from libs import errors
from libs.contracts.blobs.transfers import Codec
from services.blobs import metrics
from services.blobs.model.frames import Damaged, Frame, Span, decode, plain_length, span
from services.blobs.storage import Missing, Reader, Storage
from services.blobs.store import Row, Store
from services.blobs.threads import blocking

log = structlog.get_logger(__name__)

READ_AGAIN_MAX = 1
"""A damaged frame is read once more, because the transfer may have failed."""

RETURN_S = 60
"""Seconds after which a client asks again for a blob that is coming back from the cold tier."""

type Storages = Mapping[str, Storage]
"""By tier; there is always a hot one."""


class Reading:
    """Reads blobs."""

    def __init__(self, store: Store, storages: Storages) -> None:
        """Read from *storages* what *store* knows of."""
        self._store = store
        self._storages = storages

    async def frames(self, blob: Row, start: int, length: int) -> AsyncGenerator[bytes]:
        """Yield *length* bytes of *blob* from *start*, verified, a frame at a time.

        Of a whole blob the SHA-256 is compared, too, before the last frame goes out. Damage sets
        the blob aside and ends this.

        Raises:
            errors.BlobDamaged: The stored bytes are damaged.
            errors.Unavailable: Storage or database is away.
        """
        whole = hashlib.sha256() if length == blob["size"] else None
        if length == 0:
            if whole and whole.hexdigest() != blob["sha256"]:
                raise await self._damaged(blob, 0, "content")
            return
        about = span(start, length)
        frames = await self._store.frames(blob, about)
        if len(frames) != about.last - about.first + 1:
            raise await self._damaged(blob, about.first, "missing")
        left = length
        async for plain in self._verified(blob, about, frames, whole):
            part = plain[about.skip :] if left == length else plain
            part = part[:left]
            left -= len(part)
            metrics.sent_bytes.inc(len(part))
            yield part

    async def verify(self, blob: Row) -> bool:
        """Read all of *blob*; return whether it is intact. Damage is recorded."""
        try:
            async for _ in self.frames(blob, 0, blob["size"]):
                pass
        except errors.BlobDamaged:
            return False
        return True

    async def _verified(
        self, blob: Row, about: Span, frames: list[Frame], whole: "_Digest | None"
    ) -> AsyncGenerator[bytes]:
        storage = self._storages[blob["tier"]]
        end = frames[-1].start + frames[-1].length
        tries = 0
        number = about.first
        while number <= about.last:
            frame = frames[number - about.first]
            try:
                reader = await blocking(storage.reader, blob["key"], frame.start, end - frame.start)
            except Missing:
                raise await self._damaged(blob, number, "missing") from None
            try:
                while number <= about.last:
                    frame = frames[number - about.first]
                    expected = plain_length(number, blob["size"])
                    plain = await blocking(_read, reader, frame, blob["codec"], expected, whole)
                    tries = 0
                    if whole and number == about.last and whole.hexdigest() != blob["sha256"]:
                        # Each frame has its digest, and together they are another blob.
                        raise await self._damaged(blob, number, "content")
                    number += 1
                    yield plain
            except Damaged as error:
                if tries == READ_AGAIN_MAX:
                    raise await self._damaged(blob, number, error.reason) from None
                tries += 1
            finally:
                await blocking(reader.close)

    async def _damaged(self, blob: Row, frame: int, reason: str) -> errors.AppError:
        """Set the blob aside; returns what to tell. A blob that was replaced meanwhile is not.

        Raises:
            errors.Unavailable: The storage is not the one that this database knows, so its answer
                about a blob means nothing.
        """
        await blocking(self._storages[blob["tier"]].check)
        if await self._store.put_damage(blob, frame=frame, reason=reason):
            where = {"project_id": str(blob["project_id"]), "sha256": blob["sha256"]}
            log.error("blob is damaged", **where, frame=frame, reason=reason)
            metrics.damage.labels(reason).inc()
        now = await self._store.blob(blob["project_id"], blob["sha256"])
        if now["key"] != blob["key"]:
            return errors.Unavailable("The blob was moved while it was read; try again.")
        return errors.BlobDamaged()


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


def _read(
    reader: Reader, frame: Frame, codec: str, expected: int, whole: "_Digest | None"
) -> bytes:
    plain = decode(reader.read(frame.length), frame, Codec(codec), expected)
    if whole:
        whole.update(plain)
    return plain
