"""One edit of a text: the characters that are the same before and after it. No I/O.

Yjs ids tell that a character lives on. Where editors write a node again, and where text is moved
within one edit, the ids are new: there characters count as the same when the deleted and the
inserted text between two that live on begin or end alike, or have long stretches in common.
"""

from bisect import bisect_right
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from services.collab.review.characters import Change, CharacterDocument, Fate, Run
from services.collab.review.structs import Id
from services.collab.textdiff import regions

STRETCH_CHARS_MIN = 12
"""Shorter stretches that a deleted and an inserted text have in common may be chance."""
REWRITTEN_SHARE_MIN = 0.5
"""A text that begins and ends as the deleted one, with this share of it, is that one rewritten."""
APART_CHARS_MAX = 200
"""Between two stretches that moved together, at most so much new text is compared with the old."""


class Sameness(IntEnum):
    """Why characters count as the same, from the weakest reason to the strongest."""

    WORDS = 0
    """A stretch of text is the same."""
    PLACE = 1
    """The text was written again where it stood, or moved as a whole."""
    IDS = 2
    """They are the same characters."""


@dataclass(frozen=True, slots=True)
class Block:
    """Characters that are the same before and after: offsets and how many."""

    before: int
    after: int
    size: int
    sameness: Sameness


@dataclass(frozen=True, slots=True)
class _Gap:
    """The deleted and the new text between two characters that live on."""

    before: int
    before_end: int
    after: int
    after_end: int


