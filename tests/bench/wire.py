"""The Yjs wire, as far as typing and watching need it: frames, updates, struct headers.

Sources: the y-protocols sync messages (0 = step 1, 1 = step 2, 2 = update), the Yjs update
format version 1, and the Hocuspocus framing, which puts the document's name before each message.
All lengths are bytes; all clocks count ASCII characters, which equal UTF-16 units.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

SYNC = 0
SYNC_REPLY = 4  # Hocuspocus only: a sync message that asks for no answer
STEP2 = 1
UPDATE = 2
TEXT_NAME = b"content"

_GC, _DELETED, _STRING, _SKIP = 0, 1, 4, 10
_HAS_ORIGIN, _HAS_RIGHT_ORIGIN = 0x80, 0x40


def varint(number: int) -> bytes:
    """Encode an unsigned LEB128 integer, as lib0 does."""
    out = bytearray()
    while number > 127:
        out.append(128 | (number & 127))
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the integer at *at* and the position behind it."""
    byte = data[at]
    at += 1
    if byte < 128:
        return byte, at
    value, shift = byte & 127, 7
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def insertion(
    author: int, clock: int, text: bytes, *, after: int | None, before: int | None = None
) -> bytes:
    """One Yjs update: *author* inserts *text* between two of their own characters.

    *after* and *before* are clocks; an insertion after nothing opens the text.
    """
    who = varint(author)
    if after is None:
        info, place = _STRING, b"\x01" + varint(len(TEXT_NAME)) + TEXT_NAME
    elif before is None:
        info, place = _STRING | _HAS_ORIGIN, who + varint(after)
    else:
        info = _STRING | _HAS_ORIGIN | _HAS_RIGHT_ORIGIN
        place = who + varint(after) + who + varint(before)
    return b"".join(
        (b"\x01\x01", who, varint(clock), bytes((info,)), place, varint(len(text)), text, b"\x00")
    )


def scattered(author: int, count: int, *, size: int, run: int, seed: int) -> Iterator[bytes]:
    """*count* insertions of *size* characters; after each *run* of them the caret moves.

    So the text is in pieces, as written prose is, instead of one long run.
    """
    rng = random.Random(seed)
    follower: dict[int, int | None] = {}  # block -> the block behind it in the text
    caret: int | None = None
    for block in range(count):
        if block and block % run == 0:
            caret = rng.randrange(block)
        following = None if caret is None else follower[caret]
        yield insertion(
            author,
            block * size,
            rng.choice(b"etaoin shrdlu").to_bytes() * size,
            after=None if caret is None else (caret + 1) * size - 1,
            before=None if following is None else following * size,
        )
        if caret is not None:
            follower[caret] = block
        follower[block] = following
        caret = block


def news(update: bytes) -> Iterator[tuple[int, int]]:
    """Yield (author, clock behind their last character) for each author in *update*.

    Servers merge updates into frames of many structs; each one is walked over.
    """
    authors, at = read_varint(update, 0)
    for _ in range(authors):
        structs, at = read_varint(update, at)
        author, at = read_varint(update, at)
        clock, at = read_varint(update, at)
        for _ in range(structs):
            length, at = _struct(update, at)
            clock += length
        yield author, clock


def _struct(update: bytes, at: int) -> tuple[int, int]:
    info = update[at]
    kind = info & 31
    at += 1
    if kind in (_GC, _SKIP):
        return read_varint(update, at)
    if info & _HAS_ORIGIN:
        at = _skip_id(update, at)
    if info & _HAS_RIGHT_ORIGIN:
        at = _skip_id(update, at)
    if not info & (_HAS_ORIGIN | _HAS_RIGHT_ORIGIN):
        named, at = read_varint(update, at)
        at = _skip_bytes(update, at) if named else _skip_id(update, at)
    if kind == _DELETED:
        return read_varint(update, at)
    if kind != _STRING:
        raise ValueError(f"a struct of kind {kind}, which this load never writes")
    length, at = read_varint(update, at)
    return length, at + length


def _skip_id(update: bytes, at: int) -> int:
    _, at = read_varint(update, at)
    _, at = read_varint(update, at)
    return at


def _skip_bytes(update: bytes, at: int) -> int:
    length, at = read_varint(update, at)
    return at + length


def state_vector(encoded: bytes) -> dict[int, int]:
    """Decode a Yjs state vector: author -> clock."""
    count, at = read_varint(encoded, 0)
    clocks: dict[int, int] = {}
    for _ in range(count):
        author, at = read_varint(encoded, at)
        clocks[author], at = read_varint(encoded, at)
    return clocks


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one kind of server wraps the sync messages of one document on one socket."""

    prefix: bytes
    hello: tuple[bytes, ...]
    heartbeat: bytes | None

    def update(self, update: bytes) -> bytes:
        """The frame that carries *update* to the server."""
        return b"".join((self.prefix, b"\x00\x02", varint(len(update)), update))

    def changes(self, frame: bytes) -> bytes | None:
        """The Yjs update inside a server's frame; None for awareness, step 1 and the like."""
        at = len(self.prefix)
        if len(frame) < at + 3 or frame[at] not in (SYNC, SYNC_REPLY):
            return None
        if frame[at + 1] not in (STEP2, UPDATE):
            return None
        length, at = read_varint(frame, at + 2)
        return frame[at : at + length]


def dialect(kind: str, room: str) -> Dialect:
    """Return the framing that *kind* of server speaks for *room*.

    A Hocuspocus server closes sockets that say nothing for 60 s; a heartbeat asks who is there.
    """
    ask = b"\x00\x00\x01\x00"  # step 1 with an empty state vector
    if kind == "y-websocket":
        return Dialect(prefix=b"", hello=(ask,), heartbeat=None)
    if kind == "hocuspocus":
        name = room.encode()
        prefix = varint(len(name)) + name
        token = b"\x02\x00\x00"  # authentication, token, empty
        return Dialect(prefix, (prefix + token, prefix + ask), heartbeat=prefix + b"\x03")
    raise ValueError(f"no dialect is called {kind}")
