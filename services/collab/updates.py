"""Yjs updates as bytes: is one safe to touch, and how many become one.

Facts measured on pycrdt 0.14.13 that this page rests on:
- `get_state` decodes the whole update (0.2 us for a keystroke), so it is the validator.
- Values nested 30,000 deep overflow the stack of the process, in Yjs of the browser too; they are
  found by the walk in `nesting` before anything else touches the bytes.
- pycrdt may raise PanicException, a BaseException, so each call here catches that.
- Merging is quadratic in its operands and holds the interpreter lock: merge in small groups.
- Valid updates applied out of order can lose text; merged first they cannot.
- yrs does not cut surrogate pairs as Yjs does; `surrogates` takes care of that.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any
from zlib import crc32

from pycrdt import Doc, get_state, get_update, merge_updates

from libs.contracts.collab.yprotocol import EMPTY_UPDATE, NO_STRUCTS, Malformed, read_varuint
from services.collab.nesting import DEPTH_MAX, too_deep
from services.collab.surrogates import replaced

EMPTY = EMPTY_UPDATE

MERGE_GROUP = 40
"""Operands of one merge; groups of 40 merge 5,000 updates in 3.4 ms, at once in 82 ms."""

CHUNK_ROWS = 1_000
"""Rows merged before they are applied: 1,000,000 take 5 s so, and a minute as one merge."""

_NEST_TAGS_MAX = 512
"""Fewer array and map tags than this cannot nest deep enough to hurt."""


class BadUpdate(ValueError):
    """These bytes are not an update that can be decoded."""


def check(update: bytes) -> None:
    """Make sure that *update* decodes.

    Raises:
        BadUpdate: It does not, or its values nest deeper than DEPTH_MAX.
    """
    if update.count(0x75) + update.count(0x76) > _NEST_TAGS_MAX and too_deep(update):
        raise BadUpdate(f"values nest deeper than {DEPTH_MAX}")
    try:
        get_state(update)
    except BaseException as error:
        raise _as_bad(error) from None


def merge(updates: Sequence[bytes]) -> bytes:
    """Merge *updates*, given in order, into one.

    Raises:
        BadUpdate: One of them cannot be decoded, or the result cannot.
    """
    return _merge(replaced(updates))


def _merge(updates: Sequence[bytes]) -> bytes:
    level = list(updates)
    try:
        while len(level) > 1:
            level = [
                merge_updates(*level[start : start + MERGE_GROUP])
                for start in range(0, len(level), MERGE_GROUP)
            ]
        get_state(level[0])
    except BaseException as error:
        raise _as_bad(error) from None
    return level[0]


def state_vector(update: bytes) -> bytes:
    """Return the state vector that *update* reaches, counted without gaps.

    Raises:
        BadUpdate: It cannot be decoded.
    """
    try:
        return get_state(update)
    except BaseException as error:
        raise _as_bad(error) from None


def read_state_vector(vector: bytes) -> dict[int, int]:
    """Return the clock of each client; the order in the bytes means nothing.

    Raises:
        BadUpdate: These bytes are no state vector.
    """
    try:
        count, at = read_varuint(vector, 0)
        clocks: dict[int, int] = {}
        for _ in range(count):
            client, at = read_varuint(vector, at)
            clocks[client], at = read_varuint(vector, at)
    except Malformed as error:
        raise BadUpdate("not a state vector") from error
    return clocks


def difference(update: bytes, known: bytes) -> bytes:
    """Return what *update* holds beyond the state vector *known*.

    Raises:
        BadUpdate: Either cannot be decoded.
    """
    try:
        return get_update(update, known)
    except BaseException as error:
        raise _as_bad(error) from None


def deletions(state: bytes, vector: bytes) -> bytes:
    """All deletions of *state*, as an update without structs.

    Empty when something in the state waits for a missing predecessor: then they cannot be told
    apart from it.
    """
    found = difference(state, vector)
    return found if found.startswith(NO_STRUCTS) else EMPTY


def integrate(updates: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Apply *updates*, given in order, to a fresh document; returns its state and state vector.

    What waits for a missing predecessor is kept: a document's own encoding would drop it, so it is
    merged back in.

    Raises:
        BadUpdate: The document cannot take them.
    """
    if not updates:
        return EMPTY, b"\x00"
    updates = replaced(updates)
    state, vector = _in_chunks(updates) or _at_once(_merge(updates))
    # Some documents take a hostile update and cannot be read back from their own encoding.
    if read_state_vector(reached(state)) != read_state_vector(vector):
        raise BadUpdate("the state does not survive its encoding")
    return state, vector


def _at_once(merged: bytes) -> tuple[bytes, bytes]:
    with pycrdt_errors():
        doc: Doc[Any] = Doc()
        doc.apply_update(merged)
        vector = doc.get_state()
        # Also deletions can wait, and all deletions are in there.
        return merge_updates(doc.get_update(), get_update(merged, vector)), vector


def _in_chunks(updates: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """The same for long logs, whose merge as a whole would take minutes.

    None when something waits for a predecessor: what comes after it must not be applied to this
    document (see the note on order above), so the whole has to be merged first.
    """
    with pycrdt_errors():
        doc: Doc[Any] = Doc()
        deleted: list[bytes] = []
        for start in range(0, len(updates), CHUNK_ROWS):
            merged = _merge(updates[start : start + CHUNK_ROWS])
            doc.apply_update(merged)
            rest = get_update(merged, doc.get_state())
            if not rest.startswith(NO_STRUCTS):
                return None
            if rest != EMPTY:
                deleted.append(rest)
        return _merge([doc.get_update(), *deleted]), doc.get_state()


def reached(update: bytes) -> bytes:
    """Return the state vector of a fresh document that has taken *update* in.

    Raises:
        BadUpdate: No document can take it, though it may well decode.
    """
    with pycrdt_errors():
        doc: Doc[Any] = Doc()
        doc.apply_update(update)
        return doc.get_state()


@contextmanager
def pycrdt_errors() -> Generator[None]:
    """Turn whatever pycrdt raises in the block into BadUpdate."""
    try:
        yield
    except BaseException as error:
        raise _as_bad(error) from None


def checksum(update: bytes) -> int:
    """CRC-32 of the bytes, as stored beside each row."""
    return crc32(update)


def _as_bad(error: BaseException) -> BaseException:
    """Turn what pycrdt raised into BadUpdate, but let the process be stopped."""
    if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit | MemoryError):
        return error
    return BadUpdate(f"{type(error).__name__}: {str(error)[:200]}")
