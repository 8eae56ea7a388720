"""`/ws`: JSON messages for applications; one socket serves several scenes.

A message that is wrong is answered with an error, and the socket goes on. Only a client that
causes errors again and again is closed.
"""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any
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
    ClientHello,
    ClientMessage,
    EditorUpdate,
    InvalidMessage,
    JoinScene,
    LeaveScene,
    PresenceUpdate,
    decode_base64,
    encode_error,
    encode_event,
    read_message,
)
from services.gateway.live.socket import (
    NOT_AUTHENTICATED,
    TOO_BIG,
    TOO_MANY_ERRORS,
    TRY_AGAIN,
    Socket,
)

if TYPE_CHECKING:
    from services.gateway.live.gateway import LiveGateway

log = structlog.get_logger(__name__)

HELLO_BYTES_MAX = 64 * 1024
"""The longest message of a client that has not authenticated."""
SCENES_MAX = 32
"""Scenes that one socket may have joined."""
ERRORS_MAX = 50
"""Errors that a client may cause in a row."""
ERRORS_FORGIVEN_PER_S = 2.0

CAPABILITIES_ALWAYS = ("presence", "crdt", "schema", "comments")
CAPABILITIES_ON_REQUEST = ("acks",)

_errors = Counter("scriptorium_ws_errors_total", "Error events on /ws, by code.", ["code"])
_messages = Counter("scriptorium_ws_messages_total", "Messages taken on /ws, by type.", ["type"])
_messages_of = {model: _messages.labels(kind) for kind, model in MODELS.items()}


