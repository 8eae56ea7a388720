"""Somebody in a scene over `/ws`: one of the scenes that their socket is in."""

import json
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from libs import errors
from libs.contracts.collab.yprotocol import EMPTY_UPDATE, Malformed
from services.gateway.accounts.identity.model import Identity
from services.gateway.live.messages import (
    EditorUpdate,
    PresenceUpdate,
    decode,
    doc_sync,
    editor_update,
    event,
)
from services.gateway.live.presence import NULL, STATE_BYTES_MAX, encode
from services.gateway.live.presence_json import awareness_state, user_presence
from services.gateway.live.room import Room, SyncSnapshot
from services.gateway.live.scene_session import Hall, SceneSession
from services.gateway.live.socket import (
    DENIED,
    INVALID,
    NO_SUCH_SCENE,
    TOO_BIG,
    Socket,
)
from services.gateway.live.subscribers import Encoder, PresenceChange

RENEW_AFTER_S = 9.0
"""Awareness forgets who was silent for 30 s; these clients say nothing by themselves."""

_ERRORS: dict[int, type[errors.AppError]] = {
    DENIED: errors.Forbidden,
    NO_SUCH_SCENE: errors.NotFound,
    INVALID: errors.Invalid,
    TOO_BIG: errors.TooLarge,
}


class Table(Protocol):
    """What a seat needs of its socket: `services.gateway.live.json_socket.Application`."""

    def seat_lost(self, seat: "JsonSession", error: errors.AppError) -> None:
        """Somebody may not stay; their socket goes on without this scene."""
        ...

    def fail(
        self, error: errors.AppError, *, ref: str | int | None = None, scene_id: UUID | None = None
    ) -> None:
        """Send an error event."""
        ...


class JsonEncoder:
    """The dialect of /ws: each message is written once, however many read it."""

    def edit(self, scene: UUID, frame: bytes) -> bytes:
        """Return a committed edit as members read it."""
        return editor_update(scene, frame)

    def presence(self, scene: UUID, news: PresenceChange) -> Sequence[bytes]:
        """Return those who moved, each for itself; and everyone, when somebody came or went."""
        told = [
            event("presence.update", sceneId=str(scene), **user_presence(client, state))
            for client, state in news.changed
            if state != NULL
        ]
        if news.roster_changed:
            told.append(presence_list(scene, news.everyone()))
        return told


def presence_list(scene: UUID, states: Sequence[tuple[int, bytes]]) -> bytes:
    """Return the event that tells who is here."""
    users = [user_presence(client, state) for client, state in states]
    return event("presence.list", sceneId=str(scene), users=users)


class JsonSession(SceneSession):
    """A place in a scene, among others of the same socket."""

    dialect: Encoder = JsonEncoder()

    def __init__(
        self,
        hall: Hall,
        socket: Socket,
        table: Table,
        tag: int,
        scene_id: UUID,
        *,
        schema_version: int | None,
    ) -> None:
        """Ask nothing yet; *table* is the socket, as seats know it."""
        super().__init__(hall, socket, tag, scene_id, schema_version=schema_version)
        self._table = table
        self._client = 0
        self._clock = 0
        self._said_at = 0.0
        self._said = PresenceUpdate()
        self._incremental = False

    def admit(self, room: Room, identity: Identity, project_id: UUID) -> None:
        """The person may be here, and is seen from now on."""
        super().admit(room, identity, project_id)
        self._client = room.presence.new_client()

    def ask(self, vector: bytes | None) -> None:
        """Ask to be brought up to date; None asks for everything.

        Raises:
            RateLimited: Too many asks are under way.
        """
        self._incremental = vector is not None
        if not self.join(b"\x00" if vector is None else vector):
            raise errors.RateLimited("Too many joins of this scene are under way.")

    def welcome(self, joined: SyncSnapshot, missed: list[bytes]) -> None:
        """Send `doc.sync`, and the edits since."""
        message = doc_sync(
            self.scene_id,
            joined.base64,
            isIncremental=self._incremental,
            stateVector=joined.state_vector_base64,
            seq=joined.head,
            mayWrite=self.refusal is None,
        )
        self._socket.send_large(message)
        for frame in missed:
            self.send(editor_update(self.scene_id, frame))
        if isinstance(self.refusal, errors.SchemaOutdated | errors.ProjectArchived):
            # Before they write in vain.
            self.deny(self.refusal)
        self.say(self._said)

    def show_presence(self) -> None:
        """Send everyone's state."""
        self.send(presence_list(self.scene_id, self.here.presence.here()))

    def acknowledge(self, seq: int) -> None:
        """Tell the client how far its own edits are durable."""
        if not self.gone:
            self.send(event("editor.ack", sceneId=str(self.scene_id), seq=seq, count=self._durable))

    def deny(self, why: errors.AppError) -> None:
        """Tell why edits are not taken."""
        self._table.fail(why, scene_id=self.scene_id)

    def put_out(self, code: int, reason: str) -> None:
        """Tell why they are no longer here, once; the socket goes on."""
        if self.gone:
            return
        self._table.seat_lost(self, _ERRORS.get(code, errors.Unavailable)(reason))

    def edit(self, message: EditorUpdate) -> None:
        """Take an edit.

        Raises:
            AppError: It is not taken; the sentence says why.
        """
        if self.joined is None:
            raise errors.NotJoined
        objection = self.objection(b"")
        if objection:
            raise objection.with_traceback(None)
        limit = self._hall.update_bytes_max
        update = decode(message.ydoc_update_base64, "ydocUpdateBase64", bytes_max=limit)
        if objection := self.objection(update):
            raise objection
        if not update:
            raise errors.Invalid("An update is never empty.")
        # What a client sends after a join when it has nothing of its own: all deletions.
        nothing_new = update == EMPTY_UPDATE or self.joined.repeats(update)
        if not (nothing_new and self.submit_nothing()):
            self.submit(update)
        elif self.wants_acks:
            self.acknowledge(self.here.last or self.joined.head)

    def say(self, said: PresenceUpdate) -> None:
        """Show where they are; what is not said stays as it was.

        Raises:
            TooLarge: It is more than others want to hear.
            Invalid: It cannot be written down.
        """
        said = said.after(self._said)
        state = json.dumps(awareness_state(said), separators=(",", ":")).encode()
        if len(state) > STATE_BYTES_MAX:
            raise errors.TooLarge("presence.update is too large.", limitBytes=STATE_BYTES_MAX)
        self._clock += 1
        try:
            self.here.presence.said(self, encode([(self._client, self._clock, state)]))
        except Malformed as error:
            raise errors.Invalid(f"presence.update: {error}.") from error
        self._said = said
        self._said_at = self.here.now()

    def announce_again(self, client: int, clock: int) -> None:
        """Say again where they are."""
        if self.joined and not self.gone and client == self._client:
            self._clock = max(self._clock, clock)
            self.say(self._said)

    def renew(self) -> None:
        """Say again that they are here."""
        if self.joined and not self.gone and self.here.now() - self._said_at > RENEW_AFTER_S:
            self.say(self._said)
