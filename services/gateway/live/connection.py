"""One client's socket: the y-websocket protocol, spoken to unmodified providers."""

import asyncio
from typing import Any, Protocol, cast
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import structlog
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest
from prometheus_client import Counter, Gauge

from libs.contracts.frames import REASON_SCENE_FULL, REASON_TOO_LARGE
from libs.contracts.yprotocol import (
    AWARENESS,
    EMPTY_UPDATE,
    NO_STRUCTS,
    QUERY_AWARENESS,
    STEP1,
    STEP2,
    SYNC,
    UPDATE,
    Malformed,
    ack_message,
    awareness_message,
    permission_denied,
    read_bytes,
    read_varuint,
)
from services.gateway.identity.model import Identity
from services.gateway.live.room import Joined, Room

log = structlog.get_logger(__name__)

UNACKED_BYTES_MAX = 256 * 1024
"""Past this much of its own unacknowledged edits a client is not read from."""
WRITE_BUFFER_BYTES_MAX = 1 << 20
"""Past this much unread by the client it is closed with 1013; syncing again repairs."""
EARLY_BYTES_MAX = 64 * 1024
"""What a client may send before it is admitted; past it, it is not read from until then."""
MESSAGE_BYTES_MAX = (1 << 20) + 64
CLOSE_WAIT_S = 2.0
"""How long a client may take to answer a close before its connection is ended."""

"""How an update begins that inserts nothing."""

UNAUTHENTICATED = 4401
DENIED = 4003
NO_SUCH_SCENE = 4404
INVALID = 1007
TOO_BIG = 1009
RESTARTING = 1012
TRY_AGAIN = 1013

_REFUSALS = {
    REASON_TOO_LARGE: (TOO_BIG, "update too large"),
    REASON_SCENE_FULL: (TOO_BIG, "the scene is full"),
}

_BINARY, _TEXT, _CLOSE, _CONTINUATION = (
    WSMsgType.BINARY,
    WSMsgType.TEXT,
    WSMsgType.CLOSE,
    WSMsgType.CONTINUATION,
)

_open = Gauge("scriptorium_live_connections", "Open collaboration sockets.")
_closed = Counter(
    "scriptorium_live_closed_total", "Collaboration sockets that we closed, by code.", ["code"]
)


class Hall(Protocol):
    """What a connection needs of the gateway: `services.gateway.live.Live`."""

    update_bytes_max: int

    def connected(self, connection: "Connection") -> None:
        """A socket is open; find out who it is."""
        ...

    def disconnected(self, connection: "Connection") -> None:
        """A socket is gone."""
        ...

    def edit(self, connection: "Connection", update: bytes, *, counted: bool) -> int:
        """Take one edit; returns the bytes it weighs until it is settled."""
        ...

    async def join(self, connection: "Connection", vector: bytes) -> None:
        """Answer a client's sync step 1."""
        ...


