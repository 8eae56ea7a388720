"""Live editing at the edge: the sockets of this gateway, `/collab` and `/ws`."""

import asyncio
import secrets
from collections.abc import Collection, Coroutine, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from nats.aio.client import Client
from picows import WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener

from libs import errors
from libs.bus import Caller
from libs.contracts.collab import frames
from services.gateway.access.authority import Authority
from services.gateway.access.limits import Limits, caller_of, client_address
from services.gateway.accounts.identity.model import Identity
from services.gateway.live.authorizer import Authorizer
from services.gateway.live.json_socket import JsonSocket
from services.gateway.live.room_registry import HEAD_POLL_S, RoomRegistry
from services.gateway.live.scene_session import SceneSession
from services.gateway.live.socket import RESTARTING, TOKEN_ENDED, Socket, subprotocols
from services.gateway.live.socket_limits import FULL_RETRY_S, SocketLimits
from services.gateway.live.yjs_socket import YjsSession, YjsSocket
from services.gateway.settings import Settings

__all__ = ["HEAD_POLL_S", "LiveGateway"]

log = structlog.get_logger(__name__)

RECHECK_S = 30.0
"""Open sockets are authorised again this often, should a membership event have been missed."""
RENEW_S = 5.0
DRAIN_EDITS_WAIT_S = 5.0
DRAIN_LEAVE_WAIT_S = 1.0
CONNECTIONS_MAX = 20_000


