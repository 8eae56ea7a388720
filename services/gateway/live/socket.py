"""One client's socket, whatever it speaks: bytes in and out, flow control, and its end."""

import asyncio
from abc import abstractmethod
from typing import ClassVar, Protocol, cast
from urllib.parse import parse_qs, urlsplit

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest
from prometheus_client import Counter, Gauge

from services.gateway.accounts.identity.model import Identity

WRITE_BUFFER_BYTES_MAX = 1 << 20
"""What a client may leave unread before it is closed; it can sync again."""
UNACKED_BYTES_MAX = 256 * 1024
"""What a client may have under way before its socket is not read from for a while."""
EARLY_BYTES_MAX = 256 * 1024
"""What a client may send before it is known who it is; then its socket is not read from."""
AUTHENTICATE_WAIT_S = 10.0
"""How long it may be unknown who a client is."""
CLOSE_WAIT_S = 5.0
"""How long a client may take to answer a close before its connection is ended."""

UNAUTHENTICATED = 4401
DENIED = 4003
NO_SUCH_SCENE = 4404
SAME_CLIENT = 4409
INVALID = 1007
TOO_MANY_ERRORS = 1008
TOO_BIG = 1009
RESTARTING = 1012
TRY_AGAIN = 1013

NOT_AUTHENTICATED = (UNAUTHENTICATED, "not authenticated")
TOKEN_ENDED = (UNAUTHENTICATED, "the token has ended")

_CLOSE, _CONTINUATION = WSMsgType.CLOSE, WSMsgType.CONTINUATION

_open = Gauge("scriptorium_live_connections", "Open collaboration sockets.")
_closed = Counter(
    "scriptorium_live_closed_total", "Collaboration sockets that we closed, by code.", ["code"]
)


class Sockets(Protocol):
    """Who keeps count of sockets."""

    def connected(self, socket: "Socket") -> None:
        """A socket is open."""
        ...

    def disconnected(self, socket: "Socket") -> None:
        """A socket is gone."""
        ...

    def recognise(self, socket: "Socket", identity: Identity) -> None:
        """Note whose socket it is; raises RateLimited when they have too many."""
        ...


