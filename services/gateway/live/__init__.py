"""Live editing at the edge: the collaboration sockets of this gateway."""

import asyncio
import secrets
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any
from uuid import UUID

import nats.errors
import structlog
from nats.aio.client import Client
from picows import WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener

from libs import errors
from libs.bus import Caller
from libs.contracts import frames
from libs.contracts.yprotocol import Malformed
from services.gateway.authority import Authority
from services.gateway.live import connection as codes
from services.gateway.live.asks import Asks, Refused
from services.gateway.live.connection import Connection, subprotocols
from services.gateway.live.room import Room
from services.gateway.live.routing import Replicas
from services.gateway.live.uplink import Uplinks
from services.gateway.permissions import Access, Action, require
from services.gateway.settings import Settings

log = structlog.get_logger(__name__)

HEAD_POLL_S = 2.0
"""How long a commit that nobody announced stays unseen at most."""
HEADS_PER_QUESTION = 1_000
RECHECK_S = 30.0
"""Open sockets are authorised again this often, should a membership event have been missed."""
SWEEP_S = 5.0
ROOM_LINGER_S = 10.0
JOIN_ATTEMPTS_MAX = 5
LARGE_ANSWER_BYTES = 64 * 1024
LARGE_BYTES_PER_S = 150e6
ADMISSIONS_AT_ONCE = 16
"""Newcomers being authorised at the same time; the others wait in line."""
DRAIN_EDITS_WAIT_S = 5.0
DRAIN_LEAVE_WAIT_S = 1.0
CONNECTIONS_MAX = 20_000


