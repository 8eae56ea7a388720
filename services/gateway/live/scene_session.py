"""One client's session in one scene: the part that does not depend on the protocol."""

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any
from uuid import UUID

from libs import errors
from libs.contracts.collab.frames import REASON_SCENE_FULL, REASON_TOO_LARGE, UPDATE_BYTES_MAX
from libs.contracts.collab.yprotocol import Malformed
from services.gateway.accounts.identity.model import Identity
from services.gateway.live.socket import INVALID, SAME_CLIENT, TOO_BIG, Socket
from services.gateway.live.subscribers import Encoder
from services.gateway.live.sync_snapshot import SyncSnapshot

if TYPE_CHECKING:
    from services.gateway.live.room import Room
    from services.gateway.live.room_registry import RoomRegistry

SYNCS_AT_ONCE_MAX = 4

_REFUSALS = {
    REASON_TOO_LARGE: (TOO_BIG, "update too large"),
    REASON_SCENE_FULL: (TOO_BIG, "the scene is full"),
}


class SceneSession(ABC):
    """A client in a scene, from its admission to its end."""

    encoder: Encoder

    def __init__(
        self,
        socket: Socket,
        rooms: "RoomRegistry",
        tag: int,
        scene_id: UUID,
        *,
        schema_version: int | None,
    ) -> None:
        """Begin a session that is not admitted yet.

        Args:
            socket: The client's socket.
            rooms: The rooms of the gateway, and the batcher of its edits.
            tag: Names the session within this process; not used again while it matters.
            scene_id: The scene that the client asks for.
            schema_version: The version that the client's editor declared; None for none.
        """
        self.tag = tag
        self.scene_id = scene_id
        self.branch_id: UUID | None = None
        """The branch of the scene that the client asks for; None for the scene itself."""
        self.schema_version = schema_version
        self.send = socket.send
        self.author = b""
        """The user's id, 16 bytes."""
        self.presence_user: dict[str, Any] = {}
        """The user as presence shows it: id and name."""
        self.identity: Identity | None = None
        self.project_id: UUID | None = None
        self.room: Room | None = None
        """The room of the scene; None before the admission."""
        self.snapshot: SyncSnapshot | None = None
        """The newest snapshot that was sent to the client; None before the first."""
        self.presence_clients: set[int] = set()
        """The Yjs clients that the client announced in presence."""
        self.write_refusal: errors.AppError | None = errors.Forbidden()
        """The reason for which the client may not write; None when it may."""
        self.wants_acks = False
        self.ended = False
        self.rights_version = 0
        """The number of the newest authorization whose result is in `write_refusal`."""
        self._socket = socket
        self._rooms = rooms
        self._batcher = rooms.batcher
        self._submitted = 0
        self._durable = 0
        self._syncs: set[asyncio.Task[None]] = set()

    # -- implemented by each protocol

    @abstractmethod
    def send_snapshot(self, snapshot: SyncSnapshot, missed: list[bytes]) -> None:
        """Send the answer to a join, and *missed*, the y-protocols messages since its head."""

    @abstractmethod
    def send_presence(self) -> None:
        """Send the presence states of all clients in the scene."""

    @abstractmethod
    def send_ack(self, seq: int) -> None:
        """Send how far the client's own edits are durable."""

    @abstractmethod
    def send_refusal(self, error: errors.AppError) -> None:
        """Send that an edit was refused, or that the next one will be; reading goes on."""

    @abstractmethod
    def end_session(self, code: int, reason: str) -> None:
        """End this session for the reason that a close code of /collab stands for."""

    @abstractmethod
    def refresh_presence(self) -> None:
        """Repeat the client's presence when the client does not do so by itself."""

    @abstractmethod
    def reannounce_client(self, client: int, clock: int) -> None:
        """Have the Yjs client announced with a clock above *clock*."""

    def client_taken_over(self) -> None:
        """End the session: another socket announced its Yjs client, and edits would collide."""
        self.end_session(SAME_CLIENT, "another connection writes with the same Yjs client id")

    # -- called by the gateway

    def enter_room(self, room: "Room", identity: Identity, project_id: UUID) -> None:
        """Begin to take part in *room*; the user may read the scene."""
        self.room = room
        room.session_count += 1
        self.identity = identity
        self.project_id = project_id
        self.author = identity.user_id.bytes
        self.presence_user = {"id": str(identity.user_id), "name": identity.display_name}

    def leave_room(self) -> None:
        """End the session's part in the room; edits on their way to collab stay on their way."""
        self.ended = True
        for task in self._syncs:
            task.cancel()
        if room := self.room:
            room.session_count -= 1
            room.subscribers.remove(self)
            room.presence.remove_member(self)

    # -- called by the batcher

    def update_settled(self, entry_bytes: int) -> bool:
        """Count an update that is durable or refused; returns whether the client wants an ack."""
        self._socket.remove_unacked(entry_bytes)
        self._durable += 1
        return self.wants_acks

    def update_refused(self, reason: int) -> None:
        """End the session: an update was refused, and the following ones may build on it."""
        self.end_session(*_REFUSALS.get(reason, (INVALID, "not a valid update")))

    # -- called by the protocol

    def require_acceptable(self, update: bytes) -> None:
        """Return when *update* can be an update, and the client may write.

        Raises:
            Malformed: The update is empty.
            AppError: The reason for which the client may not write.
            TooLarge: The update has more than UPDATE_BYTES_MAX bytes.
        """
        if not update:
            raise Malformed("empty update")
        if self.write_refusal:
            raise self.write_refusal.with_traceback(None)
        if len(update) > UPDATE_BYTES_MAX:
            raise errors.TooLarge("update too large", limitBytes=UPDATE_BYTES_MAX)

    def submit_update(self, update: bytes) -> None:
        """Hand a Yjs update to the batcher.

        Raises:
            Malformed, AppError: As for `require_acceptable`.
        """
        self.require_acceptable(update)
        room = self.current_room
        self._submitted += 1
        self._socket.add_unacked(
            self._batcher.submit(room.queue, self, update, deliveries=room.subscribers.size)
        )

    def count_empty_update(self) -> bool:
        """Count an update without news as durable; False while older updates are on their way."""
        if self._submitted != self._durable:
            return False
        self._submitted += 1
        self._durable += 1
        return True

    def start_sync(self, vector: bytes) -> bool:
        """Begin to send what a client with *vector* lacks; False with too many syncs at once."""
        if len(self._syncs) >= SYNCS_AT_ONCE_MAX:
            return False
        task = asyncio.create_task(self._rooms.sync_session(self, vector))
        self._syncs.add(task)
        task.add_done_callback(self._syncs.discard)
        return True

    @property
    def current_room(self) -> "Room":
        """The room that the session was admitted to."""
        assert self.room is not None
        return self.room
