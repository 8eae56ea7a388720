"""`/ws`: JSON messages for applications; several scenes on one socket.

What is wrong with a message is answered with an error and the socket goes on; only who does
nothing but that is closed.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol
from uuid import UUID

import structlog
from picows import WSMsgType, WSUpgradeRequest
from prometheus_client import Counter

from libs import errors
from libs.contracts.ids import new_id
from services.gateway.accounts.identity.model import Identity
from services.gateway.live.json_session import JsonSession
from services.gateway.live.messages import (
    MESSAGE_BYTES_MAX,
    MODELS,
    VECTOR_CHARS_MAX,
    EditorUpdate,
    Hello,
    JoinScene,
    LeaveScene,
    Message,
    PresenceUpdate,
    Unreadable,
    decode,
    event,
    failure,
    read,
)
from services.gateway.live.scene_session import Hall, SceneSession
from services.gateway.live.socket import (
    NOT_AUTHENTICATED,
    TOO_BIG,
    TOO_MANY_ERRORS,
    TRY_AGAIN,
    Socket,
    Sockets,
)

log = structlog.get_logger(__name__)

HELLO_BYTES_MAX = 64 * 1024
"""The longest message of a client that has not said who it is."""
SCENES_MAX = 32
"""Scenes that one socket may be in."""
ERRORS_MAX = 50
"""Errors in a row that a client may cause."""
ERRORS_FORGIVEN_PER_S = 2.0

ALWAYS = ("presence", "crdt", "schema")
ON_REQUEST = ("acks",)

_errors = Counter("scriptorium_ws_errors_total", "Error events on /ws, by code.", ["code"])
_messages = Counter("scriptorium_ws_messages_total", "Messages taken on /ws, by type.", ["type"])
_taken = {model: _messages.labels(kind) for kind, model in MODELS.items()}


class Lobby(Hall, Sockets, Protocol):
    """What the socket needs of the gateway: `services.gateway.live.Live`."""

    def next_tag(self) -> int:
        """Return a name for a member."""
        ...

    async def identify(self, socket: Socket, token: str) -> Identity:
        """Return whom *token* stands for, told by *socket*."""
        ...

    async def require_place(
        self, identity: Identity, project_id: UUID | None, scene_id: UUID | None
    ) -> None:
        """Return when these are there for *identity* and belong together."""
        ...

    async def enter(self, member: SceneSession, identity: Identity) -> None:
        """Let *member* into their scene."""
        ...

    def leave(self, member: SceneSession) -> None:
        """They have left their scene."""
        ...


class JsonSocket(Socket):
    """A client of any number of scenes."""

    speaks = WSMsgType.TEXT
    message_bytes_max = MESSAGE_BYTES_MAX

    def __init__(self, lobby: Lobby, request: WSUpgradeRequest, caller: str) -> None:
        """Believe nothing yet."""
        super().__init__(lobby, request, caller)
        self.session_id = new_id()
        self._lobby = lobby
        self._identity: Identity | None = None
        self._schema_version: int | None = None
        self._wants_acks = False
        self._home: UUID | None = None
        """The scene that the client named in its hello."""
        self._seats: dict[UUID, JsonSession] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._errors = 0.0
        self._errors_at = 0.0

    def begin(self) -> None:
        """Wait for the hello."""
        self._errors_at = asyncio.get_running_loop().time()

    def end(self) -> None:
        """The socket is gone."""
        for task in self._tasks:
            task.cancel()
        for seat in list(self._seats.values()):
            self._lobby.leave(seat)

    # -- errors

    def fail(
        self,
        error: errors.AppError,
        *,
        ref: str | int | None = None,
        scene_id: UUID | None = None,
        left: bool = False,
    ) -> None:
        """Send an error; who causes too many is closed.

        Not who types where they may only read: their editor may not know yet.
        """
        _errors.labels(error.code).inc()
        self.send(failure(error, ref=ref, scene_id=scene_id, left=left))
        if isinstance(error, errors.Forbidden | errors.SchemaOutdated) and not left:
            return
        now = asyncio.get_running_loop().time()
        forgiven = (now - self._errors_at) * ERRORS_FORGIVEN_PER_S
        self._errors, self._errors_at = max(0.0, self._errors - forgiven) + 1, now
        if self._errors > ERRORS_MAX:
            self.close(TOO_MANY_ERRORS, "too many errors")

    def seat_lost(self, seat: JsonSession, error: errors.AppError) -> None:
        """Somebody may not stay in a scene; the socket goes on without it."""
        self._drop(seat)
        self.fail(error, scene_id=seat.scene_id, left=True)

    def _drop(self, seat: JsonSession) -> None:
        if self._seats.get(seat.scene_id) is seat:
            del self._seats[seat.scene_id]
        self._lobby.leave(seat)

    # -- messages

    def handle_other_kind(self) -> None:
        """Refuse binary messages."""
        self.fail(errors.Invalid("Text messages only."))

    def handle(self, message: bytes) -> None:
        """Take one message."""
        if self._identity is None and len(message) > HELLO_BYTES_MAX:
            self.fail(errors.TooLarge("Say client.hello first.", limitBytes=HELLO_BYTES_MAX))
            self.close(TOO_BIG, "message too large")
            return
        try:
            said = read(message)
        except Unreadable as unreadable:
            self.fail(unreadable.error, ref=unreadable.ref)
            return
        _taken[type(said)].inc()
        try:
            self._take(said)
        except errors.AppError as error:
            self.fail(error, ref=said.ref, scene_id=getattr(said, "scene_id", None))

    def _take(self, said: Message) -> None:
        if isinstance(said, EditorUpdate):
            self._seat(said.scene_id).edit(said)
        elif isinstance(said, PresenceUpdate):
            self._say(said)
        elif isinstance(said, JoinScene):
            self._join(said)
        elif isinstance(said, LeaveScene):
            self._drop(self._seat(said.scene_id))
        elif isinstance(said, Hello):
            if self._identity:
                raise errors.Invalid("client.hello was said already.")
            self.hold()
            self._spawn(self._greet(said))
        else:
            raise errors.Invalid

    def _seat(self, scene_id: UUID) -> JsonSession:
        seat = self._seats.get(scene_id)
        if seat is None:
            raise errors.NotJoined
        return seat

    async def _greet(self, hello: Hello) -> None:
        """Find out who this is; what they say meanwhile waits."""
        try:
            self._identity = await self._identified(hello)
        except errors.AppError as error:
            self.fail(error, ref=hello.ref)
            if isinstance(error, errors.Unauthenticated):
                self.close(*NOT_AUTHENTICATED)
            elif isinstance(error, errors.RateLimited):
                self.close(TRY_AGAIN, "try again")
        else:
            self._schema_version = hello.schema_version
            self._home = hello.scene_id
            asked = [name for name in ON_REQUEST if name in hello.capabilities]
            self._wants_acks = "acks" in asked
            self.send(
                event(
                    "server.ready",
                    sessionId=str(self.session_id),
                    capabilities=[*ALWAYS, *asked],
                )
            )
        finally:
            self.release()

    async def _identified(self, hello: Hello) -> Identity:
        if hello.e2ee:
            # Going on would show the server what the client believes to be hidden.
            raise errors.NotOffered("End-to-end encryption is not offered here yet.")
        identity = await self._lobby.identify(self, hello.token or self.token)
        if identity.user_id != hello.user_id:
            raise errors.Forbidden("userId is not who the token stands for.")
        await self._lobby.require_place(identity, hello.project_id, hello.scene_id)
        self.recognise(identity)
        return identity

    def _join(self, said: JoinScene) -> None:
        identity = self._identity
        if identity is None:
            raise errors.Unauthenticated("Say client.hello first.")
        if said.user and said.user.id != identity.user_id:
            raise errors.Forbidden("user.id is not who the token stands for.")
        vector = None
        if said.state_vector is not None:
            vector = decode(said.state_vector, "stateVector", bytes_max=VECTOR_CHARS_MAX)
        seat = self._seats.get(said.scene_id)
        if seat is None:
            self._spawn(self._enter(self._new_seat(said), identity, vector, said.ref))
        elif seat.room is None:
            raise errors.Conflict("Joining this scene is under way.")
        else:
            seat.ask(vector)

    def _new_seat(self, said: JoinScene) -> JsonSession:
        if len(self._seats) >= SCENES_MAX:
            raise errors.RateLimited("One socket may be in so many scenes.", limit=SCENES_MAX)
        declared = said.schema_version or self._schema_version
        tag = self._lobby.next_tag()
        seat = JsonSession(self._lobby, self, self, tag, said.scene_id, schema_version=declared)
        seat.wants_acks = self._wants_acks
        self._seats[said.scene_id] = seat
        return seat

    async def _enter(
        self, seat: JsonSession, identity: Identity, vector: bytes | None, ref: str | int | None
    ) -> None:
        try:
            await self._lobby.enter(seat, identity)
            if not seat.gone:
                seat.ask(vector)
        except errors.AppError as error:
            self._drop(seat)
            self.fail(error, ref=ref, scene_id=seat.scene_id, left=True)

    def _say(self, said: PresenceUpdate) -> None:
        identity = self._identity
        if identity and said.user_id not in (None, identity.user_id):
            raise errors.Forbidden("userId is not who the token stands for.")
        seat = self._seat(said.scene_id) if said.scene_id else self._only_seat()
        if seat.joined is None:
            raise errors.NotJoined
        seat.say(said)

    def _only_seat(self) -> JsonSession:
        """Return the seat that is meant when no scene is named."""
        if len(self._seats) == 1:
            return next(iter(self._seats.values()))
        if self._home and self._home in self._seats:
            return self._seats[self._home]
        if not self._seats:
            raise errors.NotJoined
        raise errors.Invalid("This socket is in several scenes: name the sceneId.")

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("socket task failed", session_id=str(self.session_id), exc_info=error)
            self.fail(errors.Internal())
