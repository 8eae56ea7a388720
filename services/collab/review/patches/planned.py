"""Hunks of a patch on their way into the text and out of it, and where their anchors stand."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from libs.contracts.collab.anchors import AnchorTarget, TextRange
from libs.contracts.collab.patches import HunkKind
from services.collab.review.anchors.view import Stood, View
from services.collab.review.hunks.planning import Applied, Plan
from services.collab.review.patches.rebase import Clash, Region
from services.collab.review.structs import Id, units

BESIDE_CHARS = 8
"""Of what stands on each side of deleted words, remembered to put them back there."""
type Sides = tuple[list[Id], list[Id]]
"""Characters before and after a place."""

type Ends = tuple[Id, Id]
"""The first and the last character of an anchor."""


@dataclass(frozen=True, slots=True)
class Anchored:
    """The place of a hunk's anchor.

    `ends` is None when it is orphaned; `exact` is its status; `before` and `after` are what stood
    beside it when it was made, in code units.
    """

    ends: Ends | None
    exact: bool
    before: str
    after: str

    def is_sure(self, text: str, place: tuple[int, int]) -> bool:
        """Whether it is at *place* for certain.

        Words that came back are known by what is beside them, on both sides, where nothing else
        reads so.
        """
        if self.exact:
            return True
        start, end = place
        known = self.before + text[start:end] + self.after
        begin = start - len(self.before)
        return begin >= 0 and text.startswith(known, begin) and text.count(known) == 1


@dataclass(frozen=True, slots=True)
class Waiting:
    """A hunk that is not in the text: what it says, and the anchor on its words."""

    number: int
    kind: HunkKind
    side: Literal["before", "after"]
    base: str
    text: str
    anchor: Anchored


@dataclass(frozen=True, slots=True)
class Wrote:
    """The change that applying a hunk made: `base`, whole words of its anchor, became `text`.

    Around them `head` and `tail` code units of the anchor's `words` stayed. `applied` is None where
    the words read so already. `beside` are the characters before and after what no anchor can
    stand on, the nearest first.
    """

    kind: Literal["replace", "insert", "delete"]
    base: str
    text: str
    words: str
    head: int
    tail: int
    applied: Applied | None
    beside: Sides = field(default_factory=lambda: ([], []))

    def as_json(self) -> dict[str, Any]:
        """Return it as a column of a table holds it."""
        own = {name: getattr(self, name) for name in _WROTE_FIELDS}
        applied = self.applied.as_json() if self.applied else None
        return own | {"applied": applied, "beside": self.beside}

    @staticmethod
    def from_json(held: dict[str, Any]) -> "Wrote":
        """Return what `as_json` returned."""
        applied = Applied.from_json(held["applied"]) if held["applied"] else None
        before, after = ([(client, clock) for client, clock in side] for side in held["beside"])
        own = {name: held[name] for name in _WROTE_FIELDS}
        return Wrote(**own, applied=applied, beside=(before, after))


_WROTE_FIELDS = ("kind", "base", "text", "words", "head", "tail")


@dataclass(frozen=True, slots=True)
class Written:
    """A hunk that is in the text: what it changed there, and an anchor on what it wrote, if any."""

    number: int
    wrote: Wrote
    anchor: Anchored | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a patch at a version of the text: an edit, if any, and its conflicts.

    `landed` are the hunks of the edit, by number, with what they change. `written` is where anchors
    on what they wrote can stand after it, `words` where those on their own words can.
    """

    plan: Plan | None
    clashes: list[Clash]
    landed: dict[int, Wrote] = field(default_factory=dict[int, Wrote])
    written: dict[int, Stood] = field(default_factory=dict[int, Stood])
    words: dict[int, Stood] = field(default_factory=dict[int, Stood])


@dataclass(frozen=True, slots=True)
class Place:
    """From where to where in a text something else comes, and what."""

    start: int
    end: int
    text: str

    @staticmethod
    def of(start: int, base: str, text: str) -> "Place":
        """Return the place of the words *base*, which become *text*."""
        return Place(start, start + len(units(base)), text)

    @property
    def grown(self) -> int:
        """How much longer the text becomes."""
        return len(units(self.text)) - (self.end - self.start)


def region(place: Place) -> Region:
    return place.start, place.end, place.text


def moved_starts(places: Iterable[Place]) -> Iterator[int]:
    """Yield where *places* begin once all of them are changed."""
    moved = 0
    for one in places:
        yield one.start + moved
        moved += one.grown


def note(found: dict[int, Stood], number: int, stood: Stood | None) -> None:
    if stood is not None:
        found[number] = stood


def stood_on(view: View, start: int, end: int) -> Stood | None:
    if end <= start:
        return None
    target = AnchorTarget(range=TextRange.model_validate({"from": start, "to": end}))
    found = view.stand(target)
    return found if isinstance(found, Stood) else None


def ends_of(view: View, start: int, end: int) -> Ends | None:
    """Return the characters that stand just from *start* to *end* of the text; None for none."""
    stood = stood_on(view, start, end)
    if stood is None or view.range_of(stood.first, stood.last) != (start, end):
        return None
    return stood.first, stood.last


def beside(view: View, start: int, end: int) -> Sides:
    """Return characters before and after a stretch, the nearest first, as far as its line goes."""
    before = view.text[max(0, start - BESIDE_CHARS) : start].rpartition("\n")[2]
    after = view.text[end : end + BESIDE_CHARS].partition("\n")[0]
    places = (range(start - 1, start - len(before) - 1, -1), range(end, end + len(after)))
    first, second = (
        [ends[0] for at in side if (ends := ends_of(view, at, at + 1)) is not None]
        for side in places
    )
    return first, second