class _Line:
    """A text with the ids of its characters."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._starts: list[int] = []
        self._places: dict[int, list[tuple[int, int, int]]] = {}
        self.size = 0

    def add(self, run: Run) -> None:
        self._runs.append(run)
        self._starts.append(self.size)
        size = len(run.text)
        self._places.setdefault(run.client, []).append((run.clock, size, self.size))
        self.size += size

    def text(self) -> str:
        return "".join(run.text for run in self._runs)

    def id_at(self, offset: int) -> Id:
        at = bisect_right(self._starts, offset) - 1
        run = self._runs[at]
        return run.client, run.clock + offset - self._starts[at]

    def offset_of(self, ident: Id) -> int | None:
        for clock, size, start in self._places.get(ident[0], ()):
            if clock <= ident[1] < clock + size:
                return start + ident[1] - clock
        return None


class Passage:
    """The text before and after an edit, and what of it is the same.

    Offsets are code units of all roots, one after the other, without anything between blocks.
    """

    def __init__(self, document: CharacterDocument, change: Change) -> None:
        """Look at *document* right after *change*."""
        self._old, self._new = _Line(), _Line()
        self._came: list[tuple[int, int]] = []
        kept: list[Block] = []
        gaps: list[_Gap] = []
        gap = (0, 0)
        for root in document.roots:
            for run, fate in document.parts(root, change):
                old, new, size = self._old.size, self._new.size, len(run.text)
                if fate is Fate.KEPT:
                    if gap != (old, new):
                        gaps.append(_Gap(gap[0], old, gap[1], new))
                    kept.append(Block(old, new, size, Sameness.IDS))
                    gap = old + size, new + size
                if fate is not Fate.CAME:
                    self._old.add(run)
                if fate is not Fate.GONE:
                    self._new.add(run)
                if fate is Fate.CAME:
                    self._note_came(new, size)
        if gap != (self._old.size, self._new.size):
            gaps.append(_Gap(gap[0], self._old.size, gap[1], self._new.size))
        self.before, self.after = self._old.text(), self._new.text()
        self.blocks = sorted([*kept, *self._matched(gaps)], key=lambda block: block.before)
        self._begins = [block.before for block in self.blocks]

    @property
    def came(self) -> Sequence[tuple[int, int]]:
        """Where in the text after the edit new characters stand, as ranges."""
        return self._came

    def _note_came(self, start: int, size: int) -> None:
        if self._came and self._came[-1][1] == start:
            self._came[-1] = self._came[-1][0], start + size
        else:
            self._came.append((start, start + size))

    def old_offset(self, ident: Id) -> int | None:
        """Return where a character stood before the edit; None if it was not shown."""
        return self._old.offset_of(ident)

    def new_offset(self, ident: Id) -> int | None:
        """Return where a character stands after the edit; None if it is not shown."""
        return self._new.offset_of(ident)

    def new_id(self, offset: int) -> Id:
        """Return the id of the character at *offset* after the edit."""
        return self._new.id_at(offset)

    def carried(self, offset: int) -> tuple[int, Sameness] | None:
        """Return where the character at *offset* of the text before is now; None if nowhere."""
        at = bisect_right(self._begins, offset) - 1
        if at < 0:
            return None
        block = self.blocks[at]
        if offset >= block.before + block.size:
            return None
        return block.after + offset - block.before, block.sameness

    def deleted_around(self, offset: int) -> tuple[int, int]:
        """Return from where to where text was deleted around the character at *offset*."""
        at = bisect_right(self._begins, offset) - 1
        left = self.blocks[at].before + self.blocks[at].size if at >= 0 else 0
        right = self.blocks[at + 1].before if at + 1 < len(self.blocks) else len(self.before)
        return min(left, offset), max(right, offset + 1)

    def neighbour(self, start: int) -> Id | None:
        """Return the character that lives on nearest before *start* in the text before."""
        at = bisect_right(self._begins, start) - 1
        if at >= 0:
            block = self.blocks[at]
            return self.new_id(block.after + min(block.size, start - block.before or 1) - 1)
        return self.new_id(self.blocks[0].after) if self.blocks else None

    def _matched(self, gaps: Sequence[_Gap]) -> Iterator[Block]:
        left: list[_Gap] = []
        for gap in gaps:
            old, new = self._texts(gap)
            if not old or not new:
                left.append(gap)
                continue
            head = _common_head(old, new)
            tail = _common_head(old[head:][::-1], new[head:][::-1])
            if max(head, tail) < STRETCH_CHARS_MIN and head + tail < REWRITTEN_SHARE_MIN * max(
                len(old), len(new)
            ):
                # Another text, which only happens to begin or end with the same letters.
                head = tail = 0
            if head:
                yield Block(gap.before, gap.after, head, Sameness.PLACE)
            if tail:
                yield Block(gap.before_end - tail, gap.after_end - tail, tail, Sameness.PLACE)
            rest = _Gap(
                gap.before + head, gap.before_end - tail, gap.after + head, gap.after_end - tail
            )
            left += yield from self._stretches(rest)
        yield from self._moved(left)

    def _stretches(self, gap: _Gap) -> Generator[Block, None, list[_Gap]]:
        """Yield long stretches that both sides of *gap* have in order; returns what is left."""
        old, new = self._texts(gap)
        if not old or not new:
            return [gap]
        if "".join(old.split()) == "".join(new.split()):
            # As when blocks become lines of a text, or lines blocks.
            for i, k, size in _equal_but_spaces(old, new):
                yield Block(gap.before + i, gap.after + k, size, Sameness.PLACE)
            return []
        left: list[_Gap] = []
        at_old = at_new = 0
        for i, k, size in _equal(old, new):
            if size >= STRETCH_CHARS_MIN:
                yield Block(gap.before + i, gap.after + k, size, Sameness.WORDS)
                left.append(
                    _Gap(gap.before + at_old, gap.before + i, gap.after + at_new, gap.after + k)
                )
                at_old, at_new = i + size, k + size
        left.append(_Gap(gap.before + at_old, gap.before_end, gap.after + at_new, gap.after_end))
        return left

    def _moved(self, gaps: Sequence[_Gap]) -> Iterator[Block]:
        """Yield what was deleted in one place and came in another."""
        gone = [(gap.before, gap.before_end) for gap in gaps if gap.before < gap.before_end]
        came = [(gap.after, gap.after_end) for gap in gaps if gap.after < gap.after_end]
        if not gone or not came:
            return
        rest: list[tuple[int, int]] = []
        for start, end in gone:
            words = self.before[start:end]
            places = [
                first + at
                for first, last in came
                if len(words) >= STRETCH_CHARS_MIN
                for at in _occurrences(words, self.after[first:last])
            ]
            if len(places) == 1:
                yield Block(start, places[0], end - start, Sameness.PLACE)
                came = list(_without(came, places[0], places[0] + end - start))
            else:
                rest.append((start, end))
        if rest and came:
            yield from self._moved_edited(rest, came)

    def _moved_edited(
        self, gone: Sequence[tuple[int, int]], came: Sequence[tuple[int, int]]
    ) -> Iterator[Block]:
        """The same where the text is not quite the same, or in another order."""
        old = "".join(self.before[start:end] for start, end in gone)
        new = "".join(self.after[start:end] for start, end in came)
        moved = "".join(old.split()) == "".join(new.split())
        sameness = Sameness.PLACE if moved else Sameness.WORDS
        for i, k, size in _between(list(long_stretches(old, new)), old, new):
            yield from _laid(Block(i, k, size, sameness), gone, came)

    def _texts(self, gap: _Gap) -> tuple[str, str]:
        return self.before[gap.before : gap.before_end], self.after[gap.after : gap.after_end]


def long_stretches(old: str, new: str) -> Iterator[tuple[int, int, int]]:
    """Yield stretches of at least STRETCH_CHARS_MIN that both have, in the order of *old*.

    Each begins with characters that are in *new* only once.
    """
    size = STRETCH_CHARS_MIN
    places: dict[str, int] = {}
    for at in range(len(new) - size + 1):
        gram = new[at : at + size]
        places[gram] = -1 if gram in places else at
    taken = bytearray(len(new))
    i = done = 0
    while i <= len(old) - size:
        k = places.get(old[i : i + size], -1)
        if k < 0 or taken[k]:
            i += 1
            continue
        start, begin = i, k
        while start > done and begin > 0 and old[start - 1] == new[begin - 1]:
            if taken[begin - 1]:
                break
            start, begin = start - 1, begin - 1
        end, last = i + size, k + size
        while end < len(old) and last < len(new) and old[end] == new[last] and not taken[last]:
            end, last = end + 1, last + 1
        taken[begin:last] = b"\1" * (last - begin)
        yield start, begin, end - start
        i = done = end


def _between(
    stretches: Sequence[tuple[int, int, int]], old: str, new: str
) -> Iterator[tuple[int, int, int]]:
    """Yield *stretches*, and what texts between two that follow each other have in common."""
    before = (0, 0)
    for i, k, size in [*stretches, (len(old), len(new), 0)]:
        gone, came = old[before[0] : i], new[before[1] : k]
        if gone and came and k >= before[1] and len(came) <= APART_CHARS_MAX:
            equal = list(_equal(gone, came))
            if sum(one[2] for one in equal) >= REWRITTEN_SHARE_MIN * max(len(gone), len(came)):
                for at, there, length in equal:
                    yield before[0] + at, before[1] + there, length
        if size:
            yield i, k, size
        before = i + size, k + size


def _laid(
    stretch: Block, gone: Sequence[tuple[int, int]], came: Sequence[tuple[int, int]]
) -> Iterator[Block]:
    """Translate a stretch of joined ranges into stretches of each."""
    i, k, size = stretch.before, stretch.after, stretch.size
    while size > 0:
        before, left = _inside(i, gone)
        after, right = _inside(k, came)
        step = min(size, left, right)
        yield Block(before, after, step, stretch.sameness)
        i, k, size = i + step, k + step, size - step


def _inside(at: int, ranges: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the offset that is the character *at* of joined *ranges*, and how many follow."""
    for start, end in ranges:
        if at < end - start:
            return start + at, end - start - at
        at -= end - start
    raise IndexError(at)


