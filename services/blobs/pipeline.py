"""The one way for bytes to become an object: cut into frames, compressed, digested, stored.

While a frame is worked on in a thread the next one is gathered, so an upload holds two frames.
"""

import hashlib
from collections.abc import AsyncIterator

from libs import errors
from libs.contracts.blobs.transfers import Codec
from libs.contracts.values import BLOB_BYTES_MAX
from services.blobs.model.frames import FRAME_BYTES, Frame, choose_codec, encode
from services.blobs.model.media import HEAD_BYTES, charset_of, sniff
from services.blobs.storage import Storage, Writer
from services.blobs.store import Stored
from services.blobs.threads import Turns, blocking


class Declared:
    """The size and checksum that a client declared before the bytes; None where undeclared."""

    def __init__(
        self, *, size: int | None = None, sha256: str | None = None, media_type: str | None = None
    ) -> None:
        """Keep it; *size* in bytes."""
        self.size = size
        self.sha256 = sha256
        self.media_type = media_type

    def require_more(self, size: int) -> None:
        """Refuse the first byte too many.

        Raises:
            errors.ContentMismatch: It is more than was declared.
            errors.TooLarge: It is more than a blob may have.
        """
        if self.size is not None and size > self.size:
            raise errors.ContentMismatch(
                "The body has more bytes than were declared.", size=self.size
            )
        if size > BLOB_BYTES_MAX:
            raise errors.TooLarge(limitBytes=BLOB_BYTES_MAX)

    def require(self, size: int, sha256: str) -> None:
        """Compare all that came.

        Raises:
            errors.ContentMismatch: Size or checksum differs from the declared one.
        """
        if self.size not in {None, size}:
            raise errors.ContentMismatch(
                "Fewer bytes came than were declared.", size=self.size, actualSize=size
            )
        if self.sha256 not in {None, sha256}:
            raise errors.ContentMismatch(
                "The checksum is not the declared one.", sha256=self.sha256, actualSha256=sha256
            )


async def store(
    storage: Storage, key: str, chunks: AsyncIterator[bytes], declared: Declared
) -> Stored:
    """Store all *chunks* under *key*; nothing is visible there when this raises.

    Raises:
        errors.ContentMismatch, errors.TooLarge: The body differs from its declaration, or is too
            large.
        errors.StorageFull, errors.Unavailable: It cannot be stored now.
    """
    intake = _Intake(storage, key, declared)
    turns = Turns()
    try:
        gathered = bytearray()
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            declared.require_more(size)
            gathered += chunk
            while len(gathered) >= FRAME_BYTES:
                frame = bytes(memoryview(gathered)[:FRAME_BYTES])
                del gathered[:FRAME_BYTES]
                await turns.take(intake.add, frame)
        await turns.take(intake.end, bytes(gathered))
        return await turns.last()
    except BaseException:
        await turns.settle()
        await blocking(intake.abort)
        raise


class _Intake:
    """The state of one object; its methods block and run in threads, one after the other."""

    def __init__(self, storage: Storage, key: str, declared: Declared) -> None:
        self._storage = storage
        self._key = key
        self._declared = declared
        self._writer: Writer | None = None
        self._codec = Codec.IDENTITY
        self._head = b""
        self._whole = hashlib.sha256()
        self._size = 0
        self._stored_size = 0
        self._frames: list[Frame] = []

    def add(self, plain: bytes) -> None:
        if self._writer is None:
            self._head = plain[:HEAD_BYTES]
            self._codec = choose_codec(plain)
            self._writer = self._storage.writer(self._key)
        if not plain:
            return
        self._whole.update(plain)
        self._size += len(plain)
        stored = encode(plain, self._codec)
        digest = hashlib.sha256(stored).digest()
        self._frames.append(Frame(self._stored_size, len(stored), digest))
        self._stored_size += len(stored)
        self._writer.write(stored)

    def end(self, plain: bytes) -> Stored:
        self.add(plain)
        assert self._writer is not None
        sha256 = self._whole.hexdigest()
        self._declared.require(self._size, sha256)
        self._writer.commit()
        media_type = sniff(self._head, self._declared.media_type)
        return Stored(
            key=self._key,
            sha256=sha256,
            size=self._size,
            stored_size=self._stored_size,
            codec=self._codec,
            media_type=media_type,
            charset=charset_of(self._head, media_type),
            frames=self._frames,
        )

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.abort()