class Live:
    """The collaboration sockets of one gateway process."""

    def __init__(
        self,
        *,
        client: Client,
        caller: Caller,
        authority: Authority,
        settings: Settings,
        replica: str,
    ) -> None:
        """Wire the parts; call `start` inside the running loop before accepting."""
        del caller
        self._client = client
        self._authority = authority
        self._settings = settings
        self._replica = replica
        self.update_bytes_max = frames.UPDATE_BYTES_MAX
        # Names this process's life, not its replica: a restart must not be taken for its past.
        self._gateway = secrets.randbits(31) + 1
        name = f"{self._gateway:08x}"
        self._replicas = Replicas()
        self._asks = Asks(client, name)
        self._uplinks = Uplinks(client, self._replicas, name)
        self._rooms: dict[bytes, Room] = {}
        self._connections: dict[int, Connection] = {}
        self._next_tag = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._large = asyncio.Lock()
        self._admissions = asyncio.Semaphore(ADMISSIONS_AT_ONCE)
        self._draining = False
        self._left = asyncio.Event()
        """Nobody is connected any more."""

    async def start(self) -> None:
        """Listen to collab and begin to look after what is under way."""
        await self._asks.start()
        await self._uplinks.start()
        for loop in (self._uplinks.tick(), self._poll_heads(), self._recheck(), self._sweep()):
            self._spawn(loop)

    async def drain(self) -> None:
        """Refuse new sockets, let edits become durable, send clients elsewhere with 1012."""
        self._draining = True
        await self._uplinks.drained(DRAIN_EDITS_WAIT_S)
        for connection in list(self._connections.values()):
            connection.close(codes.RESTARTING, "restarting, please reconnect")
        if self._connections:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_LEAVE_WAIT_S):
                    await self._left.wait()
        # What came in while the close frames went out.
        await self._uplinks.drained(DRAIN_EDITS_WAIT_S)
        for task in self._tasks:
            task.cancel()

    def accept(self, request: WSUpgradeRequest) -> Any:
        """Decide about an upgrade: a listener, or an HTTP refusal."""
        if not request.path.startswith(b"/collab/"):
            return _refuse(404, b"no such socket")
        if self._draining or len(self._connections) >= CONNECTIONS_MAX:
            return _refuse(503, b"try another gateway")
        if not self._origin_allowed(request):
            return _refuse(403, b"origin not allowed")
        self._next_tag = self._next_tag % 0xFFFF_FFFF + 1
        connection = Connection(self, request, self._next_tag)
        chosen = [name for name in subprotocols(request) if not name.startswith("bearer.")]
        headers = {"Sec-WebSocket-Protocol": chosen[0]} if chosen else {}
        response = WSUpgradeResponse.create_101_response(headers)
        return WSUpgradeResponseWithListener(response, connection)

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
        for connection in list(self._connections.values()):
            identity = connection.identity
            if identity and identity.user_id == user_id and connection.project_id == project_id:
                self._spawn(self._authorise_again(connection))

    def scene_gone(self, project_id: UUID, scene_id: UUID | None) -> None:
        """A scene (or something above it) was deleted: look again at who is in it."""
        for connection in list(self._connections.values()):
            if connection.project_id == project_id and scene_id in (None, connection.scene_id):
                self._spawn(self._authorise_again(connection))

    # -- the life of a connection

    def connected(self, connection: Connection) -> None:
        """A socket is open; find out who it is."""
        self._connections[connection.tag] = connection
        self._left.clear()
        self._spawn(self._admit(connection))

    def disconnected(self, connection: Connection) -> None:
        """A socket is gone."""
        self._connections.pop(connection.tag, None)
        if not self._connections:
            self._left.set()
        if room := connection.room:
            room.admitted -= 1
            room.connections.pop(connection.tag, None)
            room.presence.left(connection)

    async def _admit(self, connection: Connection) -> None:
        if connection.scene_id is None:
            connection.close(codes.NO_SUCH_SCENE, "no such scene")
            return
        async with self._admissions:
            if not connection.closing:
                await self._authorise(connection, connection.scene_id)

    async def _authorise(self, connection: Connection, scene_id: UUID) -> None:
        try:
            identity = await self._authority.identify(connection.token)
            access = await self._authority.access(identity, "scene", scene_id)
        except errors.Unauthenticated:
            connection.close(codes.UNAUTHENTICATED, "not authenticated")
            return
        except errors.NotFound:
            connection.close(codes.NO_SUCH_SCENE, "no such scene")
            return
        except errors.Unavailable:
            connection.close(codes.TRY_AGAIN, "try again")
            return
        if not self._judge(connection, access):
            return
        room = self._room(scene_id.bytes)
        room.joining += 1
        try:
            await room.open()
            if not connection.closing:
                connection.admit(room, identity, access.project_id)
        except errors.Unavailable:
            connection.close(codes.TRY_AGAIN, "try again")
        finally:
            room.joining -= 1

    def _judge(self, connection: Connection, access: Access) -> bool:
        """Set what a connection may do; False when it may not be here, and was closed."""
        if access.deleted:
            connection.close(codes.NO_SUCH_SCENE, "no such scene")
        elif not _allows(access, "scene.read"):
            connection.close(codes.DENIED, "Access denied")
        else:
            connection.may_write = _allows(access, "scene.edit")
            return True
        return False

    async def _authorise_again(self, connection: Connection) -> None:
        identity, scene_id = connection.identity, connection.scene_id
        if connection.closing or identity is None or scene_id is None:
            return
        try:
            access = await self._authority.access(identity, "scene", scene_id)
        except errors.NotFound:
            connection.close(codes.DENIED, "Access denied")
        except errors.Unavailable:
            # Not knowing is not a "no": the next recheck asks again.
            log.warning("authority away, socket keeps its rights for now")
        else:
            self._judge(connection, access)

    def _room(self, scene: bytes) -> Room:
        room = self._rooms.get(scene)
        if room is None:
            room = self._rooms[scene] = Room(
                scene,
                client=self._client,
                asks=self._asks,
                gateway=self._gateway,
                on_out_of_step=self._out_of_step,
            )
        return room

    async def join(self, connection: Connection, vector: bytes) -> None:
        """Answer a client's sync step 1."""
        room = connection.room
        assert room is not None
        room.joining += 1
        try:
            for _ in range(JOIN_ATTEMPTS_MAX):
                joined = await room.join(vector, self._replicas.choose(room.scene))
                if len(joined.step2) > LARGE_ANSWER_BYTES:
                    # One at a time and at a bounded pace, so that a storm of newcomers leaves
                    # most of every millisecond to those who write.
                    async with self._large:
                        done = room.admit(connection, joined)
                        await asyncio.sleep(len(joined.step2) / LARGE_BYTES_PER_S)
                else:
                    done = room.admit(connection, joined)
                if done:
                    connection.show_presence()
                    return
            connection.close(codes.TRY_AGAIN, "try again")
        except (Refused, Malformed):
            connection.close(codes.INVALID, "malformed state vector")
        except errors.AppError:
            connection.close(codes.TRY_AGAIN, "try again")
        finally:
            room.joining -= 1

    def edit(self, connection: Connection, update: bytes, *, counted: bool) -> int:
        """Take one edit; returns the bytes it weighs until it is acknowledged."""
        room = connection.room
        assert room is not None
        return self._uplinks.submit(
            room.lane,
            connection,
            update,
            deliveries=len(room.connections),
            counted=counted,
        )

    def _out_of_step(self, room: Room, why: str) -> None:
        log.warning("clients must sync again", scene_id=str(room.id), reason=why)
        for connection in list(room.connections.values()):
            connection.close(codes.TRY_AGAIN, why)

    # -- what goes on by itself

    async def reconnected(self) -> None:
        """The bus was away: look at once for what was missed."""
        await self._look_at_heads(list(self._rooms.values()))
        for connection in list(self._connections.values()):
            self._spawn(self._authorise_again(connection))

    async def _poll_heads(self) -> None:
        while True:
            await asyncio.sleep(HEAD_POLL_S)
            # A room that heard a frame since cannot have missed an older one: gaps show.
            quiet = asyncio.get_running_loop().time() - HEAD_POLL_S
            rooms = [
                room for room in self._rooms.values() if room.connections and room.heard_at < quiet
            ]
            await self._look_at_heads(rooms)

    async def _look_at_heads(self, rooms: list[Room]) -> None:
        for start in range(0, len(rooms), HEADS_PER_QUESTION):
            some = rooms[start : start + HEADS_PER_QUESTION]
            try:
                heads = await self._asks.heads([room.scene for room in some])
            except (errors.Unavailable, nats.errors.Error):
                return
            for room, head in zip(some, heads, strict=True):
                room.head_seen(head)

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_S)
            connections = list(self._connections.values())
            for at, connection in enumerate(connections):
                await self._authorise_again(connection)
                if at % 100 == 99:
                    await asyncio.sleep(0.05)

    async def _sweep(self) -> None:
        """Forget silent presences and empty rooms."""
        while True:
            await asyncio.sleep(SWEEP_S)
            for room in list(self._rooms.values()):
                room.presence.sweep()
                if room.abandoned(ROOM_LINGER_S):
                    del self._rooms[room.scene]
                    await room.close()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("live task failed", reason=repr(error)[:500], exc_info=error)


def _allows(access: Access, action: Action) -> bool:
    try:
        require(access, action)
    except errors.Forbidden:
        return False
    return True


def _refuse(status: int, body: bytes) -> WSUpgradeResponseWithListener:
    response = WSUpgradeResponse.create_error_response(status, body)
    return WSUpgradeResponseWithListener(response, None)