class LiveGateway:
    """The collaboration sockets of one gateway process."""

    def __init__(
        self,
        *,
        client: Client,
        caller: Caller,
        authority: Authority,
        limits: Limits,
        settings: Settings,
        replica: str,
    ) -> None:
        """Wire the parts; call `start` inside the running loop before accepting."""
        del replica
        self._settings = settings
        self._places = SocketLimits(limits, per_person_max=settings.sockets_per_person_max)
        self.update_bytes_max = frames.UPDATE_BYTES_MAX
        # Names this process's life, not its replica: a restart must not be taken for its past.
        self._rooms = RoomRegistry(client, gateway=secrets.randbits(31) + 1)
        self._admission = Authorizer(authority, caller, self._rooms.room)
        self._sockets: set[Socket] = set()
        self._next_tag = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False
        self._left = asyncio.Event()
        """Nobody is connected any more."""

    async def start(self) -> None:
        """Listen to collab and begin to look after what is under way."""
        await self._rooms.start()
        rooms = self._rooms
        loops = (rooms.uplinks.tick(), rooms.poll_heads(), rooms.sweep())
        for loop in (*loops, self._recheck(), self._renew()):
            self.spawn(loop)

    async def drain(self) -> None:
        """Refuse new sockets, let edits become durable, send clients elsewhere with 1012."""
        self._draining = True
        await self._rooms.uplinks.drained(DRAIN_EDITS_WAIT_S)
        for socket in list(self._sockets):
            socket.close(RESTARTING, "restarting, please reconnect")
        if self._sockets:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_LEAVE_WAIT_S):
                    await self._left.wait()
        # What came in while the close frames went out.
        await self._rooms.uplinks.drained(DRAIN_EDITS_WAIT_S)
        for task in self._tasks:
            task.cancel()

    def accept(self, request: WSUpgradeRequest, peer: str) -> Any:
        """Decide about an upgrade that *peer* asks for: a listener, or an HTTP refusal."""
        path = request.path.partition(b"?")[0]
        if path != b"/ws" and not path.startswith(b"/collab/"):
            return _refuse(404, b"no such socket")
        if self._draining or len(self._sockets) >= CONNECTIONS_MAX:
            return _refuse(503, b"try another gateway")
        if not self._origin_allowed(request):
            return _refuse(403, b"origin not allowed")
        caller = caller_of(None, self._address(request, peer))
        kind = JsonSocket if path == b"/ws" else YjsSocket
        socket = kind(self, request, caller)
        if not self._places.has_room(socket):
            later = {"Retry-After": str(FULL_RETRY_S)}
            return _refuse(429, b"too many sockets that have not said whose they are", later)
        chosen = [name for name in subprotocols(request) if not name.startswith("bearer.")]
        headers = {"Sec-WebSocket-Protocol": chosen[0]} if chosen else {}
        response = WSUpgradeResponse.create_101_response(headers)
        return WSUpgradeResponseWithListener(response, socket)

    def _address(self, request: WSUpgradeRequest, peer: str) -> str:
        trusted = self._settings.trusted_networks
        if not trusted:
            return peer
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
        return client_address(peer, [hop for hop in forwarded.split(",") if hop.strip()], trusted)

    def _origin_allowed(self, request: WSUpgradeRequest) -> bool:
        # Tokens, not cookies, authenticate, so this only keeps strange pages from trying.
        origin = request.headers.get("Origin")
        allowed = self._settings.allowed_origins
        if origin is None or not allowed or "*" in allowed or origin in allowed:
            return True
        return origin.partition("//")[2] == request.headers.get("Host")

    # -- what the authority's events say

    def membership_changed(self, project_id: UUID, user_id: UUID) -> None:
        """Authorise this person's sockets again, now."""
        for member in self._in_project(project_id):
            if member.identity and member.identity.user_id == user_id:
                self.spawn(self._admission.look_again(member))

    def person_changed(self, user_id: UUID) -> None:
        """Authorise this person's sockets again, in whatever project."""
        for member in self._admission.members.values():
            if member.identity and member.identity.user_id == user_id:
                self.spawn(self._admission.look_again(member))

    def look_at_everybody(self) -> None:
        """Authorise all sockets again."""
        for member in self._admission.members.values():
            self.spawn(self._admission.look_again(member))

    def identities(self) -> Iterable[Identity]:
        """Return whose sockets are open, once for each."""
        return (socket.identity for socket in self._sockets if socket.identity)

    def end_where(self, ended: Collection[UUID], now: datetime) -> None:
        """Close the sockets that came by what has ended, or whose token has expired by *now*."""
        for socket in list(self._sockets):
            if socket.identity and socket.identity.is_over(ended, now):
                socket.close(*TOKEN_ENDED)

    def scene_changed(self, project_id: UUID, scene_id: UUID | None) -> None:
        """A scene (or what is above it) was deleted, or its schema raised: look at who is in it."""
        for member in self._in_project(project_id):
            if scene_id in (None, member.scene_id):
                self.spawn(self._admission.look_again(member))

    def _in_project(self, project_id: UUID) -> list[SceneSession]:
        """Return who is in a project, and who is still being let in: that may be there, too."""
        members = self._admission.members.values()
        return [member for member in members if member.project_id in (None, project_id)]

    # -- what sockets call

    def connected(self, socket: Socket) -> None:
        """A socket is open."""
        self._sockets.add(socket)
        self._places.opened(socket)
        self._left.clear()

    def disconnected(self, socket: Socket) -> None:
        """A socket is gone."""
        self._sockets.discard(socket)
        self._places.closed(socket)
        if not self._sockets:
            self._left.set()

    def next_tag(self) -> int:
        """Return a name for a member."""
        self._next_tag = self._next_tag % 0xFFFF_FFFF + 1
        return self._next_tag

    def recognise(self, socket: Socket, identity: Identity) -> None:
        """Note whose socket it is.

        Raises:
            RateLimited: They have as many as one person may.
        """
        if socket in self._sockets:
            self._places.recognise(socket, identity.user_id)

    def admit(self, socket: Socket, guest: YjsSession) -> None:
        """Find out who this is, and let them in or not; tells the guest what came of it."""
        self.spawn(self._admit(socket, guest))

    async def _admit(self, socket: Socket, guest: YjsSession) -> None:
        try:
            identity = await self.identify(socket, socket.token)
            if not guest.gone:
                socket.recognise(identity)
                await self._admission.enter(guest, identity)
        except errors.AppError as error:
            guest.failed(error)

    async def identify(self, socket: Socket, token: str) -> Identity:
        """Return whom *token* stands for, told by *socket*.

        Raises:
            RateLimited: It is not valid, and neither were too many others from that address.
            Unauthenticated, Unavailable: As for `Authorizer.identify`.
        """
        try:
            return await self._admission.identify(token)
        except errors.Unauthenticated:
            await self._places.guessed(socket.caller)
            raise

    async def require_place(
        self, identity: Identity, project_id: UUID | None, scene_id: UUID | None
    ) -> None:
        """Return when these are there for *identity*; raises as `Authorizer.require_place`."""
        await self._admission.require_place(identity, project_id, scene_id)

    async def enter(self, member: SceneSession, identity: Identity) -> None:
        """Let *member* into their scene; raises as `Authorizer.enter`."""
        await self._admission.enter(member, identity)

    def leave(self, member: SceneSession) -> None:
        """They have left their scene."""
        self._admission.leave(member)

    async def join(self, member: SceneSession, vector: bytes) -> None:
        """Bring *member* up to date from *vector*, or send them away with the reason."""
        await self._rooms.join(member, vector)

    def edit(self, member: SceneSession, update: bytes) -> int:
        """Take one edit; returns the bytes it weighs until it is acknowledged."""
        return self._rooms.edit(member, update)

    # -- what goes on by itself

    async def reconnected(self) -> None:
        """The bus was away: look at once for what was missed."""
        await self._rooms.look_at_heads()
        self._admission.doubt()
        self.look_at_everybody()

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_S)
            for at, member in enumerate(list(self._admission.members.values())):
                await self._admission.look_again(member)
                if at % 100 == 99:
                    await asyncio.sleep(0.05)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            for member in list(self._admission.members.values()):
                member.renew()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something in the background; a failure is logged."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("live task failed", reason=repr(error)[:500], exc_info=error)


def _refuse(
    status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> WSUpgradeResponseWithListener:
    response = WSUpgradeResponse.create_error_response(status, body, headers)
    return WSUpgradeResponseWithListener(response, None)
