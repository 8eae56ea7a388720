"""HTTP/1.1 as uvicorn speaks it, with limits on the bytes that are read before authentication.

uvicorn and llhttp bound neither the length of a request's head nor the time that it takes, and
put a header that comes in pieces together again with each piece.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_BYTES_MAX = 64 * 1024
"""Size of a request line and all headers together."""
UPGRADE_BYTES_MAX = 15 * 1024
"""The same of a request for a WebSocket: picows takes a little more and cuts off what is longer."""
HEADERS_MAX = 200
"""Headers of one request."""
HEAD_WAIT_S = 10.0
"""Time from the connection, or the first byte of a later request, to the end of its head."""
LINGER_S = 1.0
"""Time in which a refused client may go on sending before its connection ends."""
FEED_BYTES = 16 * 1024
"""Read of a head before its length is looked at again."""
HEADER_OVERHEAD_BYTES = 4
"""The colon, the space and the end of the line of a header."""

_REASONS = {408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


class BoundedProtocol(HttpToolsProtocol):
    """One connection; a request whose head is too long or too slow is answered and cut off."""

    def __init__(self, *given: Any, **named: Any) -> None:
        """Begin as uvicorn does."""
        super().__init__(*given, **named)
        self._in_head = True
        self._begun = False
        """Some of this head has come."""
        self._refused = False
        self._parsed_bytes = 0
        """Bytes of this head whose parts the parser has handed over."""
        self._fed_bytes = 0
        """Bytes of this head in the pieces since the one in which it began."""
        self._too_slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request, but not for ever."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._forget_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, piece by piece, until it is refused."""
        for start in range(0, len(data), FEED_BYTES):
            if self._refused or self.transport.is_closing():
                return
            if self.transport.get_protocol() is not self:
                return  # It was upgraded; nothing may come before the answer to that.
            piece = data[start : start + FEED_BYTES]
            if self._in_head:
                self._fed_bytes += len(piece)
            super().data_received(piece)
            if self._in_head and max(self._fed_bytes, self._parsed_bytes) > HEAD_BYTES_MAX:
                self._refuse(431)

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._in_head = self._begun = True
        self._parsed_bytes = self._fed_bytes = 0
        if self._too_slow is None and not self._refused:
            self._expect_head()

    def on_url(self, url: bytes) -> None:
        """Count the request line."""
        self._parsed_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, and keep it while there are not too many."""
        self._parsed_bytes += len(name) + len(value) + HEADER_OVERHEAD_BYTES
        if len(self.headers) < HEADERS_MAX:
            super().on_header(name, value)
        else:
            self._refuse(431)

    def on_headers_complete(self) -> None:
        """Answer the request if its head is within the bounds."""
        self._in_head = self._begun = False
        self._forget_head()
        if self._parsed_bytes > HEAD_BYTES_MAX:
            self._refuse(431)
        if not self._refused:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body of a request that was not refused."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of a request that was not refused."""
        if not self._refused:
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over if the request was not refused."""
        if self._parsed_bytes > UPGRADE_BYTES_MAX:
            self._refuse(431)
        if not self._refused:
            super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, unless there was an answer already."""
        if not self._refused:
            self._forget_head()
            super().send_400_response(msg)

    def _expect_head(self) -> None:
        self._too_slow = self.loop.call_later(HEAD_WAIT_S, self._refuse, 408)

    def _forget_head(self) -> None:
        if self._too_slow:
            self._too_slow.cancel()
            self._too_slow = None

    def _refuse(self, status: int) -> None:
        """Read no more; answer with *status* and close, once earlier requests are answered."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._forget_head()
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete:
            # The client would take an answer to this request for the rest of the previous answer.
            cycle.keep_alive = False
            self.flow.pause_reading()
            return
        # A client that has sent no request gets no answer: it would take it for the answer to the
        # request that it is just sending.
        if self._begun or status != 408:
            self.transport.write(
                b"HTTP/1.1 %d %s\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
                % (status, _REASONS[status])
            )
        # Ending the connection at once would answer what the client is still sending with a reset,
        # on which it may never read why.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)
