"""A session over `/ws`: one of the scenes that its socket has joined, in JSON events."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from libs import errors
from libs.contracts.collab.frames import UPDATE_BYTES_MAX
from libs.contracts.collab.yprotocol import EMPTY_STATE_VECTOR, EMPTY_UPDATE, Malformed
from services.gateway.accounts.identity.model import Identity
from services.gateway.live.messages import (
    EditorUpdate,
    PresenceUpdate,
    decode_base64,
    encode_doc_sync,
    encode_editor_update,
    encode_event,
)
from services.gateway.live.presence import NULL, STATE_BYTES_MAX, encode_awareness
from services.gateway.live.presence_json import awareness_state, user_presence
from services.gateway.live.scene_session import SceneSession
from services.gateway.live.socket import DENIED, INVALID, NO_SUCH_SCENE, TOO_BIG
from services.gateway.live.subscribers import Encoder, PresenceChange
from services.gateway.live.sync_snapshot import SyncSnapshot

if TYPE_CHECKING:
    from services.gateway.live.json_socket import JsonSocket
    from services.gateway.live.room import Room
    from services.gateway.live.room_registry import RoomRegistry

REFRESH_PRESENCE_AFTER_S = 9.0
"""Awareness forgets a client that is silent for 30 s; clients of /ws do not repeat themselves."""

_ERROR_OF_CLOSE_CODE: dict[int, type[errors.AppError]] = {
    DENIED: errors.Forbidden,
    NO_SUCH_SCENE: errors.NotFound,
    INVALID: errors.Invalid,
    TOO_BIG: errors.TooLarge,
}


class JsonEncoder:
    """Writes the events of /ws."""

    def encode_edit(self, scene: UUID, frame: bytes) -> bytes:
        """Return a committed edit as `editor.update`."""
        return encode_editor_update(scene, frame)

    def encode_presence(self, scene: UUID, change: PresenceChange) -> Sequence[bytes]:
        """Return a `presence.update` for each client that changed, and the list if one came."""
        events = [
            encode_event("presence.update", sceneId=str(scene), **user_presence(client, state))
            for client, state in change.changed
            if state != NULL
        ]
        if change.roster_changed:
            events.append(_presence_list(scene, change.all_states()))
        return events

    def encode_scene_event(self, kind: str, fields: Mapping[str, Any]) -> Sequence[bytes]:
        """Return the event as it is."""
        return (encode_event(kind, **fields),)


def _presence_list(scene: UUID, states: Sequence[tuple[int, bytes]]) -> bytes:
    users = [user_presence(client, state) for client, state in states]
    return encode_event("presence.list", sceneId=str(scene), users=users)


class JsonSession(SceneSession):
    """A session in one scene, beside others of the same socket."""

    encoder: Encoder = JsonEncoder()

    def __init__(
        self,
        socket: "JsonSocket",
        rooms: "RoomRegistry",
        tag: int,
        scene_id: UUID,
        *,
        schema_version: int | None,
    ) -> None:
        """Begin a session that is not admitted yet; see `SceneSession`."""
        super().__init__(socket, rooms, tag, scene_id, schema_version=schema_version)
        self._json_socket = socket
        self._client = 0
        """The Yjs client that stands for this session in presence."""
        self._clock = 0
        self._presence = PresenceUpdate()
        self._presence_at = 0.0
        self._incremental = False

    def enter_room(self, room: "Room", identity: Identity, project_id: UUID) -> None:
        """Begin to take part in *room*, with a Yjs client for presence."""
        super().enter_room(room, identity, project_id)
        self._client = room.presence.new_client_id()

    def request_sync(self, vector: bytes | None) -> None:
        """Begin to send what a client with *vector* lacks; everything when there is none.

        Raises:
            RateLimited: The client has too many syncs under way.
        """
        self._incremental = vector is not None
        if not self.start_sync(EMPTY_STATE_VECTOR if vector is None else vector):
            raise errors.RateLimited("Too many joins of this scene are under way.")

    # -- to the client

    def send_snapshot(self, snapshot: SyncSnapshot, missed: list[bytes]) -> None:
        """Send `doc.sync`, and the edits since its head."""
        message = encode_doc_sync(
            self.scene_id,
            snapshot.base64,
            isIncremental=self._incremental,
            stateVector=snapshot.state_vector_base64,
            seq=snapshot.head,
            mayWrite=self.write_refusal is None,
        )
        self._socket.send_large(message)
        for frame in missed:
            self.send(encode_editor_update(self.scene_id, frame))
        if isinstance(self.write_refusal, errors.SchemaOutdated | errors.ProjectArchived):
            # Before the client writes in vain.
            self.send_refusal(self.write_refusal)
        self.update_presence(self._presence)

    def send_presence(self) -> None:
        """Send the presence of all clients in the scene."""
        self.send(_presence_list(self.scene_id, self.current_room.presence.states()))

    def send_ack(self, seq: int) -> None:
        """Send how far the client's own edits are durable."""
        if not self.ended:
            fields = {"sceneId": str(self.scene_id), "seq": seq, "count": self._durable}
            self.send(encode_event("editor.ack", **fields))

    def send_refusal(self, error: errors.AppError) -> None:
        """Send the error for which edits are not accepted."""
        self._json_socket.send_error(error, scene_id=self.scene_id)

    def end_session(self, code: int, reason: str) -> None:
        """Send the reason, once; the socket goes on without this scene."""
        if not self.ended:
            error = _ERROR_OF_CLOSE_CODE.get(code, errors.Unavailable)(reason)
            self._json_socket.end_scene(self, error)

    # -- from the client

    def submit_editor_update(self, message: EditorUpdate) -> None:
        """Handle an edit.

        Raises:
            AppError: The edit is refused, for this reason.
        """
        if self.snapshot is None:
            raise errors.NotJoined
        if self.write_refusal:
            raise self.write_refusal.with_traceback(None)
        update = decode_base64(
            message.ydoc_update_base64, "ydocUpdateBase64", bytes_max=UPDATE_BYTES_MAX
        )
        if not update:
            raise errors.Invalid("An update is never empty.")
        self.require_acceptable(update)
        # A client that has nothing of its own sends all deletions after a join.
        nothing_new = update == EMPTY_UPDATE or self.snapshot.repeats_deletions(update)
        if not (nothing_new and self.count_empty_update()):
            self.submit_update(update)
        elif self.wants_acks:
            self.send_ack(self.current_room.last_seq or self.snapshot.head)

    def update_presence(self, message: PresenceUpdate) -> None:
        """Publish the client's cursor and colour; fields that are absent stay as they were.

        Raises:
            TooLarge: The state has more than STATE_BYTES_MAX bytes.
            Invalid: The state cannot be encoded.
        """
        presence = message.merged_over(self._presence)
        state = json.dumps(awareness_state(presence), separators=(",", ":")).encode()
        if len(state) > STATE_BYTES_MAX:
            raise errors.TooLarge("presence.update is too large.", limitBytes=STATE_BYTES_MAX)
        self._clock += 1
        update = encode_awareness([(self._client, self._clock, state)])
        try:
            self.current_room.presence.update_states(self, update)
        except Malformed as error:
            raise errors.Invalid(f"presence.update: {error}.") from error
        self._presence = presence
        self._presence_at = _now()

    def reannounce_client(self, client: int, clock: int) -> None:
        """Publish the client's presence again, with a clock above *clock*."""
        if self.snapshot and not self.ended and client == self._client:
            self._clock = max(self._clock, clock)
            self.update_presence(self._presence)

    def refresh_presence(self) -> None:
        """Publish the client's presence again before others forget it."""
        silent_s = _now() - self._presence_at
        if self.snapshot and not self.ended and silent_s > REFRESH_PRESENCE_AFTER_S:
            self.update_presence(self._presence)


def _now() -> float:
    return asyncio.get_running_loop().time()