class Connection(WSListener):
    """A client of one scene, from its upgrade to its end."""

    author: bytes = b""
    """The person's id, 16 bytes."""
    badge: dict[str, Any]
    """What presence says about the person."""
    may_write = False

    def __init__(self, live: Hall, request: WSUpgradeRequest, tag: int) -> None:
        """Read what the upgrade request says; nothing is believed yet."""
        url = urlsplit(request.path.decode("latin-1"))
        query = parse_qs(url.query)
        self.tag = tag
        self.scene_id = _scene_id(url.path)
        self.token = query.get("token", [""])[0] or bearer(request)
        self.wants_acks = query.get("acks", [""])[0] == "1"
        self.identity: Identity | None = None
        self.project_id: UUID | None = None
        self.room: Room | None = None
        self.joined: Joined | None = None
        """What it was last told when it asked to be brought up to date."""
        self.presences: set[int] = set()
        self.badge = {}
        self.closing = False
        self._live = live
        self._transport: WSTransport | None = None
        self._early: list[bytes] | None = []
        self._early_bytes = 0
        self._fragments: list[bytes] = []
        self._fragment_bytes = 0
        self._unacked_bytes = 0
        self._durable = 0
        self._paused = False
        self._congested = False
        self._allowance = WRITE_BUFFER_BYTES_MAX
        self._joins: set[asyncio.Task[None]] = set()

    # -- what picows calls

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Begin to find out who this is."""
        _open.inc()
        self._transport = transport
        self._live.connected(self)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Leave the room; edits under way stay under way."""
        del transport
        _open.dec()
        self.closing = True
        for task in self._joins:
            task.cancel()
        self._live.disconnected(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take one frame; whatever is wrong with it concerns this client alone."""
        kind = frame.msg_type
        if kind is _BINARY and frame.fin and not self._fragments:
            self._receive(frame.get_payload_as_bytes())
        elif kind is _BINARY or (kind is _CONTINUATION and self._fragments):
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
        elif kind in (_TEXT, _CONTINUATION):
            self.close(1003, "binary messages only")

    def pause_writing(self) -> None:
        """The socket's buffer is filling: from now on look at it after each send."""
        self._congested = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._congested = False
        self._allowance = WRITE_BUFFER_BYTES_MAX

    # -- what rooms and uplinks call

    def send(self, message: bytes) -> None:
        """Send one message; a client that does not read is closed and may sync again."""
        transport = self._transport
        if transport is None or self.closing:
            return
        transport.send(_BINARY, message)
        if self._congested and self._buffered() > self._allowance:
            self.close(TRY_AGAIN, "too slow")

    def send_large(self, message: bytes) -> None:
        """Send the answer to a join, which may be larger than what a slow client may owe."""
        self._allowance = max(self._allowance, self._buffered() + len(message)) + (
            WRITE_BUFFER_BYTES_MAX
        )
        self.send(message)

    def settled(self, entry_bytes: int, *, counted: bool) -> bool:
        """Note that an edit is durable; returns whether this client wants to hear of it."""
        self._unacked_bytes -= entry_bytes
        self._durable += counted
        if self._paused and self._early is None and self._unacked_bytes < UNACKED_BYTES_MAX // 2:
            self._resume()
        return self.wants_acks

    def acknowledge(self, seq: int) -> None:
        """Tell the client how far its own edits are durable."""
        self.send(ack_message(seq, self._durable))

    def refused(self, reason: int) -> None:
        """One of its edits was refused; what follows may build on it, so it has to go."""
        code, why = _REFUSALS.get(reason, (INVALID, "not a valid update"))
        self.close(code, why)

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

    def admit(self, room: Room, identity: Identity, project_id: UUID) -> None:
        """The person may be here: handle what came meanwhile, then read on."""
        self.room = room
        room.admitted += 1
        self.identity = identity
        self.project_id = project_id
        self.author = identity.user_id.bytes
        self.badge = {"id": str(identity.user_id), "name": identity.display_name}
        early, self._early = self._early or [], None
        for message in early:
            if not self.closing:
                self._handle(message)
        if self._unacked_bytes < UNACKED_BYTES_MAX:
            self._resume()

    def deny(self, reason: str) -> None:
        """Refuse an edit by the protocol's own message; reading goes on."""
        self.send(permission_denied(reason))

    # -- the protocol

    def _reassemble(self, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        self._fragment_bytes += len(payload)
        if self._fragment_bytes > MESSAGE_BYTES_MAX:
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
        if self._early is not None:
            self._early.append(message)
            self._early_bytes += len(message)
            if self._early_bytes > EARLY_BYTES_MAX:
                self._pause()
            return
        self._handle(message)

    def _handle(self, message: bytes) -> None:
        try:
            # An edit while typing: type 0, step 2, a length below 128.
            if message[0] == SYNC and message[1] == UPDATE and message[2] == len(message) - 3:
                self._edit(message[3:])
                return
            kind, at = read_varuint(message, 0)
            if kind == SYNC:
                self._sync(message, at)
            elif kind == AWARENESS:
                body, _ = read_bytes(message, at)
                self._room().presence.said(self, body)
            elif kind == QUERY_AWARENESS:
                self.show_presence()
            # Others are not known to this version and do no harm.
        except (Malformed, IndexError) as error:
            self.close(INVALID, f"malformed message: {error}"[:120])

    def _sync(self, message: bytes, at: int) -> None:
        step, at = read_varuint(message, at)
        body, _ = read_bytes(message, at)
        if step == STEP1:
            self._join(body)
        elif step == UPDATE:
            if body != EMPTY_UPDATE:
                self._edit(body)
        elif step == STEP2:
            self._answered(body)
        else:
            raise Malformed("unknown sync step")

    def _answered(self, update: bytes) -> None:
        """Take the client's answer to our step 1: what it wrote while it was away."""
        if update == EMPTY_UPDATE or (self.joined and self.joined.repeats(update)):
            if self.wants_acks and self.joined:
                self.send(ack_message(self.joined.head, self._durable))
        elif self.may_write or not update.startswith(NO_STRUCTS):
            # Deletions that a reader repeats are no attempt to write.
            self._edit(update, counted=False)

    def _edit(self, update: bytes, *, counted: bool = True) -> None:
        if not update:
            raise Malformed("empty update")
        if not self.may_write:
            self.deny("read-only: your role does not allow writing here")
            return
        if len(update) > self._live.update_bytes_max:
            self.close(TOO_BIG, "update too large")
            return
        entry_bytes = self._live.edit(self, update, counted=counted)
        self._unacked_bytes += entry_bytes
        if self._unacked_bytes > UNACKED_BYTES_MAX:
            self._pause()

    def _join(self, vector: bytes) -> None:
        task = asyncio.create_task(self._live.join(self, vector))
        self._joins.add(task)
        task.add_done_callback(self._joins.discard)
        if len(self._joins) > 4:
            raise Malformed("too many sync requests at once")

    def show_presence(self) -> None:
        """Send everyone's state."""
        if body := self._room().presence.everyone():
            self.send(awareness_message(body))

    def _room(self) -> Room:
        assert self.room is not None
        return self.room

    # -- flow control

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


def _scene_id(path: str) -> UUID | None:
    prefix, _, name = path.rpartition("/")
    try:
        return UUID(name) if prefix == "/collab" else None
    except ValueError:
        return None


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
