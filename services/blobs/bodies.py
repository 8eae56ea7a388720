"""Bodies of requests, part by part."""

from collections.abc import AsyncIterator

from libs import errors
from services.blobs.model.frames import FRAME_BYTES


class Source:
    """A body that is read in parts of at most a frame, up to a limit in bytes."""

    def __init__(self, body: AsyncIterator[bytes], limit: int) -> None:
        """Read *body*, which may bring *limit* bytes."""
        self._body = body
        self._left = limit
        self._kept = b""
        self.ended = False

    async def next(self, length_max: int) -> bytes:
        """Return the next bytes, at most *length_max*; none at the end, or when that is 0.

        Raises:
            errors.ContentMismatch: There are more than the limit.
        """
        gathered = bytearray(self._kept)
        self._kept = b""
        wanted = min(length_max, FRAME_BYTES)
        while wanted and len(gathered) < wanted and not self.ended:
            try:
                chunk = await anext(self._body, None)
            except ConnectionError:
                # The bytes that arrived so far are kept.
                chunk = None
            if chunk is None:
                self.ended = True
                break
            self._left -= len(chunk)
            if self._left < 0:
                raise errors.ContentMismatch("The body has more bytes than were declared.")
            gathered += chunk
        self._kept = bytes(gathered[wanted:])
        return bytes(gathered[:wanted])
