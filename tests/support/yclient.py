"""A y-websocket client that remembers: what it sent, what was acknowledged, what it saw and when.

It reconnects by itself as the JavaScript provider does (exponential backoff up to 2.5 s) and syncs
again from its own document. Each client writes under a Yjs client id of its own, so "the edits of
A that B has" is one number: A's clock in B's state vector, counted without gaps.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from pycrdt import Doc, Text, TransactionEvent
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidState

from libs.contracts.collab.yprotocol import (
    ACK,
    AUTH,
    AWARENESS,
    STEP1,
    STEP2,
    SYNC,
    UPDATE,
    awareness_message,
    read_bytes,
    read_varuint,
    sync_message,
)
from tests.support import waiting

BACKOFF_S_FIRST = 0.1
BACKOFF_S_MAX = 2.5
CONNECT_WAIT_S = 5.0
FRAME_BYTES_MAX = 64 << 20
GONE = (OSError, ConnectionClosed, InvalidHandshake, InvalidMessage, TimeoutError, EOFError)

type Address = Callable[[], str]
"""Where to connect next: asked anew for each attempt, as a load balancer is."""


def clocks_of(vector: bytes) -> dict[int, int]:
    """The clock of each Yjs client in a state vector."""
    count, at = read_varuint(vector, 0)
    clocks: dict[int, int] = {}
    for _ in range(count):
        client, at = read_varuint(vector, at)
        clocks[client], at = read_varuint(vector, at)
    return clocks


class YClient:
    """One editor: a document, a socket that comes back, and a memory."""

    def __init__(self, address: Address, name: str = "", *, client_id: int | None = None) -> None:
        self.name = name
        self.doc: Doc[Any] = Doc() if client_id is None else Doc(client_id=client_id)
        self.text = self.doc.get("content", type=Text)
        self.id = self.doc.client_id
        self.acked = 0
        """The own clock up to which the server said "durable"."""
        self.acked_seq = 0
        self.sent_at: dict[int, float] = {}
        """When the own edit that ends at a clock left."""
        self.seen_at: dict[int, list[tuple[int, float]]] = {}
        """For each other client: up to which clock its edits were here, and since when."""
        self.delivered_at: list[float] = []
        """When each frame with news arrived."""
        self.closes: list[tuple[int, str]] = []
        self.denials: list[str] = []
        self.awareness: list[bytes] = []
        self.synced = asyncio.Event()
        self.connections = 0
        self._address = address
        self._socket: ClientConnection | None = None
        self._answered_clock: int | None = None
        """Own clock when the server's step 1 was answered; None before, and while offline."""
        self._counted: list[int] = []
        """Own clock after each update message of this connection."""
        self._changes: list[bytes] = []
        self._applying = self._has_all = False
        self._task: asyncio.Task[None] | None = None
        self._subscription = self.doc.observe(self._changed)

    async def __aenter__(self) -> Self:
        self.start()
        await self.wait_synced()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def start(self) -> None:
        """Connect, and keep connected until `stop`."""
        self._task = asyncio.create_task(self._run(), name=f"client {self.name}")

    async def stop(self) -> None:
        """Leave for good; the document stays readable."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._task = None

    async def until(self, holds: Callable[[], bool], within_s: float = 30.0) -> None:
        """Wait until *holds*; raises TimeoutError."""
        await waiting.until(holds, within_s)

    async def until_reads(self, text: str, within_s: float = 30.0) -> None:
        """Wait until the text is *text*; raises TimeoutError."""
        await self.until(lambda: str(self.text) == text, within_s)

    async def wait_synced(self, within_s: float = 30.0) -> None:
        await waiting.until(self.synced.is_set, within_s)

    @property
    def connected(self) -> bool:
        return self._socket is not None

    @property
    def clock(self) -> int:
        """How much this client has written."""
        return self.clocks().get(self.id, 0)

    def clocks(self) -> dict[int, int]:
        """What this client has of everyone's edits."""
        return clocks_of(self.doc.get_state())

    def type(self, text: str = "x", at: int | None = None) -> None:
        """Write *text* at a UTF-8 offset, at the end when none is given."""
        self.text.insert(len(self.text) if at is None else at, text)
        self.publish()

    def publish(self) -> None:
        """Send what was changed in `doc` or `text` since the last call."""
        updates, self._changes = self._changes, []
        self.sent_at[self.clock] = time.monotonic()
        if self._answered_clock is None:
            return  # the answer to the server's step 1 will hold it
        for update in updates:
            self._counted.append(self.clock)
            self._write(sync_message(UPDATE, update))

    async def say(self, states: bytes) -> None:
        """Send an awareness update as it is."""
        await self.send(awareness_message(states))

    async def send(self, message: bytes | str) -> None:
        """Send a frame of any content, if connected."""
        if self._socket:
            with suppress(ConnectionClosed):
                await self._socket.send(message)

    def drop(self) -> None:
        """Lose the connection without a word, as a train in a tunnel does."""
        if self._socket:
            self._socket.transport.abort()

    # -- from the document

    def _changed(self, event: TransactionEvent) -> None:
        if not self._applying:
            self._changes.append(event.update)

    def _write(self, message: bytes) -> None:
        """Send without waiting: an editor does not wait for its provider either."""
        socket = self._socket
        if socket is None or socket.close_code is not None:
            return
        with suppress(OSError, InvalidState):
            socket.protocol.send_binary(message)
            socket.send_data()

    # -- from the socket

    async def _run(self) -> None:
        failures = 0
        while True:
            began = self.connections
            try:
                await self._connection()
            except GONE as error:
                if isinstance(error, ConnectionClosed) and error.rcvd:
                    self.closes.append((error.rcvd.code, error.rcvd.reason))
            finally:
                self._socket = self._answered_clock = None
                self.synced.clear()
            failures = 0 if self.connections > began else failures + 1
            await asyncio.sleep(min(BACKOFF_S_FIRST * 2**failures, BACKOFF_S_MAX))

    async def _connection(self) -> None:
        # No keepalive of its own: the server's pings decide, and a frozen server is waited for.
        async with connect(
            self._address(),
            compression=None,
            max_size=FRAME_BYTES_MAX,
            open_timeout=CONNECT_WAIT_S,
            close_timeout=0.2,
            ping_interval=None,
            max_queue=None,
        ) as socket:
            self.connections += 1
            self._counted, self._has_all = [], False
            self._socket = socket
            self._write(sync_message(STEP1, self.doc.get_state()))
            async for message in socket:
                if isinstance(message, bytes):
                    self._receive(message)

    def _receive(self, message: bytes) -> None:
        kind, at = read_varuint(message, 0)
        if kind == SYNC:
            step, at = read_varuint(message, at)
            body, _ = read_bytes(message, at)
            if step == STEP1:
                self._answer(body)
            else:
                self._apply(body)
            self._has_all |= step == STEP2
            if self._has_all and self._answered_clock is not None:
                self.synced.set()
        elif kind == ACK:
            self.acked_seq, at = read_varuint(message, at)
            received, at = read_varuint(message, at)
            answers, _ = read_varuint(message, at)
            typed = received - answers
            # Any acknowledgement covers the answer, which went before all counted messages.
            assert self._answered_clock is not None
            durable = self._counted[typed - 1] if typed else self._answered_clock
            self.acked = max(self.acked, durable)
        elif kind == AWARENESS:
            self.awareness.append(read_bytes(message, at)[0])
        elif kind == AUTH:
            _, at = read_varuint(message, at)
            self.denials.append(read_bytes(message, at)[0].decode())

    def _answer(self, vector: bytes) -> None:
        """Send what the server lacks, by its state vector."""
        self._answered_clock = self.clock
        self._write(sync_message(STEP2, self.doc.get_update(vector)))

    def _apply(self, update: bytes) -> None:
        before = self.doc.get_state()
        self._applying = True
        try:
            self.doc.apply_update(update)
        finally:
            self._applying = False
        after = self.doc.get_state()
        if after == before:
            return
        now = time.monotonic()
        self.delivered_at.append(now)
        known = clocks_of(before)
        for client, clock in clocks_of(after).items():
            if clock > known.get(client, 0):
                self.seen_at.setdefault(client, []).append((clock, now))
