"""Live editing in one gateway process: the sockets of `/collab` and `/ws`."""

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
from libs.process.goodbyes import Goodbyes
from libs.tasks import PeriodicTask, TaskRunner, progressed
from services.gateway.access.authority import Authority
from services.gateway.access.limits import Limits, caller_of, client_address
from services.gateway.accounts.identity.model import Identity
from services.gateway.live.authorizer import Authorizer
from services.gateway.live.json_socket import JsonSocket
from services.gateway.live.review import ReviewListener
from services.gateway.live.room_registry import RoomRegistry
from services.gateway.live.scene_session import SceneSession
from services.gateway.live.socket import (
    RESTARTING,
    TOKEN_ENDED,
    Socket,
    offered_subprotocols,
)
from services.gateway.live.socket_limits import FULL_RETRY_S, SocketLimits
from services.gateway.live.yjs_socket import YjsSocket
from services.gateway.settings import Settings

log = structlog.get_logger(__name__)

RECHECK_S = 30.0
"""Every session is authorized again this often, in case a membership event was missed."""
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
    ) -> None:
        """Connect the parts; call `start` before the first socket is accepted."""
        self._client = client
        self._settings = settings
        self._authority = authority
        self._limits = SocketLimits(limits, per_user_max=settings.sockets_per_person_max)
        # Names this run of the process: collab must not take a restarted gateway for the old one.
        self.rooms = RoomRegistry(client, gateway=secrets.randbits(31) + 1)
        self.authorizer = Authorizer(authority, caller, self.rooms.room_of)
        self._sockets: set[Socket] = set()
        self._next_tag = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner = TaskRunner()
        self._draining = False
        self._all_closed = asyncio.Event()

    async def start(self) -> None:
        """Subscribe to collab, and start the background tasks."""
        await self.rooms.start()
        await ReviewListener(self.rooms).listen(self._client)
        self._runner.start(
            *self.rooms.tasks(),
            PeriodicTask(
                "reauthorize_sessions",
                self._reauthorize_sessions,
                interval_s=RECHECK_S,
                first_after_s=RECHECK_S,
            ),
            PeriodicTask("refresh_presence", self._refresh_presence, interval_s=RENEW_S),
        )

    async def drain(self, goodbyes: Goodbyes) -> None:
        """Refuse new sockets, wait until edits are durable, close sockets with 1012 one by one."""
        self._draining = True
        await self.rooms.batcher.drained(DRAIN_EDITS_WAIT_S)
        await goodbyes.say(
            self._sockets, lambda socket: socket.close(RESTARTING, "restarting, please reconnect")
        )
        if self._sockets:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_LEAVE_WAIT_S):
                    await self._all_closed.wait()
        # Edits that arrived while the close frames were sent.
        await self.rooms.batcher.drained(DRAIN_EDITS_WAIT_S)
        await self._runner.stop()
        for task in self._tasks:
            task.cancel()

    # -- new sockets

    def accept(self, request: WSUpgradeRequest, peer: str) -> Any:
        """Answer an upgrade request of *peer* with a socket, or with an HTTP error."""
        path = request.path.partition(b"?")[0]
        if path != b"/ws" and not path.startswith(b"/collab/"):
            return _refuse_upgrade(404, b"no such socket")
        if self._draining or len(self._sockets) >= CONNECTIONS_MAX:
            return _refuse_upgrade(503, b"try another gateway")
        if not self._is_origin_allowed(request):
            return _refuse_upgrade(403, b"origin not allowed")
        address_key = caller_of(None, self._client_address(request, peer))
        socket_class = JsonSocket if path == b"/ws" else YjsSocket
        socket = socket_class(self, request, address_key)
        if not self._limits.may_open(socket):
            headers = {"Retry-After": str(FULL_RETRY_S)}
            return _refuse_upgrade(
                429, b"too many unauthenticated sockets of this address", headers
            )
        names = [name for name in offered_subprotocols(request) if not name.startswith("bearer.")]
        headers = {"Sec-WebSocket-Protocol": names[0]} if names else {}
        response = WSUpgradeResponse.create_101_response(headers)
        return WSUpgradeResponseWithListener(response, socket)

    def _client_address(self, request: WSUpgradeRequest, peer: str) -> str:
        trusted = self._settings.trusted_networks
        if not trusted:
            return peer
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
        return client_address(peer, [hop for hop in forwarded.split(",") if hop.strip()], trusted)

    def _is_origin_allowed(self, request: WSUpgradeRequest) -> bool:
        # Tokens authenticate, not cookies, so this only stops foreign pages from trying.
        origin = request.headers.get("Origin")
        allowed = self._settings.allowed_origins
        if origin is None or not allowed or "*" in allowed or origin in allowed:
            return True
        return origin.partition("//")[2] == request.headers.get("Host")

    # -- changes of rights

    def membership_changed(self, project_id: UUID, user_id: UUID) -> None:
        """Authorize the sessions of a user in one project again."""
        for session in self._sessions_in(project_id):
            if session.identity and session.identity.user_id == user_id:
                self.spawn(self.authorizer.reauthorize(session))

    def person_changed(self, user_id: UUID) -> None:
        """Authorize the sessions of a user in all projects again."""
        for session in self.authorizer.sessions.values():
            if session.identity and session.identity.user_id == user_id:
                self.spawn(self.authorizer.reauthorize(session))

    def scene_changed(self, project_id: UUID, scene_id: UUID | None) -> None:
        """Authorize the sessions of a scene again; None stands for all scenes of the project.

        The scene or one of its parents was deleted, or the schema of its editor was raised.
        """
        for session in self._sessions_in(project_id):
            if scene_id in (None, session.scene_id):
                self.spawn(self.authorizer.reauthorize(session))

    def reauthorize_all(self) -> None:
        """Authorize all sessions again."""
        for session in self.authorizer.sessions.values():
            self.spawn(self.authorizer.reauthorize(session))

    def identities(self) -> Iterable[Identity]:
        """Return the identity of each authenticated socket."""
        return (socket.identity for socket in self._sockets if socket.identity)

    def close_ended(self, ended: Collection[UUID], now: datetime) -> None:
        """Close the sockets whose login has *ended*, or whose token has expired by *now*."""
        for socket in list(self._sockets):
            if socket.identity and socket.identity.is_over(ended, now):
                socket.close(*TOKEN_ENDED)

    def _sessions_in(self, project_id: UUID) -> list[SceneSession]:
        """Return the sessions of a project, and those whose project is not known yet."""
        sessions = self.authorizer.sessions.values()
        return [session for session in sessions if session.project_id in (None, project_id)]

    # -- called by sockets

    def socket_opened(self, socket: Socket) -> None:
        """Count an open socket."""
        self._sockets.add(socket)
        self._limits.count_opened(socket)
        self._all_closed.clear()

    def socket_closed(self, socket: Socket) -> None:
        """Forget a closed socket."""
        self._sockets.discard(socket)
        self._limits.count_closed(socket)
        if not self._sockets:
            self._all_closed.set()

    def next_tag(self) -> int:
        """Return a tag for a new session."""
        self._next_tag = self._next_tag % 0xFFFF_FFFF + 1
        return self._next_tag

    def register_identity(self, socket: Socket, identity: Identity) -> None:
        """Count a socket for the user that it authenticated as.

        Raises:
            RateLimited: The user has as many sockets as one user may.
        """
        if socket in self._sockets:
            self._limits.count_authenticated(socket, identity.user_id)

    async def identify_client(self, socket: Socket, token: str) -> Identity:
        """Return the identity that *token* of *socket* stands for.

        Raises:
            RateLimited: The token is not valid, and its address has sent too many such tokens.
            Unauthenticated, Unavailable: As for `Authorizer.identify_token`.
        """
        try:
            return await self.authorizer.identify_token(token)
        except errors.Unauthenticated:
            await self._limits.count_bad_token(socket.address_key)
            raise

    # -- background loops

    async def reconnected(self) -> None:
        """Look for commits and changes of rights that were missed while the bus was away."""
        await self.rooms.check_all_heads()
        self._authority.doubt()
        self.reauthorize_all()

    async def _reauthorize_sessions(self) -> None:
        for at, session in enumerate(list(self.authorizer.sessions.values())):
            await self.authorizer.reauthorize(session)
            if at % 100 == 99:
                progressed()
                await asyncio.sleep(0.05)

    async def _refresh_presence(self) -> None:
        for session in list(self.authorizer.sessions.values()):
            session.refresh_presence()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run *coroutine* in the background; a failure is logged."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("live task failed", reason=repr(error)[:500], exc_info=error)


def _refuse_upgrade(
    status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> WSUpgradeResponseWithListener:
    response = WSUpgradeResponse.create_error_response(status, body, headers)
    return WSUpgradeResponseWithListener(response, None)
