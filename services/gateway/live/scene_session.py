"""A person in a room, through a socket: what every protocol has in common."""

import asyncio
from abc import ABC, abstractmethod
from typing import Any, Protocol
from uuid import UUID

from libs import errors
from libs.contracts.collab.frames import REASON_SCENE_FULL, REASON_TOO_LARGE
from services.gateway.accounts.identity.model import Identity
from services.gateway.live.room import Room, SyncSnapshot
from services.gateway.live.socket import INVALID, SAME_CLIENT, TOO_BIG, Socket
from services.gateway.live.subscribers import Encoder

JOINS_AT_ONCE_MAX = 4

_REFUSALS = {
    REASON_TOO_LARGE: (TOO_BIG, "update too large"),
    REASON_SCENE_FULL: (TOO_BIG, "the scene is full"),
}


class Hall(Protocol):
    """What a member needs of the gateway: `services.gateway.live.Live`."""

    update_bytes_max: int

    def edit(self, member: "SceneSession", update: bytes) -> int:
        """Take one edit; returns the bytes it weighs until it is settled."""
        ...

    async def join(self, member: "SceneSession", vector: bytes) -> None:
        """Bring a member up to date from a state vector, and let it hear the rest."""
        ...


class SceneSession(ABC):
    """Somebody who may be in a scene, from their admission to their leaving."""

    dialect: Encoder

    def __init__(
        self, hall: Hall, socket: Socket, tag: int, scene_id: UUID, *, schema_version: int | None
    ) -> None:
        """Ask nothing yet.

        Args:
            hall: The gateway.
            socket: Through which they are here.
            tag: Names them in this process's life; never used twice while it matters.
            scene_id: Where they want to be.
            schema_version: What their editor declared, None for nothing.
        """
        self.tag = tag
        self.scene_id = scene_id
        self.branch_id: UUID | None = None
        """The branch of the scene that they want to be in; None for the scene itself."""
        self.schema_version = schema_version
        self.send = socket.send
        self.author = b""
        """The person's id, 16 bytes."""
        self.badge: dict[str, Any] = {}
        """What presence says about the person."""
        self.identity: Identity | None = None
        self.project_id: UUID | None = None
        self.room: Room | None = None
        self.joined: SyncSnapshot | None = None
        """What they were last told when they asked to be brought up to date."""
        self.presences: set[int] = set()
        self.refusal: errors.AppError | None = errors.Forbidden()
        """Why they may not write; None when they may."""
        self.wants_acks = False
        self.gone = False
        self.judged = 0
        """The number of the newest question about their rights that was answered."""
        self._hall = hall
        self._socket = socket
        self._sent = 0
        self._durable = 0
        self._joins: set[asyncio.Task[None]] = set()

    # -- what each protocol does

    @abstractmethod
    def welcome(self, joined: SyncSnapshot, missed: list[bytes]) -> None:
        """Send the answer to a join, and *missed*, the y-protocols messages since."""

    @abstractmethod
    def show_presence(self) -> None:
        """Send everyone's state."""

    @abstractmethod
    def acknowledge(self, seq: int) -> None:
        """Tell the client how far its own edits are durable."""

    @abstractmethod
    def deny(self, why: errors.AppError) -> None:
        """Refuse an edit, or tell that the next one will be refused; reading goes on."""

    @abstractmethod
    def put_out(self, code: int, reason: str) -> None:
        """End this membership, for the reason that a close code of /collab stands for."""

    @abstractmethod
    def renew(self) -> None:
        """Say again that somebody is here, when the client does not by itself."""

    @abstractmethod
    def announce_again(self, client: int, clock: int) -> None:
        """Have the Yjs client announced with a clock above *clock*."""

    def replaced(self) -> None:
        """Another socket announces the same Yjs client; edits of both would cover each other."""
        self.put_out(SAME_CLIENT, "another connection writes with the same Yjs client id")

    # -- what the gateway calls

    def admit(self, room: Room, identity: Identity, project_id: UUID) -> None:
        """The person may be here."""
        self.room = room
        room.admitted += 1
        self.identity = identity
        self.project_id = project_id
        self.author = identity.user_id.bytes
        self.badge = {"id": str(identity.user_id), "name": identity.display_name}

    def leave(self) -> None:
        """They are gone; edits under way stay under way."""
        self.gone = True
        for task in self._joins:
            task.cancel()
        if room := self.room:
            room.admitted -= 1
            room.audience.drop(self)
            room.presence.left(self)

    # -- what uplinks call

    def settled(self, entry_bytes: int) -> bool:
        """Note that an edit is durable; returns whether this client wants to hear of it."""
        self._socket.settle(entry_bytes)
        self._durable += 1
        return self.wants_acks

    def refused(self, reason: int) -> None:
        """One of its edits was refused; what follows may build on it, so it has to go."""
        self.put_out(*_REFUSALS.get(reason, (INVALID, "not a valid update")))

    # -- what the client does

    def objection(self, update: bytes) -> errors.AppError | None:
        """Return why an edit is not taken; None when it is."""
        if self.refusal:
            return self.refusal
        if len(update) > self._hall.update_bytes_max:
            return errors.TooLarge("update too large", limitBytes=self._hall.update_bytes_max)
        return None

    def submit(self, update: bytes) -> None:
        """Send an edit on its way."""
        self._sent += 1
        self._socket.owe(self._hall.edit(self, update))

    def submit_nothing(self) -> bool:
        """Count an edit that says nothing new; False when older ones are under way before it."""
        if self._sent != self._durable:
            return False
        self._sent += 1
        self._durable += 1
        return True

    def join(self, vector: bytes) -> bool:
        """Ask to be brought up to date from *vector*; False when too many asks are under way."""
        if len(self._joins) >= JOINS_AT_ONCE_MAX:
            return False
        task = asyncio.create_task(self._hall.join(self, vector))
        self._joins.add(task)
        task.add_done_callback(self._joins.discard)
        return True

    @property
    def here(self) -> Room:
        """The room they were admitted to."""
        assert self.room is not None
        return self.room
