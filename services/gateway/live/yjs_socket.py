"""`/collab`: the y-websocket protocol, spoken to unmodified providers."""

from collections import deque
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from picows import WSMsgType, WSUpgradeRequest

from libs import errors
from libs.contracts.collab.yprotocol import (
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
    sync_message,
)
from services.gateway.access.schema_gate import declared_schema
from services.gateway.accounts.identity.model import Identity
from services.gateway.live.presence import NULL, encode
from services.gateway.live.room import Room, SyncSnapshot
from services.gateway.live.scene_session import Hall, SceneSession
from services.gateway.live.socket import (
    DENIED,
    INVALID,
    NO_SUCH_SCENE,
    NOT_AUTHENTICATED,
    TOO_BIG,
    TRY_AGAIN,
    Socket,
    Sockets,
)
from services.gateway.live.subscribers import Encoder, PresenceChange

MESSAGE_BYTES_MAX = (1 << 20) + 64


class Entrance(Hall, Sockets, Protocol):
    """What a connection needs of the gateway: `services.gateway.live.Live`."""

    def next_tag(self) -> int:
        """Return a name for a member."""
        ...

    def admit(self, socket: Socket, guest: "YjsSession") -> None:
        """Find out who this is, and let them in or not; tells the guest what came of it."""
        ...

    def leave(self, member: SceneSession) -> None:
        """They have left their scene."""
        ...


class YjsEncoder:
    """The dialect of y-protocols: what collab wrote goes out as it is."""

    def edit(self, scene: UUID, frame: bytes) -> bytes:
        """Return a committed edit as members read it."""
        del scene
        return frame

    def presence(self, scene: UUID, news: PresenceChange) -> Sequence[bytes]:
        """Return a change of presence as members read it."""
        del scene
        return (awareness_message(news.body),)


class YjsSession(SceneSession):
    """Somebody in a scene over /collab; their socket is for this scene alone."""

    dialect: Encoder = YjsEncoder()

    def __init__(
        self,
        entrance: Entrance,
        socket: Socket,
        tag: int,
        scene_id: UUID,
        *,
        schema_version: int | None,
    ) -> None:
        """Ask nothing yet; see `SceneSession`."""
        super().__init__(entrance, socket, tag, scene_id, schema_version=schema_version)
        self._answers: deque[int] = deque()
        """Which of the edits under way, by their numbers, are step 2."""
        self._answers_durable = 0

    def welcome(self, joined: SyncSnapshot, missed: list[bytes]) -> None:
        """Send step 2 and ask for what we lack."""
        # Step 2 makes a client say "synced", so what was committed since comes before it.
        self._socket.send_large(joined.as_update if missed else joined.step2)
        self.send(joined.step1)
        if missed:
            for frame in missed:
                self.send(frame)
            self.send(sync_message(STEP2, EMPTY_UPDATE))
        if isinstance(self.refusal, errors.SchemaOutdated | errors.ProjectArchived):
            # Before they write in vain; a reader knows that they are one.
            self.deny(self.refusal)

    def show_presence(self) -> None:
        """Send everyone's state."""
        if body := self.here.presence.everyone():
            self.send(awareness_message(body))

    def acknowledge(self, seq: int) -> None:
        """Tell the client how far its own edits are durable."""
        while self._answers and self._answers[0] < self._durable:
            self._answers.popleft()
            self._answers_durable += 1
        self.send(ack_message(seq, self._durable, self._answers_durable))

    def deny(self, why: errors.AppError) -> None:
        """Refuse by the protocol's own message."""
        self.send(permission_denied(why.detail))

    def put_out(self, code: int, reason: str) -> None:
        """Close the socket."""
        self._socket.close(code, reason)

    def renew(self) -> None:
        """Providers say themselves that they are here."""

    def announce_again(self, client: int, clock: int) -> None:
        """Tell the client that it left, which it knows better and says so."""
        self.send(awareness_message(encode([(client, clock, NULL)])))

    def failed(self, error: errors.AppError) -> None:
        """They could not be let in."""
        match error:
            case errors.Unauthenticated():
                self.put_out(*NOT_AUTHENTICATED)
            case errors.NotFound():
                self.put_out(NO_SUCH_SCENE, "no such scene")
            case errors.Forbidden():
                self.put_out(DENIED, "Access denied")
            case _:
                self.put_out(TRY_AGAIN, "try again")

    def admit(self, room: Room, identity: Identity, project_id: UUID) -> None:
        """The person may be here: handle what came meanwhile, then read on."""
        super().admit(room, identity, project_id)
        self._socket.release()

    def sync(self, step: int, body: bytes) -> None:
        """Take a sync message.

        Raises:
            Malformed: There is no such step, or too many are under way.
        """
        if step == STEP1:
            if not self.join(body):
                raise Malformed("too many sync requests at once")
        elif step == UPDATE:
            if body != EMPTY_UPDATE:
                self.edit(body)
        elif step == STEP2:
            self._answered(body)
        else:
            raise Malformed("unknown sync step")

    def _answered(self, update: bytes) -> None:
        """Take the client's answer to our step 1: what it wrote while it was away."""
        if update == EMPTY_UPDATE or (self.joined and self.joined.repeats(update)):
            if self.wants_acks and self.joined:
                self.acknowledge(self.joined.head)
        elif self.refusal is None or not update.startswith(NO_STRUCTS):
            # Deletions that a reader repeats are no attempt to write.
            place = self._sent
            self.edit(update)
            if self._sent > place:
                self._answers.append(place)

    def edit(self, update: bytes) -> None:
        """Take an edit.

        Raises:
            Malformed: It is empty.
        """
        if not update:
            raise Malformed("empty update")
        objection = self.objection(update)
        if objection is None:
            self.submit(update)
        elif isinstance(objection, errors.TooLarge):
            self.put_out(TOO_BIG, objection.detail)
        else:
            self.deny(objection)


