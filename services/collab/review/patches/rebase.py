"""Landing the hunks of a patch in the text as it is now. Pure: no I/O, no clock, no chance.

Each hunk brings the words of its base, and its anchor tells where these are now, so neither needs
the whole base. Nothing is looked for: a hunk lands where its anchor stands, when its words are the
base there, or when what others made of them and what the hunk makes of them touch different words.
Everything else is a clash. Equal arguments give equal results.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from libs.contracts.collab.patches import BASE_CHARS_MAX, ConflictReason, HunkKind
from services.collab.review.structs import units, whole
from services.collab.textdiff import is_bounded, word_regions

type Region = tuple[int, int, str]
"""From where to where in a text something else comes, and what."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A hunk, and where its anchor stands in the text as it is now.

    `place` is in UTF-16 code units, None where the words are gone. `sure` tells whether the anchor
    stands on the very characters it was made for. `before` and `after` are what stood beside them.
    """

    number: int
    kind: HunkKind
    side: Literal["before", "after"]
    base: str
    text: str
    place: tuple[int, int] | None
    sure: bool = True
    before: str = ""
    after: str = ""

    @property
    def proposed(self) -> str:
        """The words of its anchor as the hunk would have them."""
        return proposed(self.kind, self.side, self.base, self.text)


@dataclass(frozen=True, slots=True)
class Landing:
    """A hunk that fits: `text` comes in place of what stands from `start` to `end`.

    Both are whole words of its anchor, which is `place` and reads `words` now, or one point where
    the hunk only inserts. `result` is what a hunk on these words would say.
    """

    number: int
    place: tuple[int, int]
    words: str
    result: str
    start: int
    end: int
    text: str
    inserts: bool


@dataclass(frozen=True, slots=True)
class Clash:
    """A hunk that does not fit, and what stands at its place now, if anything does."""

    number: int
    reason: ConflictReason
    now: str | None


@dataclass(frozen=True, slots=True)
class Rebased:
    """Hunks that fit, in the order of the text, and those that do not, in the order of the base."""

    landings: list[Landing]
    clashes: list[Clash]


def proposed(kind: HunkKind, side: Literal["before", "after"], base: str, text: str) -> str:
    """Return the words *base* as a hunk would have them."""
    if kind is not HunkKind.INSERT:
        return text
    return text + base if side == "before" else base + text


def rebase(now: str, hunks: Sequence[Standing], *, override: bool = False) -> Rebased:
    """Find out where *hunks* land in the text *now*, given in code units.

    With *override* the words of a hunk become what it proposes, whatever others made of them.
    """
    landings: list[Landing] = []
    clashes: list[Clash] = []
    for hunk in sorted(hunks, key=lambda one: one.number):
        found = _landed(now, hunk, override=override)
        if isinstance(found, Landing):
            landings.append(found)
        else:
            clashes.append(found)
    landings.sort(key=_order)
    over = {number for pair in overlapping(landings) for number in pair}
    clashes += [
        Clash(one.number, ConflictReason.OVERLAP, one.words)
        for one in landings
        if one.number in over
    ]
    clashes.sort(key=lambda clash: clash.number)
    return Rebased([one for one in landings if one.number not in over], clashes)


def landing(hunk: Standing, place: tuple[int, int], words: str, result: str) -> Landing:
    """Return what a hunk does at *place*, whose *words* now become *result*."""
    begin, end = place
    number = hunk.number
    if hunk.kind is HunkKind.INSERT:
        point = begin if hunk.side == "before" else end
        return Landing(number, place, words, hunk.text, point, point, hunk.text, inserts=True)
    regions = list(word_regions(words, result))
    if not regions:
        return Landing(number, place, words, result, begin, begin, "", inserts=False)
    first, last = regions[0], regions[-1]
    start = begin + len(units(words[: first[0]]))
    stop = begin + len(units(words[: last[1]]))
    text = result[first[2] : last[3]]
    return Landing(number, place, words, result, start, stop, text, inserts=False)


def renewed(kind: HunkKind, found: Landing) -> tuple[HunkKind, str, str]:
    """Return the kind, the base and the text of a hunk that is made anew where it lands."""
    if kind is HunkKind.INSERT:
        return kind, found.words, found.text
    return HunkKind.REPLACE if found.result else HunkKind.DELETE, found.words, found.result


def overlapping(landings: Sequence[Landing]) -> list[tuple[int, int]]:
    """Return pairs of hunks that stand on the same words, or insert at the same point."""
    return sorted(
        (min(one.number, other.number), max(one.number, other.number))
        for one, other in combinations(landings, 2)
        if _are_over(one, other)
    )


def outcome(now: str, changes: Iterable[Region]) -> str:
    """Return the text, in code units, that *changes*, in its order and apart, make of *now*."""
    parts: list[str] = []
    at = 0
    for start, end, text in changes:
        parts += [now[at:start], units(text)]
        at = end
    return "".join([*parts, now[at:]])


def merged(base: str, now: str, wanted: str) -> str | None:
    """Return *now* with the words changed that *wanted* changes of *base*.

    None when both sides changed the same words, or words that meet, each in its own way.
    """
    if now == base:
        return wanted
    ours, theirs = list(_regions(base, now)), list(_regions(base, wanted))
    own = [one for one in theirs if one not in ours]
    if any(_meet(one, other) for one in own for other in ours):
        return None
    parts: list[str] = []
    at = 0
    for start, end, text in sorted([*ours, *own]):
        parts += [base[at:start], text]
        at = end
    return "".join([*parts, base[at:]])


def _landed(now: str, hunk: Standing, *, override: bool) -> Landing | Clash:
    if hunk.place is None:
        return Clash(hunk.number, ConflictReason.GONE, None)
    start, end = place = _words_of(now, hunk, hunk.place)
    words = whole(now[start:end])
    if not hunk.sure:
        return Clash(hunk.number, ConflictReason.UNCERTAIN, words)
    result = merged(hunk.base, words, hunk.proposed)
    if override:
        result = proposed(hunk.kind, hunk.side, words, hunk.text)
    if result is None or len(words) > BASE_CHARS_MAX:
        return Clash(hunk.number, ConflictReason.CHANGED, words)
    return landing(hunk, place, words, result)


def _words_of(now: str, hunk: Standing, place: tuple[int, int]) -> tuple[int, int]:
    """Return the place of a hunk with what others wrote at its edges into the same words.

    Who adds a letter to a word changes that word, though the letter is beside the anchor.
    """
    start, end = place
    base, size = units(hunk.base), len(hunk.before)
    if is_bounded(hunk.before + base, size):
        while not is_bounded(now, start):
            start -= 1
    if is_bounded(base + hunk.after, len(base)):
        while not is_bounded(now, end):
            end += 1
    return start, end


def _order(landing: Landing) -> tuple[int, int, int]:
    return landing.start, landing.end, landing.number


def _are_over(one: Landing, other: Landing) -> bool:
    """Whether two hunks change the same words, or meet where one of them inserts."""
    if one.inserts and other.inserts:
        return one.start == other.start
    if one.inserts or other.inserts:
        adder, changer = (one, other) if one.inserts else (other, one)
        start, end = changer.place
        return start <= adder.start <= end or _cross(adder.place, changer.place)
    return _cross(one.place, other.place)


def _cross(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _regions(base: str, other: str) -> Iterator[Region]:
    for start, end, first, last in word_regions(base, other):
        yield start, end, other[first:last]


def _meet(one: Region, other: Region) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]
