"""One room, two languages: everything is written once for each, not once for each reader."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from libs.contracts.ids import new_id
from services.gateway.live.subscribers import Encoder, PresenceChange, Subscribers

READERS = 50


class Scribe:
    """A dialect that counts what it writes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.written: Counter[str] = Counter()

    def edit(self, scene: UUID, frame: bytes) -> bytes:
        del scene
        self.written["edit"] += 1
        return self.name.encode() + frame

    def presence(self, scene: UUID, news: PresenceChange) -> Sequence[bytes]:
        del scene
        self.written["presence"] += 1
        return [self.name.encode() + news.body] * 2


class Reader:
    """Somebody in the room."""

    def __init__(self, tag: int, dialect: Encoder) -> None:
        self.tag = tag
        self.dialect = dialect
        self.heard: list[bytes] = []

    def send(self, message: bytes) -> None:
        self.heard.append(message)


def room() -> tuple[Subscribers[Reader], list[Scribe], list[Reader]]:
    """A room with many readers of two languages."""
    scribes = [Scribe("a"), Scribe("b")]
    readers = [Reader(tag, scribes[tag % 2]) for tag in range(1, READERS + 1)]
    audience = Subscribers[Reader](new_id())
    for reader in readers:
        audience.add(reader)
    return audience, scribes, readers


def test_each_message_is_written_once_a_language():
    """Base64 and JSON are not paid for again by each reader; the author hears nothing."""
    audience, scribes, readers = room()

    audience.show(b"1", but=7)
    audience.tell(PresenceChange(b"2", (), roster_changed=False, everyone=list))

    assert [scribe.written for scribe in scribes] == [{"edit": 1, "presence": 1}] * 2
    for reader in readers:
        name = "b" if reader.tag % 2 else "a"
        edits = [] if reader.tag == 7 else [f"{name}1".encode()]
        assert reader.heard == [*edits, f"{name}2".encode(), f"{name}2".encode()]


def test_a_language_that_nobody_reads_is_not_written():
    """Also when its last reader just left; and who left hears nothing."""
    audience, scribes, readers = room()
    for reader in readers[::2]:
        audience.drop(reader)
        audience.drop(reader)
    audience.add(readers[1])

    audience.show(b"1", but=0)

    assert audience.size == len(list(audience)) == READERS // 2
    assert [scribe.written["edit"] for scribe in scribes] == [1, 0]
    assert not any(reader.heard for reader in readers[::2])
