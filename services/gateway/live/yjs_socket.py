"""`/collab`: the y-websocket protocol, for unmodified providers."""

from typing import TYPE_CHECKING
from uuid import UUID

from picows import WSMsgType, WSUpgradeRequest

from libs import errors
from libs.contracts.collab.yprotocol import (
    AWARENESS,
    QUERY_AWARENESS,
    SYNC,
    UPDATE,
    Malformed,
    read_bytes,
    read_varuint,
)
from services.gateway.access.schema_gate import declared_schema
from services.gateway.live.socket import INVALID, NO_SUCH_SCENE, TOO_BIG, Socket
from services.gateway.live.yjs_session import YjsSession

if TYPE_CHECKING:
    from services.gateway.live.gateway import LiveGateway

MESSAGE_BYTES_MAX = (1 << 20) + 64
_WRONG_TYPE = 1003


class YjsSocket(Socket):
    """The socket of a client that edits one scene."""

    message_type = WSMsgType.BINARY
    message_bytes_max = MESSAGE_BYTES_MAX

    def __init__(self, gateway: "LiveGateway", request: WSUpgradeRequest, address_key: str) -> None:
        """Read the upgrade request; nothing of it is verified yet."""
        super().__init__(gateway, request, address_key)
        self._session: YjsSession | None = None
        branch = self.query.get("branch", [""])[0]
        scene_id, branch_id = _scene_id(self.path), _uuid(branch)
        if scene_id and (branch_id or not branch):
            schema = declared_schema(self.query.get("schema", [""])[0])
            tag = gateway.next_tag()
            session = YjsSession(self, gateway.rooms, tag, scene_id, schema_version=schema)
            session.branch_id = branch_id
            session.wants_acks = self.query.get("acks", [""])[0] == "1"
            self._session = session

    def on_open(self) -> None:
        """Begin the admission; messages are held until it is done."""
        self.hold_messages()
        if self._session is None:
            self.close(NO_SUCH_SCENE, "no such scene")
        else:
            self._gateway.spawn(self._admit(self._session))

    async def _admit(self, session: YjsSession) -> None:
        try:
            identity = await self._gateway.identify_client(self, self.token)
            if not session.ended:
                self.set_identity(identity)
                await self._gateway.authorizer.admit_session(session, identity)
        except errors.AppError as error:
            session.admission_failed(error)

    def on_close(self) -> None:
        """End the session."""
        if self._session:
            self._gateway.authorizer.remove_session(self._session)

    def handle_wrong_type(self) -> None:
        """Close the socket: y-protocols has no text messages."""
        self.close(_WRONG_TYPE, "binary messages only")

    def handle_message(self, message: bytes) -> None:
        """Handle one message of y-protocols."""
        session = self._session
        assert session is not None
        try:
            # The update of a client that types: type 0, step 2, a length below 128.
            if message[0] == SYNC and message[1] == UPDATE and message[2] == len(message) - 3:
                session.submit_update(message[3:])
            elif len(message) > MESSAGE_BYTES_MAX:
                self.close(TOO_BIG, "message too large")
            else:
                self._handle_any(session, message)
        except (Malformed, IndexError) as error:
            self.close(INVALID, f"malformed message: {error}"[:120])
        except errors.TooLarge as error:
            self.close(TOO_BIG, error.detail)
        except errors.AppError as error:
            session.send_refusal(error)

    def _handle_any(self, session: YjsSession, message: bytes) -> None:
        kind, at = read_varuint(message, 0)
        if kind == SYNC:
            step, at = read_varuint(message, at)
            body, _ = read_bytes(message, at)
            session.handle_sync(step, body)
        elif kind == AWARENESS:
            body, _ = read_bytes(message, at)
            session.current_room.presence.update_states(session, body)
        elif kind == QUERY_AWARENESS:
            session.send_presence()
        # Messages of other types are from later versions and do no harm.


def _scene_id(path: str) -> UUID | None:
    prefix, _, name = path.rpartition("/")
    return _uuid(name) if prefix == "/collab" else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
