"""Text that an edit deletes and writes again: whoever wrote it first is its author. No I/O.

Editors of trees write text anew to split, join and move blocks (y-prosemirror, slate-yjs), and so
does a conversion of a scene from one editor to another. The new characters count as copies of the
deleted ones where whole stretches, or long parts of them, are the same.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.collab import updates
from services.collab.review.authorship.clocks import REWRITTEN_CHARS_MIN
from services.collab.review.characters import CharacterDocument, Run
from services.collab.textdiff import regions

ALIKE_SHARE_MIN = 0.5
"""When this share of what was deleted came again, short stretches count, too."""
EDITED_SHARE_MIN = 0.9
"""Stretches with this share in common are one that was edited: all they share is copied."""
EDIT_COST_MAX = 5_000_000
"""Of the comparisons of one edit, about half a second; what is beyond counts as written anew."""
LOG_COST_MAX = 50_000_000
"""Of all edits of a log that is read at once."""
REWRITES_MAX = 50_000
"""Edits of a log that is read at once that are looked at."""
_LOOK_COST = 200
"""To look at two stretches at all, as against searching one letter of one in the other."""
_COMPARING_COST = 40
"""To compare texts letter by letter, as against searching one in the other."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Clocks that say what other clocks said."""

    client: int
    clock: int
    size: int
    old_client: int
    old_clock: int


