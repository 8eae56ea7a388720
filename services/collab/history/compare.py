"""The difference of two texts, computed in a worker process. No I/O.

A list of `{op: equal|insert|delete, text, from, to}`; `from` and `to` are where it begins in
the old and the new text, in UTF-16 code units. Inserted and deleted text has `by`, a list of
authors, where they are known.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from libs.contracts.collab.content import ContentFormat
from libs.contracts.collab.history import DiffFormat
from libs.contracts.editors import SceneEditor
from services.collab import formats
from services.collab.history.attribution import Step, Unattributable, hunks, replay
from services.collab.offsets import utf16_length
from services.collab.textdiff import regions

COMPARED_BYTES_MAX = 2 << 20
"""Text of one side, in the format asked for."""

type Change = dict[str, Any]


class TooMuch(Exception):
    """A side is larger than COMPARED_BYTES_MAX."""


class _Writer:
    """Collects changes of text with their offsets."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._old = self._new = 0

    def equal(self, text: str) -> None:
        if not text:
            return
        last = self.changes[-1] if self.changes else None
        if last and last["op"] == "equal":
            last["text"] += text
        else:
            self._add("equal", text, None)
        self._old += utf16_length(text)
        self._new += utf16_length(text)

    def delete(self, text: str, by: list[str] | None = None) -> None:
        self._add("delete", text, by)
        self._old += utf16_length(text)

    def insert(self, text: str, by: list[str] | None = None) -> None:
        self._add("insert", text, by)
        self._new += utf16_length(text)

    def _add(self, op: str, text: str, by: list[str] | None) -> None:
        change: Change = {"op": op, "text": text, "from": self._old, "to": self._new}
        if by is not None:
            change["by"] = by
        self.changes.append(change)


def text_changes(old: str, new: str) -> list[Change]:
    """The difference of two texts."""
    writer, at = _Writer(), 0
    for start, end, first, last in regions(old, new):
        writer.equal(old[at:start])
        if end > start:
            writer.delete(old[start:end])
        if last > first:
            writer.insert(new[first:last])
        at = end
    writer.equal(old[at:])
    return writer.changes


@dataclass(frozen=True, slots=True)
class Sides:
    """Two states to be compared in a format, as the lens of an editor shows them."""

    old: bytes
    new: bytes
    form: DiffFormat
    editor: SceneEditor | None = None


def compare_text(
    sides: Sides, steps: Sequence[Step] | None, people: Sequence[list[str]]
) -> tuple[list[Change], bool]:
    """Compare states as text; returns the changes, and whether authors are known.

    Args:
        sides: What is compared, as TEXT or MARKDOWN.
        steps: The edits in between, with places in *people*; None when they are not known.
        people: Authors, of whom one or all made a step.

    Raises:
        TooMuch: See there.
        BadUpdate: A state cannot be read.
    """
    one, other = _rendered(sides.old, sides), _rendered(sides.new, sides)
    if steps is not None and sides.form is DiffFormat.TEXT:
        try:
            before, after, ledger = replay(sides.old, steps)
        except Unattributable:
            before = after = ""
        else:
            # Other layouts keep their text elsewhere; a document may also have embedded values.
            if (before, after) == (one, other):
                return _attributed(before, after, hunks(ledger), people), True
    return text_changes(one, other), False


def _rendered(state: bytes, sides: Sides) -> str:
    found = formats.render(state, ContentFormat(sides.form), sides.editor)
    if len(found) > COMPARED_BYTES_MAX:
        raise TooMuch
    return found.decode()


def _attributed(
    before: str, after: str, found: Iterator[Any], people: Sequence[list[str]]
) -> list[Change]:
    """Write hunks down; within one what is equal stays, though it was typed again."""
    writer = _Writer()
    old, new = before.encode(), after.encode()
    at_old = at_new = 0
    for hunk in found:
        lost = _Authored(old, at_old, hunk.deleted, people)
        came = _Authored(new, at_new, hunk.inserted, people)
        at = 0
        for start, end, first, last in regions(lost.text, came.text):
            writer.equal(lost.text[at:start])
            for text, by in lost.runs(start, end):
                writer.delete(text, by)
            for text, by in came.runs(first, last):
                writer.insert(text, by)
            at = end
        writer.equal(lost.text[at:])
        at_old += lost.size
        at_new += came.size
        writer.equal(old[at_old : at_old + hunk.unchanged].decode())
        at_old += hunk.unchanged
        at_new += hunk.unchanged
    return writer.changes


class _Authored:
    """Text of which each stretch has its authors."""

    def __init__(
        self,
        source: bytes,
        at: int,
        stretches: list[tuple[int, int]],
        people: Sequence[list[str]],
    ) -> None:
        self.size = sum(size for size, _ in stretches)
        self.text = source[at : at + self.size].decode()
        lengths: list[int] = []
        for size, _ in stretches:
            lengths.append(len(source[at : at + size].decode()))
            at += size
        self._ends = list(accumulate(lengths))
        self._who = [people[who] for _, who in stretches]

    def runs(self, start: int, end: int) -> Iterator[tuple[str, list[str]]]:
        """Yield the characters from *start* to *end*, cut where the authors change."""
        at = bisect_right(self._ends, start)
        while start < end:
            stop, who = min(self._ends[at], end), self._who[at]
            while stop < end and self._who[at + 1] == who:
                at += 1
                stop = min(self._ends[at], end)
            yield self.text[start:stop], who
            start = stop
            at += 1
