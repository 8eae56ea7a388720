"""Binary layouts of live editing between gateway and collab; integers are big-endian.

Byte 0 of each layout is its version. These frames never touch a disk, so a version lives only as
long as a rolling upgrade.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

VERSION = 1

UPDATE_BYTES_MAX = 1 << 20
"""The largest update that a client may send."""

_BATCH = struct.Struct(">BQ25s")  # version, batch number, trace (25 bytes, zero = not sampled)
_ENTRY = struct.Struct(">16s16sII")  # scene, author, connection tag, update length
_ACK_HEAD = struct.Struct(">BQII")  # version, batch number, scenes, refusals
_ACK_SCENE = struct.Struct(">16sQ")  # scene, seq of its newest row of the batch
_ACK_REFUSAL = struct.Struct(">IB")  # connection tag, reason
_FAN = struct.Struct(">BQQII")  # version, seq from, seq to, gateway, connection tag
_REPLY = struct.Struct(">BQII")  # version, request number, part, parts
_SYNC_ANSWER = struct.Struct(">QIII")  # head seq, lengths of step 2, state vector, deletions
_RANGE = struct.Struct(">BQ16sQQ")  # version, request number, scene, seq from, seq to
_RANGE_ANSWER = struct.Struct(">Q")  # seq reached (then the merged update)
_SYNC = struct.Struct(">BQ16s")  # version, request number, scene (then the state vector)
_HEADS = struct.Struct(">BQ")  # version, request number (then scenes, 16 bytes each)
_BEAT = struct.Struct(">BHB")  # version, load, 1 while draining (then the replica's name)

FAN_HEADER_BYTES = _FAN.size
NO_TRACE = bytes(25)
REASON_INVALID = 1
REASON_TOO_LARGE = 2
REASON_SCENE_FULL = 3


class BadFrame(ValueError):
    """A frame of another version, or cut short: a bug or a mixed deployment, never a client."""


@dataclass(frozen=True, slots=True)
class Ack:
    """A batch is durable and announced, but for the refused connections' updates."""

    batch: int
    heads: dict[bytes, int]
    refusals: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class SyncAnswer:
    """The answer to a joining client: the edits up to `head` that it lacks, and collab's state.

    `deletions` is an update without structs: all deletions we know, which a client's own answer
    will repeat.
    """

    head: int
    step2: bytes
    state_vector: bytes
    deletions: bytes


def batch_entry(scene: bytes, author: bytes, tag: int, update: bytes) -> bytes:
    """Encode one update of a batch."""
    return _ENTRY.pack(scene, author, tag, len(update)) + update


def batch(number: int, entries: list[bytes], trace: bytes = NO_TRACE) -> bytes:
    """Encode a batch of entries; *trace* is trace id, span id and flags of a sampled edit."""
    return _BATCH.pack(VERSION, number, trace) + b"".join(entries)


def read_batch_head(data: bytes) -> tuple[int, bytes]:
    """Return a batch's number and trace.

    Raises:
        BadFrame: It is not a batch of this version.
    """
    if len(data) < _BATCH.size or data[0] != VERSION:
        raise BadFrame("not a batch of this version")
    _, number, trace = _BATCH.unpack_from(data)
    return number, trace


def read_batch(data: bytes) -> Iterator[tuple[bytes, bytes, int, bytes]]:
    """Yield scene, author, connection tag and update of each entry."""
    at, end = _BATCH.size, len(data)
    while at < end:
        scene, author, tag, length = _ENTRY.unpack_from(data, at)
        at += _ENTRY.size
        yield scene, author, tag, data[at : at + length]
        at += length


def ack(number: int, heads: dict[bytes, int], refusals: list[tuple[int, int]]) -> bytes:
    """Encode the acknowledgement of a batch."""
    parts = [_ACK_HEAD.pack(VERSION, number, len(heads), len(refusals))]
    parts += [_ACK_SCENE.pack(scene, seq) for scene, seq in heads.items()]
    parts += [_ACK_REFUSAL.pack(tag, reason) for tag, reason in refusals]
    return b"".join(parts)


def read_ack(data: bytes) -> Ack:
    """Decode an acknowledgement.

    Raises:
        BadFrame: It is not one of this version.
    """
    try:
        version, number, scenes, refusals = _ACK_HEAD.unpack_from(data)
        if version != VERSION:
            raise BadFrame("not an acknowledgement of this version")
        middle = _ACK_HEAD.size + scenes * _ACK_SCENE.size
        return Ack(
            number,
            dict(_ACK_SCENE.iter_unpack(data[_ACK_HEAD.size : middle])),
            list(_ACK_REFUSAL.iter_unpack(data[middle : middle + refusals * _ACK_REFUSAL.size])),
        )
    except struct.error as error:
        raise BadFrame("acknowledgement cut short") from error


def fan(seq_from: int, seq_to: int, gateway: int, tag: int, message: bytes) -> bytes:
    """Encode committed updates of a scene; *message* goes to sockets as it is.

    *gateway* and *tag* name the only connection that wrote them, or are 0 when several did.
    """
    return _FAN.pack(VERSION, seq_from, seq_to, gateway, tag) + message


