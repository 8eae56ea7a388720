"""A WebSocket of one client: bytes in and out, flow control and the close, for every protocol."""

import asyncio
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, cast
from urllib.parse import parse_qs, urlsplit

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest
from prometheus_client import Counter, Gauge

from services.gateway.accounts.identity.model import Identity

if TYPE_CHECKING:
    from services.gateway.live.gateway import LiveGateway

WRITE_BUFFER_BYTES_MAX = 1 << 20
"""Bytes that a client may leave unread before its socket is closed; it can sync again."""
UNACKED_BYTES_MAX = 256 * 1024
"""Bytes of edits that are not acknowledged yet, above which the socket is not read from."""
EARLY_BYTES_MAX = 256 * 1024
"""Bytes that are kept while the client is authenticated; then the socket is not read from."""
AUTHENTICATE_WAIT_S = 10.0
"""Time within which a client must have authenticated."""
CLOSE_WAIT_S = 5.0
"""Time that a client has to answer a close before its connection is ended."""

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


class Socket(WSListener):
    """The WebSocket of one client, from its upgrade to its end."""

    message_type: ClassVar[WSMsgType]
    """The type of the messages that the protocol consists of."""
    message_bytes_max: ClassVar[int]

    def __init__(self, gateway: "LiveGateway", request: WSUpgradeRequest, address_key: str) -> None:
        """Read the upgrade request; nothing of it is verified yet.

        *address_key* is the network address of the client, as limits name it.
        """
        url = urlsplit(request.path.decode("latin-1"))
        self.path = url.path
        self.query = parse_qs(url.query)
        self.token = self.query.get("token", [""])[0] or bearer_token(request)
        self.address_key = address_key
        self.identity: Identity | None = None
        """The authenticated identity; None before authentication."""
        self.closing = False
        self._gateway = gateway
        self._deadline: asyncio.TimerHandle | None = None
        self._transport: WSTransport | None = None
        self._held: list[bytes] | None = None
        """The messages that arrived during authentication; None when messages are not held."""
        self._held_bytes = 0
        self._fragments: list[bytes] = []
        self._fragment_bytes = 0
        self._unacked_bytes = 0
        self._paused = False
        self._congested = False
        self._allowance = WRITE_BUFFER_BYTES_MAX

    # -- implemented by each protocol

    @abstractmethod
    def on_open(self) -> None:
        """Begin the protocol; the socket has just been opened."""

    @abstractmethod
    def on_close(self) -> None:
        """End all sessions of this socket; it is closed."""

    @abstractmethod
    def handle_message(self, message: bytes) -> None:
        """Handle one whole message; an error in it affects this client alone."""

    @abstractmethod
    def handle_wrong_type(self) -> None:
        """Handle a message of the type that this protocol does not use."""

    # -- authentication

    def set_identity(self, identity: Identity) -> None:
        """Note the identity that the client authenticated as.

        Raises:
            RateLimited: The user has as many sockets as one user may.
        """
        self._gateway.register_identity(self, identity)
        self.identity = identity
        if self._deadline:
            self._deadline.cancel()

    def _close_unauthenticated(self) -> None:
        """Close the socket of a client that has not authenticated within AUTHENTICATE_WAIT_S."""
        if self.identity is None:
            gateway_is_late = self._held is not None
            self.close(*((TRY_AGAIN, "try again") if gateway_is_late else NOT_AUTHENTICATED))

    # -- called by picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Begin the protocol, and the time within which the client must authenticate."""
        _open.inc()
        self._transport = transport
        self._gateway.socket_opened(self)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(AUTHENTICATE_WAIT_S, self._close_unauthenticated)
        self.on_open()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """End all sessions; edits on their way to collab stay on their way."""
        del transport
        _open.dec()
        self.closing = True
        if self._deadline:
            self._deadline.cancel()
        self.on_close()
        self._gateway.socket_closed(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Handle one frame."""
        kind = frame.msg_type
        if kind is self.message_type and frame.fin and not self._fragments:
            self._receive(frame.get_payload_as_bytes())
        elif kind is self.message_type or (kind is _CONTINUATION and self._fragments):
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
            self.handle_wrong_type()

    def pause_writing(self) -> None:
        """Check the write buffer after each send from now on, because it is filling."""
        self._congested = True

    def resume_writing(self) -> None:
        """Stop checking the write buffer: the client has read most of it."""
        self._congested = False
        self._allowance = WRITE_BUFFER_BYTES_MAX

    # -- sending

    def send(self, message: bytes) -> None:
        """Send one message; the socket of a client that does not read is closed."""
        transport = self._transport
        if transport is None or self.closing:
            return
        transport.send(self.message_type, message)
        if self._congested and self._buffered_bytes() > self._allowance:
            self.close(TRY_AGAIN, "too slow")

    def send_large(self, message: bytes) -> None:
        """Send the answer to a join, which may be larger than what a slow client may owe."""
        self._allowance = max(self._allowance, self._buffered_bytes() + len(message)) + (
            WRITE_BUFFER_BYTES_MAX
        )
        self.send(message)

    def close(self, code: int, reason: str) -> None:
        """Close with a code; messages that the client still sends are ignored."""
        if self.closing or self._transport is None:
            return
        self.closing = True
        _closed.labels(str(code)).inc()
        self._transport.send_close(cast("WSCloseCode", code), reason.encode())
        # Ending the TCP connection now would answer a message that the client is just sending
        # with a reset, and the client might never read the code. So the client ends it, within
        # CLOSE_WAIT_S; after that its unread bytes go, too, or a client that never reads would
        # keep its megabyte here.
        self._resume_reading()
        asyncio.get_running_loop().call_later(CLOSE_WAIT_S, self._transport.disconnect, False)

    # -- receiving

    def hold_messages(self) -> None:
        """Keep incoming messages until `release_messages`."""
        if self._held is None:
            self._held, self._held_bytes = [], 0

    def release_messages(self) -> None:
        """Handle the messages that were kept, then read on."""
        held, self._held = self._held or [], None
        for message in held:
            if not self.closing:
                self._receive(message)
        if self._held is None and self._unacked_bytes < UNACKED_BYTES_MAX:
            self._resume_reading()

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
                self._pause_reading()
            return
        self.handle_message(message)

    # -- flow control

    def add_unacked(self, entry_bytes: int) -> None:
        """Count an edit on its way to collab; above UNACKED_BYTES_MAX the socket is not read."""
        self._unacked_bytes += entry_bytes
        if self._unacked_bytes > UNACKED_BYTES_MAX:
            self._pause_reading()

    def remove_unacked(self, entry_bytes: int) -> None:
        """Stop counting an edit; the socket is read again below half of UNACKED_BYTES_MAX."""
        self._unacked_bytes -= entry_bytes
        if self._paused and self._held is None and self._unacked_bytes < UNACKED_BYTES_MAX // 2:
            self._resume_reading()

    def _buffered_bytes(self) -> int:
        assert self._transport is not None
        return self._transport.underlying_transport.get_write_buffer_size()

    def _pause_reading(self) -> None:
        if not self._paused and self._transport:
            self._paused = True
            self._transport.underlying_transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._paused and self._transport and not self._transport.is_disconnected:
            self._paused = False
            self._transport.underlying_transport.resume_reading()


def bearer_token(request: WSUpgradeRequest) -> str:
    """Return the token of the Authorization header or, as browsers must, of a subprotocol."""
    header = request.headers.get("Authorization", "")
    if header.lower().startswith("bearer "):
        return header[7:].strip()
    for protocol in offered_subprotocols(request):
        if protocol.startswith("bearer."):
            return protocol[7:]
    return ""


def offered_subprotocols(request: WSUpgradeRequest) -> list[str]:
    """Return the names in Sec-WebSocket-Protocol."""
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    return [part.strip() for part in offered.split(",") if part.strip()]
