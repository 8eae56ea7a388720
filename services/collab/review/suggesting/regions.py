"""Changes of a text by words, and the merge of two changes of one text. No I/O."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.collab import align
from services.collab.textdiff import word_regions

JOINED_GAP_CHARS_MAX = 3
"""Two changes with so little between them, and no letter or digit, are one."""

_LINES = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True, order=True)
class Region:
    """The characters from `start` to `end` of a text become `text`."""

    start: int
    end: int
    text: str

    @property
    def inserts(self) -> bool:
        """Whether nothing is taken away."""
        return self.start == self.end


def regions(old: str, new: str) -> list[Region]:
    """Return what becomes of *old* in *new*, in order and apart: whole words, line by line."""
    found: list[Region] = []
    for raw in _by_lines(old, new):
        one = _leftmost(old, raw, found[-1].end + 1 if found else 0)
        between = old[found[-1].end : one.start] if found else None
        if between is not None and _are_one(between):
            last = found.pop()
            found.append(Region(last.start, one.end, last.text + between + one.text))
        else:
            found.append(one)
    return found


def applied(old: str, changes: Iterable[Region]) -> str:
    """Return *old* with *changes*, which are in order and apart."""
    parts: list[str] = []
    at = 0
    for one in changes:
        parts += [old[at : one.start], one.text]
        at = one.end
    return "".join([*parts, old[at:]])


def merged(base: str, scene: Sequence[Region], branch: Sequence[Region]) -> str:
    """Return *base* with the changes of both sides.

    Where both changed the same words, the branch's stand: they are shown to somebody who decides.
    What both changed alike, and what both deleted, is changed once.
    """
    return applied(base, _merged(base, scene, branch))


def _by_lines(old: str, new: str) -> Iterator[Region]:
    lines, others = _LINES.findall(old), _LINES.findall(new)
    starts, ends = _starts(lines), _starts(others)
    pairs = align.equal_pairs(lines, others)
    for i, j, k, m in align.gaps(pairs, len(lines), len(others)):
        gone, came = old[starts[i] : starts[j]], new[ends[k] : ends[m]]
        for start, end, first, last in word_regions(gone, came):
            yield Region(starts[i] + start, starts[i] + end, came[first:last])


def _leftmost(old: str, one: Region, least: int) -> Region:
    """Return the same change with its spaces as far to the left as they go, not before *least*.

    Which of two equal spaces beside a new word came with it depends on what else was changed.
    """
    start, end, text = one.start, one.end, one.text
    if start < end and text:
        return one
    moved = text or old[start:end]
    back = 0
    while start - back > least and old[start - back - 1].isspace():
        if moved[-1 - back % len(moved)] != old[start - back - 1]:
            break
        back += 1
    turn = len(moved) - back % len(moved)
    return Region(start - back, end - back, text[turn:] + text[:turn])


def _starts(parts: Sequence[str]) -> list[int]:
    starts = [0]
    for part in parts:
        starts.append(starts[-1] + len(part))
    return starts


def _are_one(between: str) -> bool:
    return (
        len(between) <= JOINED_GAP_CHARS_MAX
        and "\n" not in between
        and not any(map(str.isalnum, between))
    )


def _merged(base: str, scene: Sequence[Region], branch: Sequence[Region]) -> Iterator[Region]:
    for ours, theirs in _clusters(scene, branch):
        both = [*ours, *theirs]
        if not ours or not theirs:
            yield from both
            continue
        start, end = min(one.start for one in both), max(one.end for one in both)
        if not any(one.text for one in both):
            yield Region(start, end, "")
        else:
            kept = base[start:end]
            moved = [Region(one.start - start, one.end - start, one.text) for one in theirs]
            yield Region(start, end, applied(kept, moved))


def _clusters(
    scene: Sequence[Region], branch: Sequence[Region]
) -> Iterator[tuple[list[Region], list[Region]]]:
    """Yield changes of both sides that are in each other's way, together; others alone."""
    known = set(scene)
    waiting = [(one, False) for one in scene]
    waiting += [(one, True) for one in branch if one not in known]
    ours: list[Region] = []
    theirs: list[Region] = []
    end = -1
    for one, is_branch in sorted(waiting, key=lambda each: (each[0].start, each[0].end, each[1])):
        # Beside a change is not within it.
        if one.start >= end and (ours or theirs):
            yield ours, theirs
            ours, theirs = [], []
        (theirs if is_branch else ours).append(one)
        end = max(end, one.end)
    if ours or theirs:
        yield ours, theirs


def carried(place: int, changes: Sequence[Region], *, as_end: bool = False) -> int:
    """Return where *place* of a text is after *changes*; one within a change is at its end.

    With *as_end* text that is inserted right there is after it.
    """
    shift = 0
    for one in changes:
        if one.start > place or (as_end and one.inserts and one.start == place):
            break
        if one.end > place:
            return one.start + shift + (len(one.text) if as_end else 0)
        shift += len(one.text) - (one.end - one.start)
    return place + shift
