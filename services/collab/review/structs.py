"""Yjs updates as structs and delete sets, decoded from their bytes (update format v1).

The layout is that of yjs 13 (`src/utils/UpdateDecoder.js`, `src/structs/*.js`). pycrdt tells no ids
of characters, so whatever needs them decodes here. Values that are no text are skipped: only their
length counts.
"""

from dataclasses import dataclass

from libs.contracts.collab.yprotocol import Malformed, read_varuint
from services.collab.nesting import after_struct, content_at
from services.collab.updates import BadUpdate

type Id = tuple[int, int]
"""A client and a clock: one UTF-16 code unit of text, or one element."""

type DeleteSet = dict[int, list[tuple[int, int]]]
"""Per client the clocks that are deleted, as ranges (first, end)."""

GC, SKIP = 0, 10
DELETED, JSON, BINARY, STRING, EMBED, FORMAT, TYPE, ANY, SUBDOCUMENT = range(1, 10)
XML_ELEMENT, XML_FRAGMENT, XML_HOOK, XML_TEXT = 3, 4, 5, 6


@dataclass(slots=True)
class Struct:
    """One struct of an update."""

    client: int
    clock: int
    size: int
    """Clocks that it takes."""
    kind: int
    """GC, or the kind of its content."""
    origin: Id | None = None
    right_origin: Id | None = None
    parent: str | Id | None = None
    """The name of a root or the id of an element; None when it is that of its origins."""
    key: str | None = None
    """The key of a map or attribute; None for what stands in a sequence."""
    text: str = ""
    """UTF-16 code units of a string, one character each."""


HIGH_HALVES = frozenset(map(chr, range(0xD800, 0xDC00)))
LOW_HALVES = frozenset(map(chr, range(0xDC00, 0xE000)))
"""First and second halves of characters that have two code units."""


def units(text: str) -> str:
    """Return *text* with one character for each UTF-16 code unit."""
    if text.isascii() or max(text) < "\U00010000":
        return text
    packed = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(packed[at] | packed[at + 1] << 8) for at in range(0, len(packed), 2))


def whole(text: str) -> str:
    """Return code units as text; halves of pairs that stand alone become U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def decode(update: bytes) -> tuple[list[list[Struct]], DeleteSet]:
    """Return the structs of *update*, a list for each client in order of clocks, and its deletions.

    Raises:
        BadUpdate: It cannot be decoded.
    """
    try:
        clients, at = read_varuint(update, 0)
        found: list[list[Struct]] = []
        for _ in range(clients):
            structs: list[Struct] = []
            count, at = read_varuint(update, at)
            client, at = read_varuint(update, at)
            clock, at = read_varuint(update, at)
            for _ in range(count):
                struct, at = _struct(update, at, client, clock)
                clock += struct.size
                if struct.kind != SKIP:
                    structs.append(struct)
            found.append(structs)
        return found, _delete_set(update, at)
    except (Malformed, IndexError, UnicodeDecodeError) as error:
        raise BadUpdate(f"cannot be decoded: {error}") from error


def deletions(update: bytes) -> DeleteSet:
    """Return the deletions of *update* alone, without building its structs.

    Raises:
        BadUpdate: It cannot be decoded.
    """
    try:
        clients, at = read_varuint(update, 0)
        for _ in range(clients):
            count, at = read_varuint(update, at)
            for _ in range(2):
                at = read_varuint(update, at)[1]
            for _ in range(count):
                at = after_struct(update, at)
        return _delete_set(update, at)
    except (Malformed, IndexError) as error:
        raise BadUpdate(f"cannot be decoded: {error}") from error


def _struct(data: bytes, at: int, client: int, clock: int) -> tuple[Struct, int]:
    info = data[at]
    kind = info & 31
    if kind in (GC, SKIP):
        size, at = read_varuint(data, at + 1)
        return Struct(client, clock, size, kind), at
    origin = right_origin = parent = key = None
    start = at
    at += 1
    if info & 0x80:
        one, at = read_varuint(data, at)
        two, at = read_varuint(data, at)
        origin = one, two
    if info & 0x40:
        one, at = read_varuint(data, at)
        two, at = read_varuint(data, at)
        right_origin = one, two
    if not info & 0xC0:
        named, at = read_varuint(data, at)
        if named:
            parent, at = _string(data, at)
        else:
            one, at = read_varuint(data, at)
            two, at = read_varuint(data, at)
            parent = one, two
        if info & 0x20:
            key, at = _string(data, at)
    if kind == STRING:
        text, at = _string(data, at)
        text = units(text)
        return Struct(client, clock, len(text), kind, origin, right_origin, parent, key, text), at
    size = read_varuint(data, content_at(data, start))[0] if kind in (DELETED, JSON, ANY) else 1
    end = after_struct(data, start)
    if kind == TYPE:
        # Which kind of element it is decides nothing here but whether it holds text.
        return Struct(client, clock, 1, kind, origin, right_origin, parent, key), end
    return Struct(client, clock, size, kind, origin, right_origin, parent, key), end


def _string(data: bytes, at: int) -> tuple[str, int]:
    size, at = read_varuint(data, at)
    end = at + size
    if end > len(data):
        raise Malformed("string longer than the update")
    return data[at:end].decode(errors="surrogatepass"), end


def _delete_set(data: bytes, at: int) -> DeleteSet:
    found: DeleteSet = {}
    clients, at = read_varuint(data, at)
    for _ in range(clients):
        client, at = read_varuint(data, at)
        count, at = read_varuint(data, at)
        ranges = found.setdefault(client, [])
        for _ in range(count):
            clock, at = read_varuint(data, at)
            size, at = read_varuint(data, at)
            ranges.append((clock, clock + size))
    return found
