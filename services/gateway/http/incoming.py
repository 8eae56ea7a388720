"""Request bodies that are read while they come: no more than the reader takes, none too slowly."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from litestar import Request

from libs import errors
from services.gateway.http.transfers import Transfer

PERIOD_S = 30.0
PERIOD_BYTES_MIN = 16 << 10
"""Bytes that a client must send in each such interval of waiting."""


class Incoming:
    """The body of one request."""

    def __init__(
        self,
        request: Request[Any, Any, Any],
        bytes_max: int,
        transfer: Transfer | None = None,
    ) -> None:
        """Read from *request* as long as *transfer* may go on.

        Raises:
            TooLarge: It says that it will be longer than *bytes_max*; nothing was read.
        """
        self._request = request
        self._bytes_max = bytes_max
        self._transfer = transfer
        declared = request.headers.get("content-length", "")
        self.length = int(declared[:20]) if declared.isdecimal() else None
        """Bytes, when the client says how many."""
        if self.length is not None and self.length > bytes_max:
            raise errors.TooLarge(limitBytes=bytes_max)

    async def parts(self) -> AsyncGenerator[bytes]:
        """Yield the body; what is not asked for is not read.

        Raises:
            TooLarge: It is longer than it may be.
            Invalid: It ended early, or came too slowly.
            Unauthenticated: The token that it came with has ended.
        """
        got, clock = 0, _Clock()
        more = True
        while more:
            message = await clock.wait(self._request.receive())
            if self._transfer:
                self._transfer.require()
            if message["type"] == "http.disconnect":
                raise errors.Invalid("The request ended before its body.")
            part: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            got += len(part)
            clock.count(len(part))
            if got > self._bytes_max:
                raise errors.TooLarge(limitBytes=self._bytes_max)
            if part:
                yield part

    async def whole(self, bytes_max: int) -> bytes:
        """Return the body.

        Raises:
            TooLarge: It is longer than *bytes_max*.
            Invalid: It ended early, or came too slowly.
        """
        body = bytearray()
        async for part in self.parts():
            body += part
            if len(body) > bytes_max:
                raise errors.TooLarge(limitBytes=bytes_max)
        return bytes(body)


class _Clock:
    """Counts the time that a client lets us wait, and not what we take ourselves."""

    def __init__(self) -> None:
        self._waited_s = 0.0
        self._bytes = 0

    async def wait(self, receiving: Any) -> Any:
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(PERIOD_S - self._waited_s):
                return await receiving
        except TimeoutError:
            raise errors.Invalid("The body did not arrive in time.") from None
        finally:
            self._waited_s += asyncio.get_running_loop().time() - began

    def count(self, received: int) -> None:
        self._bytes += received
        if self._bytes >= PERIOD_BYTES_MIN:
            self._bytes, self._waited_s = 0, 0.0
