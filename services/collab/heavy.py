"""Work that would stall the event loop, as functions for `workers` to run in other processes.

pycrdt holds the interpreter lock, so threads would not help. This module is all that a worker
imports.
"""

from collections.abc import Sequence
from typing import Any

from pycrdt import Doc

from services.collab import updates
from services.collab.updates import BadUpdate

PLAIN_TEXT = "content"
"""The root in which plain editors keep the text of a scene."""


def integrate(pieces: Sequence[bytes]) -> tuple[bytes, bytes, bytes] | None:
    """State, state vector and deletions of *pieces*; None if a document cannot take them."""
    try:
        state, vector = updates.integrate(pieces)
        return state, vector, updates.deletions(state, vector)
    except BadUpdate:
        return None


def join(pieces: Sequence[bytes]) -> tuple[bytes, bytes, bytes] | None:
    """As `integrate`, in half the time for a state and few rows; collects no garbage."""
    try:
        state = updates.merge(pieces)
        # What merges may still be more than a document can take.
        vector = updates.reached(state)
        return state, vector, updates.deletions(state, vector)
    except BadUpdate:
        return None


def difference(state: bytes, known: bytes) -> bytes | None:
    """What *state* holds beyond *known*; None if *known* is no state vector."""
    try:
        return updates.difference(state, known)
    except BadUpdate:
        return None


def merge(pieces: Sequence[bytes]) -> bytes | None:
    """*pieces* merged into one update; None if one of them is bad."""
    try:
        return updates.merge(pieces)
    except BadUpdate:
        return None


def find_bad(head: bytes | None, seqs: Sequence[int], rows: Sequence[bytes]) -> dict[int, str]:
    """Which rows break the document, with the reason; each is tried after the good ones before."""
    good: list[bytes] = [head] if head else []
    bad: dict[int, str] = {}

    def attempt(first: int, last: int) -> None:
        """Find the bad ones among rows[first:last] by halving."""
        try:
            updates.integrate([*good, *rows[first:last]])
        except BadUpdate as error:
            if last - first == 1:
                bad[seqs[first]] = str(error)
                return
            middle = (first + last) // 2
            attempt(first, middle)
            attempt(middle, last)
        else:
            good.extend(rows[first:last])

    if rows:
        attempt(0, len(rows))
    return bad


def state_at(base: bytes | None, rows: Sequence[bytes], vector: bytes) -> bytes | None:
    """The state in which the log's state vector was *vector*; None if it never was since *base*."""
    wanted = updates.read_state_vector(vector)
    if not wanted:
        return updates.EMPTY
    doc: Doc[Any] = Doc()
    for piece in [base, *rows] if base else rows:
        doc.apply_update(piece)
        reached = updates.read_state_vector(doc.get_state())
        if reached == wanted:
            return doc.get_update()
        if any(reached.get(client, 0) > clock for client, clock in wanted.items()):
            return None
    return None
