"""Cut a large Yjs update into several that, applied in order, are the same.

Rows of the log, frames of the bus and messages to clients all have limits; one long paste must
fit them, and must not hold up the short edits beside it. The layout of update v1 is followed as in
`nesting`; only a long string is itself cut, and its rest begins where its head ended.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from libs.contracts.collab.yprotocol import NO_STRUCTS, read_bytes, read_varuint, varuint
from services.collab import nesting, offsets

PIECE_BYTES_MAX = 128 * 1024
"""Size from which on a piece ends, bytes: some 2 ms of commit. One struct may exceed it."""

STRING_CHARS_MAX = 16 * 1024
"""Strings longer than this are cut, characters."""


_GC, _DELETED, _JSON, _STRING, _ANY, _SKIP = 0, 1, 2, 4, 8, 10
_HAS_LEFT, _HAS_RIGHT = 0x80, 0x40


@dataclass(slots=True)
class _Struct:
    body: bytes
    units: int
    """How far it takes the clock."""


def cut(update: bytes, size: int = PIECE_BYTES_MAX) -> list[bytes]:
    """Return *update* as pieces of about *size* bytes; its deletions come with the last one.

    An update of several clients stays whole: what one wrote may rest on what another did, so only
    the whole can be applied.

    Raises:
        Malformed: It cannot be walked.
    """
    clients, at = read_varuint(update, 0)
    if len(update) <= size or clients != 1:
        return [update]
    count, at = read_varuint(update, at)
    client, at = read_varuint(update, at)
    clock, at = read_varuint(update, at)
    found: list[bytes] = []
    held: list[bytes] = []
    held_bytes, begins = 0, clock
    for _ in range(count):
        end = nesting.after_struct(update, at)
        for struct in _structs(update[at:end], client, clock):
            held.append(struct.body)
            held_bytes += len(struct.body)
            clock += struct.units
            if held_bytes >= size:
                found.append(_piece(client, begins, held))
                held, held_bytes, begins = [], 0, clock
        at = end
    if held:
        found.append(_piece(client, begins, held))
    deletions = update[at:]
    if deletions != NO_STRUCTS:
        found.append(NO_STRUCTS + deletions)
    return found


def _piece(client: int, clock: int, structs: list[bytes]) -> bytes:
    head = b"\x01" + varuint(len(structs)) + varuint(client) + varuint(clock)
    return head + b"".join(structs) + b"\x00"


def _structs(body: bytes, client: int, clock: int) -> Iterator[_Struct]:
    """Yield the struct in *body*, in several if it is a long string."""
    kind = body[0] & 31
    if kind in (_GC, _SKIP):
        yield _Struct(body, read_varuint(body, 1)[0])
        return
    start = nesting.content_at(body, 0)
    if kind != _STRING:
        counted = kind in (_DELETED, _JSON, _ANY)
        yield _Struct(body, read_varuint(body, start)[0] if counted else 1)
        return
    text = read_bytes(body, start)[0].decode()
    head, right = body[:start], _right(body)
    for first in range(0, len(text), STRING_CHARS_MAX):
        part = text[first : first + STRING_CHARS_MAX]
        encoded, units = part.encode(), offsets.utf16_length(part)
        yield _Struct(head + varuint(len(encoded)) + encoded, units)
        clock += units
        # The rest stands right of what was cut off before it.
        info = _STRING | _HAS_LEFT | (body[0] & _HAS_RIGHT)
        head = bytes((info,)) + varuint(client) + varuint(clock - 1) + right


def _right(body: bytes) -> bytes:
    """Return the encoded id of the right neighbour of the item in *body*; empty if it has none."""
    if not body[0] & _HAS_RIGHT:
        return b""
    start = _after_id(body, 1) if body[0] & _HAS_LEFT else 1
    return body[start : _after_id(body, start)]


def _after_id(body: bytes, at: int) -> int:
    return read_varuint(body, read_varuint(body, at)[1])[1]
