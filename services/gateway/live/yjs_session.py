"""A session over `/collab`: one scene, in the messages of y-protocols."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from libs import errors
from libs.contracts.collab.yprotocol import (
    EMPTY_UPDATE,
    NO_STRUCTS,
    STEP1,
    STEP2,
    UPDATE,
    Malformed,
    ack_message,
    awareness_message,
    permission_denied,
    sync_message,
)
from services.gateway.accounts.identity.model import Identity
from services.gateway.live.presence import NULL, encode_awareness
from services.gateway.live.scene_session import SceneSession
from services.gateway.live.socket import (
    DENIED,
    NO_SUCH_SCENE,
    NOT_AUTHENTICATED,
    TRY_AGAIN,
    Socket,
)
from services.gateway.live.subscribers import Encoder, PresenceChange
from services.gateway.live.sync_snapshot import SyncSnapshot

if TYPE_CHECKING:
    from services.gateway.live.room import Room
    from services.gateway.live.room_registry import RoomRegistry


class YjsEncoder:
    """Writes y-protocols: the bytes of collab are passed on as they are."""

    def encode_edit(self, scene: UUID, frame: bytes) -> bytes:
        """Return a committed edit."""
        del scene
        return frame

    def encode_presence(self, scene: UUID, change: PresenceChange) -> Sequence[bytes]:
        """Return a change of presence as one awareness message."""
        del scene
        return (awareness_message(change.awareness),)

    def encode_scene_event(self, kind: str, fields: Mapping[str, Any]) -> Sequence[bytes]:
        """Return nothing: the protocol has no such messages."""
        del kind, fields
        return ()


class YjsSession(SceneSession):
    """A session whose socket serves this scene alone."""

    encoder: Encoder = YjsEncoder()

    def __init__(
        self,
        socket: Socket,
        rooms: "RoomRegistry",
        tag: int,
        scene_id: UUID,
        *,
        schema_version: int | None,
    ) -> None:
        """Begin a session that is not admitted yet; see `SceneSession`."""
        super().__init__(socket, rooms, tag, scene_id, schema_version=schema_version)
        self._step2_numbers: deque[int] = deque()
        """The numbers of the updates on their way to collab that arrived as step 2."""
        self._step2_durable = 0

    def enter_room(self, room: "Room", identity: Identity, project_id: UUID) -> None:
        """Begin to take part in *room*, and handle the messages that arrived before."""
        super().enter_room(room, identity, project_id)
        self._socket.release_messages()

    def admission_failed(self, error: errors.AppError) -> None:
        """End the session with the close code that *error* stands for."""
        match error:
            case errors.Unauthenticated():
                self.end_session(*NOT_AUTHENTICATED)
            case errors.NotFound():
                self.end_session(NO_SUCH_SCENE, "no such scene")
            case errors.Forbidden():
                self.end_session(DENIED, "Access denied")
            case _:
                self.end_session(TRY_AGAIN, "try again")

    # -- to the client

    def send_snapshot(self, snapshot: SyncSnapshot, missed: list[bytes]) -> None:
        """Send step 2, and step 1 to ask for what the log lacks."""
        # A client takes itself for synced after step 2, so the later edits come before it.
        self._socket.send_large(snapshot.as_update if missed else snapshot.step2)
        self.send(snapshot.step1)
        if missed:
            for frame in missed:
                self.send(frame)
            self.send(sync_message(STEP2, EMPTY_UPDATE))
        if isinstance(self.write_refusal, errors.SchemaOutdated | errors.ProjectArchived):
            # Before the client writes in vain; a reader knows that it may only read.
            self.send_refusal(self.write_refusal)

    def send_presence(self) -> None:
        """Send the awareness states of all clients in the scene."""
        if body := self.current_room.presence.encode_states():
            self.send(awareness_message(body))

    def send_ack(self, seq: int) -> None:
        """Send how far the client's own edits are durable."""
        while self._step2_numbers and self._step2_numbers[0] < self._durable:
            self._step2_numbers.popleft()
            self._step2_durable += 1
        self.send(ack_message(seq, self._durable, self._step2_durable))

    def send_refusal(self, error: errors.AppError) -> None:
        """Send the message by which y-protocols refuses."""
        self.send(permission_denied(error.detail))

    def end_session(self, code: int, reason: str) -> None:
        """Close the socket."""
        self._socket.close(code, reason)

    def refresh_presence(self) -> None:
        """Do nothing: providers repeat their awareness themselves."""

    def reannounce_client(self, client: int, clock: int) -> None:
        """Tell the client that it left: it answers by announcing itself with a higher clock."""
        self.send(awareness_message(encode_awareness([(client, clock, NULL)])))

    # -- from the client

    def handle_sync(self, step: int, body: bytes) -> None:
        """Handle a sync message.

        Raises:
            Malformed: There is no such step, or the client has too many syncs under way.
            AppError: As for `submit_update`.
        """
        if step == STEP1:
            if not self.start_sync(body):
                raise Malformed("too many sync requests at once")
        elif step == UPDATE:
            if body != EMPTY_UPDATE:
                self.submit_update(body)
        elif step == STEP2:
            self._handle_step2(body)
        else:
            raise Malformed("unknown sync step")

    def _handle_step2(self, update: bytes) -> None:
        """Handle the answer to step 1: the updates that the client wrote while it was offline."""
        if update == EMPTY_UPDATE or (self.snapshot and self.snapshot.repeats_deletions(update)):
            if self.wants_acks and self.snapshot:
                self.send_ack(self.snapshot.head)
        elif self.write_refusal is None or not update.startswith(NO_STRUCTS):
            # A reader that repeats deletions does not try to write.
            number = self._submitted
            self.submit_update(update)
            self._step2_numbers.append(number)
