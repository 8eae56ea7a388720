"""Live editing of one gateway in the test's own process: real sockets and rooms, a bus and clients
that do what the test says."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from multidict import CIMultiDict
from picows import WSFrame, WSMsgType, WSTransport, WSUpgradeRequest

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Role
from libs.contracts.ids import new_id
from services.gateway.access.authority import Authority
from services.gateway.access.limits import Limits
from services.gateway.access.permissions import Access
from services.gateway.accounts.identity.model import Identity
from services.gateway.live.gateway import LiveGateway
from services.gateway.live.socket import Socket
from services.gateway.settings import Settings
from tests.support.fake_bus import FakeBus
from tests.support.virtual_time import VirtualLoop

PROJECT = new_id()


class KnownUsers:
    """An authority that knows every token as a user, and lets them do what the test says."""

    def __init__(self) -> None:
        self.role = Role.WRITER
        self.forbidden = False
        self.users: dict[str, Identity] = {}
        self._may_answer = asyncio.Event()
        self._may_answer.set()

    def hold(self) -> None:
        """Answer no question until `release`."""
        self._may_answer.clear()

    def release(self) -> None:
        """Answer again."""
        self._may_answer.set()

    async def identify(self, token: str) -> Identity:
        await self._may_answer.wait()
        if token not in self.users:
            self.users[token] = Identity(new_id(), token, f"{token}@example.org")
        return self.users[token]

    async def access(self, identity: Identity, kind: str, thing_id: UUID) -> Access:
        del identity, kind, thing_id
        if self.forbidden:
            raise errors.NotFound
        return Access(PROJECT, self.role)

    def doubt(self) -> None:
        """Nothing is cached here."""


@dataclass
class _SomeSettings:
    sockets_per_person_max: int = 1_000
    trusted_networks: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()


@dataclass
class _Frame:
    """A whole message in one frame."""

    msg_type: WSMsgType
    payload: bytes
    fin: bool = True

    def get_payload_as_bytes(self) -> bytes:
        return self.payload


@dataclass
class Client:
    """The far end of a socket: it reads when the test says so, and stands for picows' transport."""

    on_message: Callable[[bytes], None] = lambda _: None
    buffered: int = 0
    """Bytes that it has not read."""
    reading: bool = True
    """Whether the gateway reads from it."""
    closed: tuple[int, str] | None = None
    is_disconnected: bool = False
    received: list[bytes] = field(default_factory=list[bytes])
    socket: Socket | None = None

    def write(self, message: bytes) -> None:
        """Send a message to the gateway, as long as the socket is open."""
        assert self.socket
        if not self.is_disconnected:
            frame = _Frame(type(self.socket).message_type, message)
            self.socket.on_ws_frame(cast("WSTransport", self), cast("WSFrame", frame))

    def leave(self) -> None:
        """End the connection."""
        if not self.is_disconnected:
            self.is_disconnected = True
            assert self.socket
            self.socket.on_ws_disconnected(cast("WSTransport", self))

    # -- called by the socket

    @property
    def underlying_transport(self) -> "Client":
        return self

    def send(self, kind: WSMsgType, message: bytes) -> None:
        assert not self.is_disconnected
        assert self.closed is None, "a message after the close"
        assert self.socket
        assert kind is type(self.socket).message_type
        self.received.append(message)
        self.on_message(message)

    def send_close(self, code: int, reason: bytes) -> None:
        assert self.closed is None, "closed twice"
        self.closed = (int(code), reason.decode())

    def disconnect(self, graceful: bool = True) -> None:
        del graceful
        self.leave()

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True


class OneGateway:
    """A gateway on a bus and in a time of the test's own."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.bus = FakeBus()
        self.users = KnownUsers()
        self.gateway = self.loop.run(self._start())

    async def _start(self) -> LiveGateway:
        gateway = LiveGateway(
            client=self.bus.client,
            caller=cast("Caller", None),
            authority=cast("Authority", self.users),
            limits=cast("Limits", None),
            settings=cast("Settings", _SomeSettings()),
        )
        await gateway.start()
        return gateway

    def connect(self, path: str, client: Client, **query: Any) -> Client:
        """Open a socket for *client*."""
        request = WSUpgradeRequest()
        request.path = f"{path}?{urlencode(query)}".encode()
        request.headers = CIMultiDict()
        self.loop.run(self._accept(request, client))
        return client

    async def _accept(self, request: WSUpgradeRequest, client: Client) -> None:
        client.socket = cast("Socket", self.gateway.accept(request, "192.0.2.1").listener)
        client.socket.on_ws_connected(cast("WSTransport", client))

    def write(self, client: Client, message: bytes) -> None:
        """Let *client* send a message."""
        self.loop.run(self._write(client, message))

    async def _write(self, client: Client, message: bytes) -> None:
        client.write(message)