def read_fan(data: bytes) -> tuple[int, int, int, int]:
    """Return seq from, seq to, gateway and tag; the message starts at FAN_HEADER_BYTES.

    Raises:
        BadFrame: It is not a fan-out of this version.
    """
    if len(data) < FAN_HEADER_BYTES or data[0] != VERSION:
        raise BadFrame("not a fan-out of this version")
    _, seq_from, seq_to, gateway, tag = _FAN.unpack_from(data)
    return seq_from, seq_to, gateway, tag


def replies(number: int, body: bytes, part_bytes_max: int) -> list[bytes]:
    """Split an answer into messages that the bus will carry."""
    pieces = [
        body[start : start + part_bytes_max] for start in range(0, len(body), part_bytes_max)
    ] or [b""]
    return [
        _REPLY.pack(VERSION, number, part, len(pieces)) + piece for part, piece in enumerate(pieces)
    ]


def refusal(number: int) -> bytes:
    """Encode that the request was understood and is not acceptable, such as a bad state vector."""
    return _REPLY.pack(VERSION, number, 0, 0)


def read_reply(data: bytes) -> tuple[int, int, int, bytes]:
    """Return request number, part, number of parts (0 for a refusal), and the part.

    Raises:
        BadFrame: It is not a reply of this version.
    """
    if len(data) < _REPLY.size or data[0] != VERSION:
        raise BadFrame("not a reply of this version")
    _, number, part, parts = _REPLY.unpack_from(data)
    return number, part, parts, data[_REPLY.size :]


def sync_request(number: int, scene: bytes, state_vector: bytes) -> bytes:
    """Request the edits that a client with *state_vector* lacks."""
    return _SYNC.pack(VERSION, number, scene) + state_vector


def read_sync_request(data: bytes) -> tuple[int, bytes, bytes]:
    """Return request number, scene and state vector."""
    _, number, scene = _SYNC.unpack_from(data)
    return number, scene, data[_SYNC.size :]


def sync_answer(answer: SyncAnswer) -> bytes:
    """Encode the answer to a sync request."""
    parts = (answer.step2, answer.state_vector, answer.deletions)
    return b"".join((_SYNC_ANSWER.pack(answer.head, *map(len, parts)), *parts))


def read_sync_answer(body: bytes) -> SyncAnswer:
    """Decode the answer to a sync request.

    Raises:
        BadFrame: It is cut short.
    """
    try:
        head, *lengths = _SYNC_ANSWER.unpack_from(body)
    except struct.error as error:
        raise BadFrame("sync answer cut short") from error
    if len(body) != _SYNC_ANSWER.size + sum(lengths):
        raise BadFrame("sync answer cut short")
    first = _SYNC_ANSWER.size + lengths[0]
    second = first + lengths[1]
    return SyncAnswer(head, body[_SYNC_ANSWER.size : first], body[first:second], body[second:])


def range_request(number: int, scene: bytes, seq_from: int, seq_to: int) -> bytes:
    """Ask for the rows seq_from to seq_to, both included."""
    return _RANGE.pack(VERSION, number, scene, seq_from, seq_to)


def read_range_request(data: bytes) -> tuple[int, bytes, int, int]:
    """Return request number, scene, first and last seq."""
    _, number, scene, seq_from, seq_to = _RANGE.unpack(data)
    return number, scene, seq_from, seq_to


def range_answer(upto: int, merged: bytes) -> bytes:
    """Encode rows merged into one update, and the seq they really reach."""
    return _RANGE_ANSWER.pack(upto) + merged


def read_range_answer(body: bytes) -> tuple[int, bytes]:
    """Return the seq reached and the merged update."""
    return _RANGE_ANSWER.unpack_from(body)[0], body[_RANGE_ANSWER.size :]


def heads_request(number: int, scenes: list[bytes]) -> bytes:
    """Ask how far the logs of *scenes* reach."""
    return _HEADS.pack(VERSION, number) + b"".join(scenes)


def read_heads_request(data: bytes) -> tuple[int, list[bytes]]:
    """Return request number and scenes."""
    _, number = _HEADS.unpack_from(data)
    return number, [data[at : at + 16] for at in range(_HEADS.size, len(data), 16)]


def heads_answer(heads: list[int]) -> bytes:
    """Encode the newest seq of each scene asked for, in the order asked; 0 for an empty log."""
    return struct.pack(f">{len(heads)}Q", *heads)


def read_heads_answer(body: bytes) -> list[int]:
    """Decode the answer to a heads request."""
    return list(struct.unpack(f">{len(body) // 8}Q", body))


def beat(replica: str, load: int, *, draining: bool) -> bytes:
    """Encode a heartbeat; *load* is updates per second accepted, capped at 65,535."""
    return _BEAT.pack(VERSION, min(load, 0xFFFF), draining) + replica.encode()


def read_beat(data: bytes) -> tuple[str, int, bool]:
    """Return replica, load and whether it is draining."""
    _, load, draining = _BEAT.unpack_from(data)
    return data[_BEAT.size :].decode(), load, bool(draining)
