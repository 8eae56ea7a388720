"""The clocks that an update brings, by client. No I/O.

Every character has one id, and exactly one row of the log brought it first. This reads a row of
one keystroke in three microseconds; `structs.decode` also builds what it reads.
"""

from libs.contracts.collab.yprotocol import Malformed, read_varuint
from services.collab.nesting import after_struct, content_at
from services.collab.review.structs import ANY, DELETED, GC, JSON, SKIP, STRING
from services.collab.updates import BadUpdate

REWRITTEN_CHARS_MIN = 12
"""Shorter text that was deleted and written may be the same by chance."""

type Clocks = tuple[int, int, int]
"""A client, the first of its clocks, and the one after the last."""


def written(update: bytes) -> tuple[list[Clocks], bool]:
    """Return what *update* brings, without what it skips, and whether it deletes much, too.

    Much is REWRITTEN_CHARS_MIN of both: it may be text that is written again.

    Raises:
        BadUpdate: It cannot be decoded.
    """
    try:
        clients, at = read_varuint(update, 0)
        found: list[Clocks] = []
        for _ in range(clients):
            structs, at = read_varuint(update, at)
            client, at = read_varuint(update, at)
            clock, at = read_varuint(update, at)
            first = clock
            for _ in range(structs):
                size, end = _extent(update, at)
                if update[at] & 31 == SKIP:
                    if first < clock:
                        found.append((client, first, clock))
                    first = clock + size
                clock, at = clock + size, end
            if first < clock:
                found.append((client, first, clock))
        came = sum(end - first for _, first, end in found)
        rewrites = came >= REWRITTEN_CHARS_MIN and _deleted(update, at) >= REWRITTEN_CHARS_MIN
    except (Malformed, IndexError, UnicodeDecodeError) as error:
        raise BadUpdate(f"cannot be decoded: {error}") from error
    return found, rewrites


def _deleted(update: bytes, at: int) -> int:
    """Return how many clocks the delete set at *at* holds."""
    clients, at = read_varuint(update, at)
    deleted = 0
    for _ in range(clients):
        at = read_varuint(update, at)[1]
        ranges, at = read_varuint(update, at)
        for _ in range(ranges):
            at = read_varuint(update, at)[1]
            size, at = read_varuint(update, at)
            deleted += size
    return deleted


def _extent(data: bytes, at: int) -> tuple[int, int]:
    """Return how many clocks the struct at *at* takes, and the offset after it."""
    kind = data[at] & 31
    if kind in (GC, SKIP):
        return read_varuint(data, at + 1)
    content = content_at(data, at)
    if kind == STRING:
        size, start = read_varuint(data, content)
        end = start + size
        if end > len(data):
            raise Malformed("a string longer than the update")
        text = data[start:end]
        if text.isascii():
            return size, end
        return len(
            text.decode(errors="surrogatepass").encode("utf-16-le", "surrogatepass")
        ) // 2, end
    if kind == DELETED:
        return read_varuint(data, content)
    size = read_varuint(data, content)[0] if kind in (JSON, ANY) else 1
    return size, after_struct(data, at)
