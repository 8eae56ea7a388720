"""The sockets of the load: clients that type, watch or merely receive, and fresh joiners."""

import asyncio
import time
from collections.abc import Mapping

from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,  # pyright: ignore[reportUnknownVariableType] (its **kwargs carry no type)
)
from pycrdt import Doc, Text

from tests.bench.wire import Dialect, insertion, news, state_vector

HANDSHAKE_TIMEOUT_S = 60.0
FRAME_BYTES_MAX = 64 << 20
_BINARY = WSMsgType.BINARY


class Watch:
    """What one observing client has seen, and how long each edit took to reach it."""

    def __init__(self, authors: Mapping[int, "Client"]) -> None:
        self.authors = authors
        self.seen: dict[int, int] = {}
        self.latencies_s: list[float] = []

    def see(self, update: bytes, now: float) -> None:
        """Note every edit of *update* not seen before."""
        for author, end in news(update):
            writer = self.authors.get(author)
            start = self.seen.get(author, 0)
            if writer is None or end <= start:
                continue
            self.seen[author] = end
            base = writer.timed_from
            if end > base:
                sent = writer.sent_at[max(start, base) - base : end - base]
                self.latencies_s += [now - at for at in sent]


class Client(WSListener):
    """One socket in one room; only a watching client decodes what it receives."""

    def __init__(self, author: int, dialect: Dialect) -> None:
        self.author = author
        self.dialect = dialect
        self.watch: Watch | None = None
        self.kept: list[bytes] | None = None  # updates received and sent, in order, for the proof
        self.transport: WSTransport | None = None
        self.closed = False
        self.clock = 0
        self.timed_from = 0  # the clock of sent_at[0]
        self.sent_at: list[float] = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Introduce the client and ask for the room's state."""
        self.transport = transport
        for frame in self.dialect.hello:
            transport.send(_BINARY, frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Remember the loss; a run that lost a socket proves nothing."""
        del transport
        self.closed = True

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Time and decode the frame if this client watches or keeps, else drop it."""
        if frame.msg_type != _BINARY:
            if frame.msg_type == WSMsgType.CLOSE:
                transport.send_close(WSCloseCode.OK)
                transport.disconnect()
            return
        if self.watch is None and self.kept is None:
            return
        now = time.perf_counter()
        update = self.dialect.changes(frame.get_payload_as_bytes())
        if update is None:
            return
        if self.kept is not None:
            self.kept.append(update)
        if self.watch is not None:
            self.watch.see(update, now)

    def type_one(self) -> None:
        """Append one character behind this client's last one, and note when."""
        after = self.clock - 1 if self.clock else None
        update = insertion(self.author, self.clock, b"x", after=after)
        self.clock += 1
        self.sent_at.append(time.perf_counter())
        self.send(update)

    def write(self, update: bytes, size: int) -> None:
        """Send a prepared update of *size* characters, untimed."""
        self.clock += size
        self.timed_from = self.clock
        self.sent_at.clear()
        self.send(update)

    def send(self, update: bytes) -> None:
        """Send *update*, unless the socket is gone."""
        if self.kept is not None:
            self.kept.append(update)
        if self.transport is not None and not self.closed:
            self.transport.send(_BINARY, self.dialect.update(update))

    def forget_times(self) -> None:
        """Start a new measurement: edits sent so far count no more."""
        self.timed_from = self.clock
        self.sent_at.clear()

    def beat(self) -> None:
        """Keep an otherwise silent socket open, where the dialect needs that."""
        if self.dialect.heartbeat and self.transport is not None and not self.closed:
            self.transport.send(_BINARY, self.dialect.heartbeat)


class Joiner(WSListener):
    """A fresh client that joins once and notes when its text became complete."""

    def __init__(self, dialect: Dialect, *, enough_bytes: int | None = None) -> None:
        self.dialect = dialect
        self.enough_bytes = enough_bytes
        self.enough_at: float | None = None
        self.received_bytes = 0
        self.updates: list[tuple[float, bytes]] = []
        self.doc: Doc[Text] = Doc()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Introduce the joiner and ask for the room's state."""
        for frame in self.dialect.hello:
            transport.send(_BINARY, frame)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Keep the update and its arrival; with *enough_bytes*, count instead of keeping."""
        del transport
        if frame.msg_type != _BINARY:
            return
        if self.enough_bytes is not None:
            self.received_bytes += frame.payload_size
            if self.enough_at is None and self.received_bytes >= self.enough_bytes:
                self.enough_at = time.perf_counter()
            return
        now = time.perf_counter()
        update = self.dialect.changes(frame.get_payload_as_bytes())
        if update is not None:
            self.updates.append((now, update))

    async def complete(self, expected: Mapping[int, int], timeout_s: float) -> float | None:
        """Return the time (perf_counter) when all *expected* clocks had arrived, None if never."""
        deadline = time.perf_counter() + timeout_s
        while time.perf_counter() < deadline:
            arrived = self._apply_until(expected)
            if arrived is not None:
                return arrived
            await asyncio.sleep(0.005)
        return None

    def _apply_until(self, expected: Mapping[int, int]) -> float | None:
        while self.updates:
            arrived, update = self.updates.pop(0)
            self.doc.apply_update(update)
            clocks = clocks_of(self.doc)
            if all(clocks.get(author, 0) >= clock for author, clock in expected.items()):
                return arrived
        return None


async def connect(listener: WSListener, url: str) -> WSTransport:
    """Open one socket; frames go to *listener*."""
    transport, _ = await ws_connect(
        lambda: listener,
        url,
        websocket_handshake_timeout=HANDSHAKE_TIMEOUT_S,
        max_frame_size=FRAME_BYTES_MAX,
    )
    return transport


def rebuild(updates: list[bytes]) -> Doc[Text]:
    """The document of a client that received (or wrote) *updates* in this order."""
    doc: Doc[Text] = Doc()
    for start in range(0, len(updates), 1000):
        with doc.transaction():
            for update in updates[start : start + 1000]:
                doc.apply_update(update)
    return doc


def clocks_of(doc: Doc[Text]) -> dict[int, int]:
    """The state vector of *doc*: author -> clock."""
    return state_vector(doc.get_state())


def text_of(doc: Doc[Text]) -> str:
    """The scene's text."""
    return str(doc.get("content", type=Text))
