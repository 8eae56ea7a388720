"""One room, two protocols: a message is encoded once for each protocol, not for each reader."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.contracts.ids import new_id
from services.gateway.live.subscribers import Encoder, PresenceChange, Subscribers

READERS = 50


class CountingEncoder:
    """An encoder that counts the messages that it writes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.written: Counter[str] = Counter()

    def encode_edit(self, scene: UUID, frame: bytes) -> bytes:
        del scene
        self.written["edit"] += 1
        return self.name.encode() + frame

    def encode_presence(self, scene: UUID, change: PresenceChange) -> Sequence[bytes]:
        del scene
        self.written["presence"] += 1
        return [self.name.encode() + change.awareness] * 2

    def encode_scene_event(self, kind: str, fields: Mapping[str, Any]) -> Sequence[bytes]:
        self.written["event"] += 1
        return [f"{self.name}{kind}{fields}".encode()]


class Reader:
    """A session in the room."""

    def __init__(self, tag: int, encoder: Encoder) -> None:
        self.tag = tag
        self.encoder = encoder
        self.received: list[bytes] = []

    def send(self, message: bytes) -> None:
        self.received.append(message)


def room() -> tuple[Subscribers[Reader], list[CountingEncoder], list[Reader]]:
    """A room with many readers of two protocols."""
    encoders = [CountingEncoder("a"), CountingEncoder("b")]
    readers = [Reader(tag, encoders[tag % 2]) for tag in range(1, READERS + 1)]
    subscribers = Subscribers[Reader](new_id())
    for reader in readers:
        subscribers.add(reader)
    return subscribers, encoders, readers


def test_a_message_is_encoded_once_for_each_protocol():
    """Base64 and JSON are not computed again for each reader; the author receives nothing."""
    subscribers, encoders, readers = room()

    subscribers.publish_edit(b"1", author=7)
    subscribers.publish_presence(PresenceChange(b"2", (), roster_changed=False, all_states=list))

    assert [encoder.written for encoder in encoders] == [{"edit": 1, "presence": 1}] * 2
    for reader in readers:
        name = "b" if reader.tag % 2 else "a"
        edits = [] if reader.tag == 7 else [f"{name}1".encode()]
        assert reader.received == [*edits, f"{name}2".encode(), f"{name}2".encode()]


def test_a_protocol_without_readers_is_not_encoded():
    """Also when its last reader has just left; a reader that left receives nothing."""
    subscribers, encoders, readers = room()
    for reader in readers[::2]:
        subscribers.remove(reader)
        subscribers.remove(reader)
    subscribers.add(readers[1])

    subscribers.publish_edit(b"1", author=0)

    assert subscribers.size == len(list(subscribers)) == READERS // 2
    assert [encoder.written["edit"] for encoder in encoders] == [1, 0]
    assert not any(reader.received for reader in readers[::2])