class Stretch:
    """Text that stands together, with the ids of its characters."""

    def __init__(self, runs: Sequence[Run]) -> None:
        """Take *runs*, one after the other."""
        self.text = "".join(run.text for run in runs)
        self._runs = runs
        self._starts: list[int] = []
        size = 0
        for run in runs:
            self._starts.append(size)
            size += len(run.text)

    def at(self, offset: int) -> tuple[int, int, int]:
        """Return client and clock of the character at *offset*, and how many follow with it."""
        number = bisect_right(self._starts, offset) - 1
        run, inside = self._runs[number], offset - self._starts[number]
        return run.client, run.clock + inside, len(run.text) - inside


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a stretch of which nothing is known yet."""

    stretch: Stretch
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.stretch.text[self.start : self.end]

    def __len__(self) -> int:
        return self.end - self.start

    def around(self, start: int, end: int) -> Iterator["_Part"]:
        """Yield what is left without *start* to *end*, offsets of this part."""
        if start > 0:
            yield _Part(self.stretch, self.start, self.start + start)
        if end < len(self):
            yield _Part(self.stretch, self.start + end, self.end)


class Matcher:
    """Finds what of deleted text came again."""

    def __init__(self, gone: Sequence[Stretch], came: Sequence[Stretch]) -> None:
        """Compare *gone*, what an edit deleted, with *came*, what it wrote."""
        self._gone = [_Part(one, 0, len(one.text)) for one in gone]
        self._came = [_Part(one, 0, len(one.text)) for one in came]
        self.cost = 0
        """Letters that were looked at."""
        self._found: list[Copy] = []

    def copies(self) -> list[Copy]:
        """Return copies of the deleted text."""
        total = sum(map(len, self._gone))
        self._equal(REWRITTEN_CHARS_MIN)
        self._contained(REWRITTEN_CHARS_MIN)
        self._edited()
        if total and sum(one.size for one in self._found) >= ALIKE_SHARE_MIN * total:
            self._equal(1)
            self._contained(1)
        return self._found

    def _equal(self, size_min: int) -> None:
        """Match whole stretches, in order."""
        places: dict[str, deque[_Part]] = {}
        for part in self._came:
            if len(part) >= size_min:
                places.setdefault(part.text, deque()).append(part)
        left: list[_Part] = []
        taken: set[int] = set()
        for gone in self._gone:
            if same := places.get(gone.text):
                came = same.popleft()
                taken.add(id(came))
                self._note(gone, 0, came, 0, len(gone))
            else:
                left.append(gone)
        self._gone = left
        self._came = [came for came in self._came if id(came) not in taken]

    def _contained(self, size_min: int) -> None:
        """Match a whole stretch of one side with a part of one of the other."""
        self._came = self._within(self._came, self._gone, size_min, swap=True)
        self._gone = self._within(self._gone, self._came, size_min, swap=False)

    def _within(
        self, whole: list[_Part], larger: list[_Part], size_min: int, *, swap: bool
    ) -> list[_Part]:
        left: list[_Part] = []
        for part in whole:
            text, matched = part.text, False
            for at, other in enumerate(larger):
                if not self._affords(len(other)):
                    break
                start = other.text.find(text) if len(text) >= size_min else -1
                if start >= 0:
                    if swap:
                        self._note(other, start, part, 0, len(part))
                    else:
                        self._note(part, 0, other, start, len(part))
                    larger[at : at + 1] = other.around(start, start + len(part))
                    matched = True
                    break
            if not matched:
                left.append(part)
        return left

    def _edited(self) -> None:
        """Match long parts that two stretches have in common."""
        for gone in [one for one in self._gone if len(one) >= REWRITTEN_CHARS_MIN]:
            for came in self._came:
                if self.cost >= EDIT_COST_MAX:
                    return
                if self._compare(gone, came):
                    self._gone.remove(gone)
                    self._came.remove(came)
                    break

    def _compare(self, gone: _Part, came: _Part) -> bool:
        size = len(gone) + len(came)
        if len(came) < REWRITTEN_CHARS_MIN or not self._affords(_COMPARING_COST * size):
            return False
        same = list(_in_common(gone.text, came.text))
        share = sum(size for _, _, size in same) / max(len(gone), len(came))
        size_min = 1 if share >= EDITED_SHARE_MIN else REWRITTEN_CHARS_MIN
        same = [each for each in same if each[2] >= size_min]
        for i, k, size in same:
            self._note(gone, i, came, k, size)
        return bool(same)

    def _affords(self, cost: int) -> bool:
        """Whether there is time for something; when there is not, there is none for anything."""
        self.cost = min(self.cost + _LOOK_COST + cost, EDIT_COST_MAX)
        return self.cost < EDIT_COST_MAX

    def _note(self, gone: _Part, i: int, came: _Part, k: int, size: int) -> None:
        """Note that *size* characters of *gone* from *i* on are those of *came* from *k* on."""
        i, k = gone.start + i, came.start + k
        while size > 0:
            old_client, old_clock, old_left = gone.stretch.at(i)
            client, clock, left = came.stretch.at(k)
            step = min(size, old_left, left)
            self._found.append(Copy(client, clock, step, old_client, old_clock))
            i, k, size = i + step, k + step, size - step


def _in_common(old: str, new: str) -> Iterator[tuple[int, int, int]]:
    """Yield stretches that both have in order: offsets and size."""
    i = k = 0
    for start, end, _, last in [*regions(old, new), (len(old), len(old), len(new), len(new))]:
        if start > i:
            yield i, k, start - i
        i, k = end, last


class Copier:
    """Follows a document from edit to edit, and finds what each of them writes again."""

    def __init__(self, base: Sequence[bytes]) -> None:
        """Begin with the document that *base* makes."""
        self._document = CharacterDocument()
        self._waiting = list(base)
        self._cost = self._rewrites = 0
        self._empty = True

    def take(self, row: bytes, *, rewrites: bool) -> list[Copy]:
        """Take in an edit; returns what it writes again, if it may be one that *rewrites*."""
        self._waiting.append(row)
        self._rewrites += rewrites
        if not rewrites or self._rewrites > REWRITES_MAX or self._cost > LOG_COST_MAX:
            return []
        if self._empty and len(self._waiting) == 1:
            # The first edit of all, perhaps a whole text, has nothing to write again.
            return []
        # Merged first: many edits of one person are few structs.
        self._empty = False
        before, self._waiting = updates.merge(self._waiting[:-1] or [updates.EMPTY]), []
        self._document.apply(before)
        change = self._document.apply(row)
        gone = [Stretch(runs) for runs in self._document.stretches(change.gone, shown=False)]
        if not gone:
            return []
        came = [Stretch(runs) for runs in self._document.stretches(change.came, shown=True)]
        matcher = Matcher(gone, came)
        copies = matcher.copies() if came else []
        self._cost += matcher.cost
        return copies
