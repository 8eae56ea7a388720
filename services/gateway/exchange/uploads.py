"""Files that people send: onto the disk as they come, never whole in memory."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import IO, Any

from litestar import Request

from libs import errors

UPLOAD_BYTES_MAX = 512 << 20
UPLOADS_MAX = 4
"""Files that one gateway takes in at once."""
UPLOAD_S_MAX = 600.0
PART_WAIT_S = 30.0
"""How long the next part of a file may take to come."""
BUSY_RETRY_S = 10


class Uploads:
    """Takes in files, some at a time."""

    def __init__(self) -> None:
        """Begin with none."""
        self._free = UPLOADS_MAX

    @asynccontextmanager
    async def receive(self, request: Request[Any, Any, Any]) -> AsyncGenerator[IO[bytes]]:
        """Take in the body of *request*, as a file that is gone afterwards.

        Raises:
            errors.TooLarge: It has, or says it has, more than UPLOAD_BYTES_MAX.
            errors.RateLimited: UPLOADS_MAX files are being taken in.
            errors.Invalid: It did not come whole, or not in time.
        """
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > UPLOAD_BYTES_MAX:
            raise errors.TooLarge(limitBytes=UPLOAD_BYTES_MAX)
        if not self._free:
            raise errors.RateLimited("Too many imports at once.", retryAfterS=BUSY_RETRY_S)
        self._free -= 1
        try:
            with tempfile.TemporaryFile() as file:
                await _write(request, file)
                yield file
        finally:
            self._free += 1


async def _write(request: Request[Any, Any, Any], file: IO[bytes]) -> None:
    length, more = 0, True
    try:
        async with asyncio.timeout(UPLOAD_S_MAX):
            while more:
                async with asyncio.timeout(PART_WAIT_S):
                    message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise errors.Invalid("The request ended before its body.")
                part: bytes = message.get("body", b"")
                more = message.get("more_body", False)
                length += len(part)
                if length > UPLOAD_BYTES_MAX:
                    raise errors.TooLarge(limitBytes=UPLOAD_BYTES_MAX)
                await asyncio.to_thread(file.write, part)
    except TimeoutError:
        raise errors.Invalid("The body did not arrive in time.") from None
