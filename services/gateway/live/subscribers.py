"""The sessions of a room that receive its messages, grouped by the protocol that they read.

A room knows no protocol. It passes committed edits on as y-protocols messages, in the bytes that
collab wrote, and presence as awareness states. An encoder turns them into the messages of one
protocol, once for all the subscribers that read this protocol.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PresenceChange:
    """The presence states of a room that changed together."""

    awareness: bytes
    """All of them as an awareness update, with those that were only repeated."""
    changed: Sequence[tuple[int, bytes]]
    """The Yjs client and the JSON state of each one that looks different now; null: it left."""
    roster_changed: bool
    """Whether a client came or left."""
    all_states: Callable[[], list[tuple[int, bytes]]]
    """Returns the Yjs client and the JSON state of each client that is present."""


class Encoder(Protocol):
    """Writes the messages of one protocol."""

    def encode_edit(self, scene: UUID, frame: bytes) -> bytes:
        """Return the message for a committed edit, which is given as a y-protocols message."""
        ...

    def encode_presence(self, scene: UUID, change: PresenceChange) -> Sequence[bytes]:
        """Return the messages for a change of presence."""
        ...

    def encode_scene_event(self, kind: str, fields: Mapping[str, Any]) -> Sequence[bytes]:
        """Return the messages for an event of the scene that is no edit and no presence."""
        ...


class Subscriber(Protocol):
    """A session that receives the messages of its room."""

    tag: int
    encoder: Encoder
    """Writes the protocol that this session reads."""

    def send(self, message: bytes) -> None:
        """Send one message."""
        ...


class Subscribers[S: Subscriber]:
    """The sessions of one room that receive its messages."""

    def __init__(self, scene: UUID) -> None:
        """Begin without subscribers."""
        self.size = 0
        self._scene = scene
        self._by_encoder: dict[Encoder, dict[int, S]] = {}

    def __iter__(self) -> Iterator[S]:
        """Iterate over a copy, because a send may close a socket and so remove its session."""
        return iter([session for group in self._by_encoder.values() for session in group.values()])

    def add(self, session: S) -> None:
        """Add *session*; adding it twice changes nothing."""
        group = self._by_encoder.setdefault(session.encoder, {})
        self.size += session.tag not in group
        group[session.tag] = session

    def remove(self, session: S) -> None:
        """Remove *session*; removing it twice changes nothing."""
        group = self._by_encoder.get(session.encoder)
        if group and group.pop(session.tag, None) is not None:
            self.size -= 1
            if not group:
                del self._by_encoder[session.encoder]

    def publish_edit(self, frame: bytes, *, author: int) -> None:
        """Send a committed edit to every session but the one with the tag *author*."""
        for encoder, group in list(self._by_encoder.items()):
            message = encoder.encode_edit(self._scene, frame)
            for tag, session in list(group.items()):
                if tag != author:
                    session.send(message)

    def publish_scene_event(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Send an event to every session whose protocol has such events."""
        for encoder, group in list(self._by_encoder.items()):
            for message in encoder.encode_scene_event(kind, fields):
                for session in list(group.values()):
                    session.send(message)

    def publish_presence(self, change: PresenceChange) -> None:
        """Send a change of presence to every session.

        The session that caused the change receives it, too: a provider that hears nothing for 30 s
        takes the server for dead.
        """
        for encoder, group in list(self._by_encoder.items()):
            for message in encoder.encode_presence(self._scene, change):
                for session in list(group.values()):
                    session.send(message)