class Socket(WSListener):
    """A client's connection, from its upgrade to its end."""

    speaks: ClassVar[WSMsgType]
    """The kind of message it sends and takes."""
    message_bytes_max: ClassVar[int]

    def __init__(self, sockets: Sockets, request: WSUpgradeRequest, caller: str) -> None:
        """Read what the upgrade request says; nothing is believed yet.

        *caller* is the network address it comes from, as limits name it.
        """
        url = urlsplit(request.path.decode("latin-1"))
        self.path = url.path
        self.query = parse_qs(url.query)
        self.token = self.query.get("token", [""])[0] or bearer(request)
        self.caller = caller
        self.identity: Identity | None = None
        """Whose socket it is, once that is known."""
        self.closing = False
        self._sockets = sockets
        self._deadline: asyncio.TimerHandle | None = None
        self._transport: WSTransport | None = None
        self._held: list[bytes] | None = None
        """What came while it is being found out who this is."""
        self._held_bytes = 0
        self._fragments: list[bytes] = []
        self._fragment_bytes = 0
        self._unacked_bytes = 0
        self._paused = False
        self._congested = False
        self._allowance = WRITE_BUFFER_BYTES_MAX

    # -- what each protocol does

    @abstractmethod
    def begin(self) -> None:
        """The socket is open."""

    @abstractmethod
    def end(self) -> None:
        """The socket is gone; whoever came through it has left."""

    @abstractmethod
    def handle(self, message: bytes) -> None:
        """Take one whole message; whatever is wrong with it concerns this client alone."""

    @abstractmethod
    def handle_other_kind(self) -> None:
        """Take note of a message of the kind that this protocol does not use."""

    # -- who it is

    def recognise(self, identity: Identity) -> None:
        """Note whose socket it is.

        Raises:
            RateLimited: They have as many as one person may.
        """
        self._sockets.recognise(self, identity)
        self.identity = identity
        if self._deadline:
            self._deadline.cancel()

    def _unknown_for_too_long(self) -> None:
        """Close the socket of a client who did not say who it is, or of whom we found out late."""
        if self.identity is None:
            found_out = self._held is not None
            self.close(*((TRY_AGAIN, "try again") if found_out else NOT_AUTHENTICATED))

    # -- what picows calls

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Begin to find out who this is."""
        _open.inc()
        self._transport = transport
        self._sockets.connected(self)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(AUTHENTICATE_WAIT_S, self._unknown_for_too_long)
        self.begin()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Leave all rooms; edits under way stay under way."""
        del transport
        _open.dec()
        self.closing = True
        if self._deadline:
            self._deadline.cancel()
        self.end()
        self._sockets.disconnected(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take one frame."""
        kind = frame.msg_type
        if kind is self.speaks and frame.fin and not self._fragments:
            self._receive(frame.get_payload_as_bytes())
        elif kind is self.speaks or (kind is _CONTINUATION and self._fragments):
            self._reassemble(frame)
        elif kind is _CLOSE:
            # The answer to our own close needs none; 1005 stands for "none given", and may not
            # travel.
            code = frame.get_close_code()
            if not self.closing and code not in (0, WSCloseCode.NO_INFO):
                transport.send_close(code, frame.get_close_message())
            elif not self.closing:
                transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY, _CONTINUATION) and not self.closing:
            self.handle_other_kind()

    def pause_writing(self) -> None:
        """The socket's buffer is filling: from now on look at it after each send."""
        self._congested = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._congested = False
        self._allowance = WRITE_BUFFER_BYTES_MAX

    # -- sending

    def send(self, message: bytes) -> None:
        """Send one message; a client that does not read is closed and may sync again."""
        transport = self._transport
        if transport is None or self.closing:
            return
        transport.send(self.speaks, message)
        if self._congested and self._buffered() > self._allowance:
            self.close(TRY_AGAIN, "too slow")

    def send_large(self, message: bytes) -> None:
        """Send the answer to a join, which may be larger than what a slow client may owe."""
        self._allowance = max(self._allowance, self._buffered() + len(message)) + (
            WRITE_BUFFER_BYTES_MAX
        )
        self.send(message)

    def close(self, code: int, reason: str) -> None:
        """Close with a code; the rest of what the client sends is ignored."""
        if self.closing or self._transport is None:
            return
        self.closing = True
        _closed.labels(str(code)).inc()
        self._transport.send_close(cast("WSCloseCode", code), reason.encode())
        # Ending the TCP connection now would answer what the client is just sending with a
        # reset, on which it may never read the code. It ends it, or has CLOSE_WAIT_S; then what
        # it has not read goes too, or one that never reads would keep its megabyte here.
        self._resume()
        asyncio.get_running_loop().call_later(CLOSE_WAIT_S, self._transport.disconnect, False)

    # -- receiving

    def hold(self) -> None:
        """Keep what comes until `release`."""
        if self._held is None:
            self._held, self._held_bytes = [], 0

    def release(self) -> None:
        """Handle what was kept, then read on."""
        held, self._held = self._held or [], None
        for message in held:
            if not self.closing:
                self._receive(message)
        if self._held is None and self._unacked_bytes < UNACKED_BYTES_MAX:
            self._resume()

    def _reassemble(self, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        self._fragment_bytes += len(payload)
        if self._fragment_bytes > self.message_bytes_max:
            self._fragments.clear()
            self.close(TOO_BIG, "message too large")
            return
        self._fragments.append(payload)
        if frame.fin:
            message = b"".join(self._fragments)
            self._fragments.clear()
            self._fragment_bytes = 0
            self._receive(message)

    def _receive(self, message: bytes) -> None:
        if self.closing:
            return
        if self._held is not None:
            self._held.append(message)
            self._held_bytes += len(message)
            if self._held_bytes > EARLY_BYTES_MAX:
                self._pause()
            return
        self.handle(message)

    # -- flow control

    def owe(self, entry_bytes: int) -> None:
        """Note an edit that is under way; over the limit the client is not read from."""
        self._unacked_bytes += entry_bytes
        if self._unacked_bytes > UNACKED_BYTES_MAX:
            self._pause()

    def settle(self, entry_bytes: int) -> None:
        """Note that an edit is no longer under way."""
        self._unacked_bytes -= entry_bytes
        if self._paused and self._held is None and self._unacked_bytes < UNACKED_BYTES_MAX // 2:
            self._resume()

    def _buffered(self) -> int:
        assert self._transport is not None
        return self._transport.underlying_transport.get_write_buffer_size()

    def _pause(self) -> None:
        if not self._paused and self._transport:
            self._paused = True
            self._transport.underlying_transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and self._transport and not self._transport.is_disconnected:
            self._paused = False
            self._transport.underlying_transport.resume_reading()


def bearer(request: WSUpgradeRequest) -> str:
    """The token in the Authorization header or, as browsers must, in a subprotocol."""
    header = request.headers.get("Authorization", "")
    if header.lower().startswith("bearer "):
        return header[7:].strip()
    for protocol in subprotocols(request):
        if protocol.startswith("bearer."):
            return protocol[7:]
    return ""


def subprotocols(request: WSUpgradeRequest) -> list[str]:
    """What the client offers in Sec-WebSocket-Protocol."""
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    return [part.strip() for part in offered.split(",") if part.strip()]
