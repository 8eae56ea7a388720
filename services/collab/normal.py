"""When two states of a scene are the same, whichever way each was made. Runs in workers.

Two documents are the same when a fresh one of each encodes to the same structs and deletions: that
is everything a client can ever read of them, of every root and type, and all that later edits can
build on. Clocks alone would not do: deletions do not move them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pycrdt import Doc, get_update

from libs.contracts.collab.yprotocol import NO_STRUCTS, read_varuint
from services.collab import updates

type Ranges = dict[int, list[tuple[int, int]]]
"""Per client: from which clock, up to which (not included), in order and not touching."""


@dataclass(frozen=True, slots=True)
class Normal:
    """A state in its normal form."""

    clocks: dict[int, int]
    digest: bytes
    """SHA-256 of structs and deletions that are part of the document."""
    waits: bool
    """Whether something more waits for what never came; its form depends on the way it was made."""


def normal(state: bytes) -> Normal:
    """Bring *state*, an update that stands for a whole document, into its normal form.

    Raises:
        BadUpdate: No document can take it.
    """
    with updates.pycrdt_errors():
        doc: Doc[Any] = Doc()
        doc.apply_update(state)
        # Once more through an encoding: what was collected as garbage is then collected alike.
        fresh: Doc[Any] = Doc()
        fresh.apply_update(doc.get_update())
        vector = fresh.get_state()
        whole, tail = fresh.get_update(), fresh.get_update(vector)
        waiting = get_update(state, vector)
        digest = sha256(whole[: len(whole) - len(tail) + 1])
    clocks = updates.read_state_vector(vector)
    waits = not waiting.startswith(NO_STRUCTS)
    deleted = ranges(tail)
    if not waits:
        # Deletions can come before what they delete.
        early = _beyond(ranges(waiting), clocks)
        waits = bool(early)
        deleted |= {client: deleted.get(client, []) + early[client] for client in early}
    digest.update(repr(sorted(deleted.items())).encode())
    return Normal(clocks, digest.digest(), waits)


def _beyond(deleted: Ranges, clocks: dict[int, int]) -> Ranges:
    found = {
        client: [(max(start, clocks.get(client, 0)), end) for start, end in pieces]
        for client, pieces in deleted.items()
    }
    return {
        client: left
        for client, pieces in found.items()
        if (left := [(start, end) for start, end in pieces if start < end])
    }


def ranges(deletions: bytes) -> Ranges:
    """Read an update without structs: what is deleted, joined and in order."""
    at = 1
    found: Ranges = {}
    clients, at = read_varuint(deletions, at)
    for _ in range(clients):
        client, at = read_varuint(deletions, at)
        count, at = read_varuint(deletions, at)
        pieces: list[tuple[int, int]] = []
        for _ in range(count):
            clock, at = read_varuint(deletions, at)
            length, at = read_varuint(deletions, at)
            pieces.append((clock, clock + length))
        found.setdefault(client, []).extend(pieces)
    return {client: _joined(pieces) for client, pieces in found.items() if pieces}


def _joined(pieces: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(pieces):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def absorb(state: bytes | None, rows: Sequence[bytes]) -> bytes | None:
    """*state* with *rows* in it; None when no document can take them."""
    try:
        return updates.integrate([state, *rows] if state else rows)[0]
    except updates.BadUpdate:
        return None


def measure(state: bytes) -> Normal | None:
    """The normal form of *state*; None when no document can take it."""
    try:
        return normal(state)
    except updates.BadUpdate:
        return None


def contains(state: bytes, part: bytes) -> bool:
    """Whether *part* says nothing that *state* does not; both stand for whole documents."""
    try:
        return normal(state).digest == normal(updates.merge([state, part])).digest
    except updates.BadUpdate:
        return False
