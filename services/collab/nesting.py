"""How deep do the values of a Yjs update nest? Answered without recursion.

Decoders of Yjs and yrs recurse into arrays and maps, so 60 KB of nested brackets end the process
(20,000 levels end a browser tab). This walk follows the layout of update v1 (yjs
`src/utils/encoding.js`, `src/structs/*.js`; lib0 `encoding.writeAny`) just closely enough to find
the values, skips strings by their length, and stops at the first one that nests too deep.
"""

from libs.contracts.collab.yprotocol import Malformed, read_varuint

DEPTH_MAX = 100

_SKIP, _GC = 10, 0
_DELETED, _JSON, _BINARY, _STRING, _EMBED, _FORMAT, _TYPE, _ANY, _DOC = range(1, 10)
_XML_TYPES = (3, 5)  # element and hook: the types that carry a name

_ANY_MAP, _ANY_ARRAY = 118, 117
_ANY_FIXED_BYTES = {127: 0, 126: 0, 124: 4, 123: 8, 122: 8, 121: 0, 120: 0}


def too_deep(update: bytes) -> bool:
    """Whether a value in *update* nests deeper than DEPTH_MAX; true also if it cannot be walked."""
    try:
        return not _walk(update)
    except (Malformed, IndexError):
        return True


def fault(update: bytes) -> int:
    """The byte at which the part of *update* begins that makes no sense; its end if all does."""
    at = 0
    try:
        clients, at = read_varuint(update, 0)
        for _ in range(clients):
            structs, inner = read_varuint(update, at)
            for _ in range(2):
                inner = read_varuint(update, inner)[1]
            at = inner
            for _ in range(structs):
                at = after_struct(update, at)
        clients, at = read_varuint(update, at)
        for _ in range(clients):
            _, inner = read_varuint(update, at)
            ranges, at = read_varuint(update, inner)
            for _ in range(ranges):
                at = read_varuint(update, read_varuint(update, at)[1])[1]
    except (Malformed, IndexError):
        pass
    return at


def _walk(data: bytes) -> bool:
    clients, at = read_varuint(data, 0)
    for _ in range(clients):
        structs, at = read_varuint(data, at)
        _, at = read_varuint(data, at)
        _, at = read_varuint(data, at)
        for _ in range(structs):
            next_at = _struct(data, at)
            if next_at < 0:
                return False
            at = next_at
    return True


def _string(data: bytes, at: int) -> int:
    length, at = read_varuint(data, at)
    if at + length > len(data):
        raise Malformed("string longer than the update")
    return at + length


def _struct(data: bytes, at: int) -> int:
    """Return the offset after the struct at *at*, or -1 if a value in it is too deep."""
    kind = data[at] & 31
    if kind in (_GC, _SKIP):
        return read_varuint(data, at + 1)[1]
    return _content(data, content_at(data, at), kind)


def content_at(data: bytes, at: int) -> int:
    """Return where the content of the item at *at* begins, after all that places it.

    Raises:
        Malformed: The data ends before.
    """
    info = data[at]
    at += 1
    for origin in (0x80, 0x40):
        if info & origin:
            at = read_varuint(data, at)[1]
            at = read_varuint(data, at)[1]
    if not info & 0xC0:
        named, at = read_varuint(data, at)
        if named:
            at = _string(data, at)
        else:
            at = read_varuint(data, at)[1]
            at = read_varuint(data, at)[1]
        if info & 0x20:
            at = _string(data, at)
    return at


def after_struct(data: bytes, at: int) -> int:
    """Return the offset after the struct at *at*.

    Raises:
        Malformed: It cannot be walked, or a value in it nests deeper than DEPTH_MAX.
    """
    end = _struct(data, at)
    if not 0 <= end <= len(data):
        raise Malformed("a struct that cannot be walked")
    return end


def _content(data: bytes, at: int, kind: int) -> int:
    match kind:
        case 1:  # deleted: a length
            return read_varuint(data, at)[1]
        case 3 | 4 | 5:  # binary, string, embed (JSON, whose decoder limits its own depth)
            return _string(data, at)
        case 2:  # JSON strings
            count, at = read_varuint(data, at)
            for _ in range(count):
                at = _string(data, at)
            return at
        case 6:  # format: key and JSON
            return _string(data, _string(data, at))
        case 7:  # shared type
            kind, at = read_varuint(data, at)
            return _string(data, at) if kind in _XML_TYPES else at
        case 8:  # any values
            count, at = read_varuint(data, at)
            return _values(data, at, count)
        case 9:  # subdocument: id and options
            return _values(data, _string(data, at), 1)
        case _:
            raise Malformed("unknown content")


def _values(data: bytes, at: int, count: int) -> int:
    """Skip *count* values; -1 if one nests deeper than DEPTH_MAX."""
    # Each level: how many values are left in it, and whether they have keys.
    levels: list[list[int]] = [[count, 0]]
    while levels:
        level = levels[-1]
        if level[0] == 0:
            levels.pop()
            continue
        level[0] -= 1
        if level[1]:
            at = _string(data, at)
        tag = data[at]
        at += 1
        if tag in (_ANY_ARRAY, _ANY_MAP):
            inner, at = read_varuint(data, at)
            levels.append([inner, tag == _ANY_MAP])
            if len(levels) > DEPTH_MAX:
                return -1
        elif tag == 125:  # integer
            while data[at] & 0x80:
                at += 1
            at += 1
        elif tag in (119, 116):  # string, bytes
            at = _string(data, at)
        elif (fixed := _ANY_FIXED_BYTES.get(tag)) is not None:
            at += fixed
        else:
            raise Malformed("unknown value")
    return at