class YjsSocket(Socket):
    """A client of one scene."""

    speaks = WSMsgType.BINARY
    message_bytes_max = MESSAGE_BYTES_MAX

    def __init__(self, entrance: Entrance, request: WSUpgradeRequest, caller: str) -> None:
        """Read what the upgrade request says; nothing is believed yet."""
        super().__init__(entrance, request, caller)
        self._entrance = entrance
        self._guest: YjsSession | None = None
        branch = self.query.get("branch", [""])[0]
        scene_id, branch_id = _scene_id(self.path), _uuid(branch)
        if scene_id and (branch_id or not branch):
            schema = declared_schema(self.query.get("schema", [""])[0])
            tag = entrance.next_tag()
            self._guest = YjsSession(entrance, self, tag, scene_id, schema_version=schema)
            self._guest.branch_id = branch_id
            self._guest.wants_acks = self.query.get("acks", [""])[0] == "1"

    def begin(self) -> None:
        """Find out who this is; what they say meanwhile waits."""
        self.hold()
        if self._guest is None:
            self.close(NO_SUCH_SCENE, "no such scene")
        else:
            self._entrance.admit(self, self._guest)

    def end(self) -> None:
        """The guest has left."""
        if self._guest:
            self._entrance.leave(self._guest)

    def handle_other_kind(self) -> None:
        """Refuse text."""
        self.close(1003, "binary messages only")

    def handle(self, message: bytes) -> None:
        """Take one message."""
        guest = self._guest
        assert guest is not None
        try:
            # An edit while typing: type 0, step 2, a length below 128.
            if message[0] == SYNC and message[1] == UPDATE and message[2] == len(message) - 3:
                guest.edit(message[3:])
                return
            if len(message) > MESSAGE_BYTES_MAX:
                self.close(TOO_BIG, "message too large")
                return
            kind, at = read_varuint(message, 0)
            if kind == SYNC:
                step, at = read_varuint(message, at)
                body, _ = read_bytes(message, at)
                guest.sync(step, body)
            elif kind == AWARENESS:
                body, _ = read_bytes(message, at)
                guest.here.presence.said(guest, body)
            elif kind == QUERY_AWARENESS:
                guest.show_presence()
            # Others are not known to this version and do no harm.
        except (Malformed, IndexError) as error:
            self.close(INVALID, f"malformed message: {error}"[:120])


def _scene_id(path: str) -> UUID | None:
    prefix, _, name = path.rpartition("/")
    return _uuid(name) if prefix == "/collab" else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