def _without(ranges: Sequence[tuple[int, int]], start: int, end: int) -> Iterator[tuple[int, int]]:
    for first, last in ranges:
        if end <= first or last <= start:
            yield first, last
            continue
        if first < start:
            yield first, start
        if end < last:
            yield end, last


def _equal(old: str, new: str) -> Iterator[tuple[int, int, int]]:
    """Yield stretches that both have in order: offsets and size."""
    i = k = 0
    for start, end, _, last in [*regions(old, new), (len(old),) * 2 + (len(new),) * 2]:
        if start > i:
            yield i, k, start - i
        i, k = end, last


def _equal_but_spaces(old: str, new: str) -> Iterator[tuple[int, int, int]]:
    """Yield stretches that both have, where they differ in nothing but spaces and line ends."""
    start = begin = size = 0
    for i, k in zip(_solid(old), _solid(new), strict=True):
        apart = i - start - size
        between = old[start + size : i]
        if size and apart == k - begin - size and between == new[begin + size : k]:
            size += apart + 1
            continue
        if size:
            yield start, begin, size
        start, begin, size = i, k, 1
    if size:
        yield start, begin, size


def _solid(text: str) -> Iterator[int]:
    """Yield where in *text* characters stand that are no spaces."""
    return (at for at, one in enumerate(text) if not one.isspace())


def _common_head(one: str, other: str) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _occurrences(words: str, text: str) -> Iterator[int]:
    at = text.find(words)
    while at >= 0:
        yield at
        at = text.find(words, at + 1)
