"""Authors of insertions and deletions, found by replaying edits and watching the text. No I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pycrdt import Doc, Text

from services.collab import heavy, offsets, updates

type Step = tuple[int, list[bytes]]
"""Edits in order, and the number of who made them."""

NOBODY = -1


class Unattributable(Exception):
    """The text holds what is no text, or the edits do not lead where they should."""


@dataclass(slots=True)
class Piece:
    """A stretch of text, in UTF-8 bytes, as pycrdt counts.

    Of the old text, perhaps deleted by somebody; or new, written by somebody.
    """

    size: int
    by: int = NOBODY
    gone_by: int = NOBODY

    @property
    def is_old(self) -> bool:
        """Whether it was there from the start."""
        return self.by == NOBODY

    @property
    def visible(self) -> bool:
        """Whether it is in the text now."""
        return self.gone_by == NOBODY


class Ledger:
    """The old text and everything that happened to it since, in order of place."""

    def __init__(self, old_bytes: int) -> None:
        """Begin with a text of so many bytes."""
        self.pieces = [Piece(old_bytes)] if old_bytes else []

    def take(self, delta: Sequence[dict[str, Any]], who: int) -> None:
        """Note one change, as pycrdt tells it.

        Raises:
            Unattributable: It inserts something that is no text.
        """
        at = 0
        for op in delta:
            if "retain" in op:
                at = self._skip(at, op["retain"])
            elif "delete" in op:
                at = self._delete(at, op["delete"], who)
            else:
                at = self._insert(at, op["insert"], who)

    def _skip(self, at: int, size: int) -> int:
        """Go over *size* visible bytes; returns the piece that begins there."""
        pieces = self.pieces
        while size > 0:
            piece = pieces[at]
            if piece.visible:
                if piece.size > size:
                    self._split(at, size)
                size -= pieces[at].size
            at += 1
        return at

    def _insert(self, at: int, text: Any, who: int) -> int:
        if not isinstance(text, str):
            raise Unattributable
        size = offsets.utf8_length(text)
        before = self.pieces[at - 1] if at else None
        if before and before.by == who:
            before.size += size
            return at
        self.pieces.insert(at, Piece(size, by=who))
        return at + 1

    def _delete(self, at: int, size: int, who: int) -> int:
        pieces = self.pieces
        while size > 0:
            piece = pieces[at]
            if not piece.visible:
                at += 1
                continue
            if piece.size > size:
                self._split(at, size)
            size -= pieces[at].size
            if pieces[at].is_old:
                pieces[at].gone_by = who
                at += 1
            else:
                del pieces[at]
        return at

    def _split(self, at: int, size: int) -> None:
        piece = self.pieces[at]
        rest = Piece(piece.size - size, piece.by, piece.gone_by)
        piece.size = size
        self.pieces.insert(at + 1, rest)


def replay(old: bytes, steps: Sequence[Step]) -> tuple[str, str, Ledger]:
    """Replay *steps* on the state *old*; returns the old text, the new one, and what happened.

    Raises:
        Unattributable: The text holds what is no text.
        BadUpdate: A state or an edit cannot be read.
    """
    with updates.pycrdt_errors():
        doc: Doc[Any] = Doc()
        doc.apply_update(old)
        text: Text = doc.get(heavy.PLAIN_TEXT, type=Text)
        before = str(text)
    ledger = Ledger(offsets.utf8_length(before))
    deltas: list[list[dict[str, Any]]] = []
    subscription = text.observe(lambda event: deltas.append(list(event.delta)))
    for who, edits in steps:
        merged = updates.merge(edits)
        with updates.pycrdt_errors():
            doc.apply_update(merged)
        for delta in deltas:
            ledger.take(delta, who)
        deltas.clear()
    text.unobserve(subscription)
    return before, str(text), ledger


@dataclass(frozen=True, slots=True)
class Hunk:
    """What of the old text became what of the new one: lengths in bytes, and by whom."""

    deleted: list[tuple[int, int]]
    """(bytes, who) in order."""
    inserted: list[tuple[int, int]]
    unchanged: int
    """Bytes of both texts that follow."""


def hunks(ledger: Ledger) -> Iterator[Hunk]:
    """Gather neighbouring changes."""
    deleted: list[tuple[int, int]] = []
    inserted: list[tuple[int, int]] = []
    unchanged = 0
    for piece in ledger.pieces:
        if piece.is_old and piece.visible:
            unchanged += piece.size
            continue
        if unchanged:
            yield Hunk(deleted, inserted, unchanged)
            deleted, inserted, unchanged = [], [], 0
        if piece.is_old:
            deleted.append((piece.size, piece.gone_by))
        else:
            inserted.append((piece.size, piece.by))
    if deleted or inserted or unchanged:
        yield Hunk(deleted, inserted, unchanged)
