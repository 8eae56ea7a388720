"""Those who joined a room, by the dialect that they speak: each message is written once a dialect.

A room knows no protocol. It hands on committed edits as y-protocols messages, which is how collab
wrote them, and presence as awareness states; a dialect turns them into what its members read.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PresenceChange:
    """What changed in who is here and where."""

    body: bytes
    """All of it as an awareness update, with what was only said again."""
    changed: Sequence[tuple[int, bytes]]
    """Client and JSON state of those who are seen differently now; null for who left."""
    roster_changed: bool
    """Whether somebody came or went."""
    everyone: Callable[[], list[tuple[int, bytes]]]
    """Client and JSON state of all who are here."""


class Encoder(Protocol):
    """How messages are written in one protocol."""

    def edit(self, scene: UUID, frame: bytes) -> bytes:
        """Return a committed edit, given as a y-protocols message, as members read it."""
        ...

    def presence(self, scene: UUID, news: PresenceChange) -> Sequence[bytes]:
        """Return what members read about a change of presence."""
        ...


class Subscriber(Protocol):
    """Who is told: a member of the room."""

    tag: int
    dialect: Encoder
    """What it speaks."""

    def send(self, message: bytes) -> None:
        """Send one message."""
        ...


class Subscribers[L: Subscriber]:
    """The members of a room that hear everything."""

    def __init__(self, scene: UUID) -> None:
        """Begin empty."""
        self.size = 0
        self._scene = scene
        self._groups: dict[Encoder, dict[int, L]] = {}

    def __iter__(self) -> Iterator[L]:
        """All of them, as they are now: sending may close one and so change who is here."""
        return iter([member for group in self._groups.values() for member in group.values()])

    def add(self, member: L) -> None:
        """Let somebody hear the rest; adding twice changes nothing."""
        group = self._groups.setdefault(member.dialect, {})
        self.size += member.tag not in group
        group[member.tag] = member

    def drop(self, member: L) -> None:
        """Tell somebody nothing any more."""
        group = self._groups.get(member.dialect)
        if group and group.pop(member.tag, None) is not None:
            self.size -= 1
            if not group:
                del self._groups[member.dialect]

    def show(self, frame: bytes, *, but: int) -> None:
        """Pass a committed edit on to everyone but the one with the tag *but*."""
        for dialect, group in list(self._groups.items()):
            message = dialect.edit(self._scene, frame)
            for tag, member in list(group.items()):
                if tag != but:
                    member.send(message)

    def tell(self, news: PresenceChange) -> None:
        """Pass presence on to everyone.

        To those whose it is, too: a provider that hears nothing for 30 s takes the server for
        dead.
        """
        for dialect, group in list(self._groups.items()):
            for message in dialect.presence(self._scene, news):
                for member in list(group.values()):
                    member.send(message)