class JsonSocket(Socket):
    """The socket of a client that edits any number of scenes."""

    message_type = WSMsgType.TEXT
    message_bytes_max = MESSAGE_BYTES_MAX

    def __init__(self, gateway: "LiveGateway", request: WSUpgradeRequest, address_key: str) -> None:
        """Begin without an identity and without scenes."""
        super().__init__(gateway, request, address_key)
        self.session_id = new_id()
        self._user: Identity | None = None
        """The identity of the hello, once `server.ready` may be sent."""
        self._schema_version: int | None = None
        self._wants_acks = False
        self._default_scene: UUID | None = None
        """The scene that the client named in its hello."""
        self._sessions: dict[UUID, JsonSession] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._errors = 0.0
        self._errors_at = 0.0

    def on_open(self) -> None:
        """Wait for the hello."""
        self._errors_at = asyncio.get_running_loop().time()

    def on_close(self) -> None:
        """End all sessions."""
        for task in self._tasks:
            task.cancel()
        for session in list(self._sessions.values()):
            self._gateway.authorizer.remove_session(session)

    # -- errors

    def send_error(
        self,
        error: errors.AppError,
        *,
        ref: str | int | None = None,
        scene_id: UUID | None = None,
        left: bool = False,
    ) -> None:
        """Send an error; a client that causes too many is closed.

        Refused edits do not count: the editor of a user who may only read may not know that yet.
        """
        _errors.labels(error.code).inc()
        self.send(encode_error(error, ref=ref, scene_id=scene_id, left=left))
        if isinstance(error, errors.Forbidden | errors.SchemaOutdated) and not left:
            return
        now = asyncio.get_running_loop().time()
        forgiven = (now - self._errors_at) * ERRORS_FORGIVEN_PER_S
        self._errors, self._errors_at = max(0.0, self._errors - forgiven) + 1, now
        if self._errors > ERRORS_MAX:
            self.close(TOO_MANY_ERRORS, "too many errors")

    def end_scene(self, session: JsonSession, error: errors.AppError) -> None:
        """End a session and send the reason; the socket goes on without its scene."""
        self._remove_session(session)
        self.send_error(error, scene_id=session.scene_id, left=True)

    def _remove_session(self, session: JsonSession) -> None:
        if self._sessions.get(session.scene_id) is session:
            del self._sessions[session.scene_id]
        self._gateway.authorizer.remove_session(session)

    # -- messages

    def handle_wrong_type(self) -> None:
        """Answer a binary message with an error."""
        self.send_error(errors.Invalid("Text messages only."))

    def handle_message(self, message: bytes) -> None:
        """Handle one JSON message."""
        if self._user is None and len(message) > HELLO_BYTES_MAX:
            limit = HELLO_BYTES_MAX
            self.send_error(errors.TooLarge("Say client.hello first.", limitBytes=limit))
            self.close(TOO_BIG, "message too large")
            return
        try:
            parsed = read_message(message)
        except InvalidMessage as invalid:
            self.send_error(invalid.error, ref=invalid.ref)
            return
        _messages_of[type(parsed)].inc()
        try:
            self._handle_parsed(parsed)
        except errors.AppError as error:
            self.send_error(error, ref=parsed.ref, scene_id=getattr(parsed, "scene_id", None))

    def _handle_parsed(self, message: ClientMessage) -> None:
        if isinstance(message, EditorUpdate):
            self._session_in(message.scene_id).submit_editor_update(message)
        elif isinstance(message, PresenceUpdate):
            self._update_presence(message)
        elif isinstance(message, JoinScene):
            self._join_scene(message)
        elif isinstance(message, LeaveScene):
            self._remove_session(self._session_in(message.scene_id))
        elif isinstance(message, ClientHello):
            if self._user:
                raise errors.Invalid("client.hello was said already.")
            self.hold_messages()
            self._spawn(self._authenticate(message))
        else:
            raise errors.Invalid

    def _session_in(self, scene_id: UUID) -> JsonSession:
        session = self._sessions.get(scene_id)
        if session is None:
            raise errors.NotJoined
        return session

    async def _authenticate(self, hello: ClientHello) -> None:
        """Answer the hello; later messages are held until this is done."""
        try:
            self._user = await self._verify_hello(hello)
        except errors.AppError as error:
            self.send_error(error, ref=hello.ref)
            if isinstance(error, errors.Unauthenticated):
                self.close(*NOT_AUTHENTICATED)
            elif isinstance(error, errors.RateLimited):
                self.close(TRY_AGAIN, "try again")
        else:
            self._schema_version = hello.schema_version
            self._default_scene = hello.scene_id
            requested = [name for name in CAPABILITIES_ON_REQUEST if name in hello.capabilities]
            self._wants_acks = "acks" in requested
            self.send(
                encode_event(
                    "server.ready",
                    sessionId=str(self.session_id),
                    capabilities=[*CAPABILITIES_ALWAYS, *requested],
                )
            )
        finally:
            self.release_messages()

    async def _verify_hello(self, hello: ClientHello) -> Identity:
        if hello.e2ee:
            # Going on would show the server what the client believes to be hidden.
            raise errors.NotOffered("End-to-end encryption is not offered here yet.")
        identity = await self._gateway.identify_client(self, hello.token or self.token)
        if identity.user_id != hello.user_id:
            raise errors.Forbidden("userId is not who the token stands for.")
        await self._gateway.authorizer.require_readable(identity, hello.project_id, hello.scene_id)
        self.set_identity(identity)
        return identity

    # -- scenes

    def _join_scene(self, message: JoinScene) -> None:
        identity = self._user
        if identity is None:
            raise errors.Unauthenticated("Say client.hello first.")
        if message.user and message.user.id != identity.user_id:
            raise errors.Forbidden("user.id is not who the token stands for.")
        vector = None
        if message.state_vector is not None:
            vector = decode_base64(message.state_vector, "stateVector", bytes_max=VECTOR_CHARS_MAX)
        session = self._sessions.get(message.scene_id)
        if session is None:
            session = self._new_session(message)
            self._spawn(self._admit(session, identity, vector, message.ref))
        elif session.room is None:
            raise errors.Conflict("Joining this scene is under way.")
        else:
            session.request_sync(vector)

    def _new_session(self, message: JoinScene) -> JsonSession:
        if len(self._sessions) >= SCENES_MAX:
            detail = f"One socket may join at most {SCENES_MAX} scenes: leave one, or open another."
            raise errors.RateLimited(detail, limit=SCENES_MAX)
        gateway = self._gateway
        schema = message.schema_version or self._schema_version
        tag, scene_id = gateway.next_tag(), message.scene_id
        session = JsonSession(self, gateway.rooms, tag, scene_id, schema_version=schema)
        session.wants_acks = self._wants_acks
        self._sessions[scene_id] = session
        return session

    async def _admit(
        self, session: JsonSession, identity: Identity, vector: bytes | None, ref: str | int | None
    ) -> None:
        try:
            await self._gateway.authorizer.admit_session(session, identity)
            if not session.ended:
                session.request_sync(vector)
        except errors.AppError as error:
            self._remove_session(session)
            self.send_error(error, ref=ref, scene_id=session.scene_id, left=True)

    def _update_presence(self, message: PresenceUpdate) -> None:
        identity = self._user
        if identity and message.user_id not in (None, identity.user_id):
            raise errors.Forbidden("userId is not who the token stands for.")
        scene_id = message.scene_id
        session = self._session_in(scene_id) if scene_id else self._default_session()
        if session.snapshot is None:
            raise errors.NotJoined
        session.update_presence(message)

    def _default_session(self) -> JsonSession:
        """Return the session of a message that names no scene."""
        if len(self._sessions) == 1:
            return next(iter(self._sessions.values()))
        if self._default_scene and self._default_scene in self._sessions:
            return self._sessions[self._default_scene]
        if not self._sessions:
            raise errors.NotJoined
        raise errors.Invalid("This socket is in several scenes: name the sceneId.")

    # -- tasks

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("socket task failed", session_id=str(self.session_id), exc_info=error)
            self.send_error(errors.Internal())
