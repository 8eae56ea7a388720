"""Which edit applies or reverts the hunks of a patch: work for `workers`. No I/O.

The edit is made by `review.hunks`; here it is decided which hunks land (`rebase`), and the edit is
checked: the text that it leads to is the text that the hunks say, or nothing is written.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from libs.contracts.collab.anchors import AnchorTarget, TextRange
from libs.contracts.collab.patches import ConflictReason, HunkKind, RebaseStrategy
from services.collab import updates
from services.collab.review.anchors.view import SceneAt, Stood, View, view_of
from services.collab.review.hunks import planning
from services.collab.review.hunks.planning import Applied, Differs, Hunk, Plan
from services.collab.review.patches.rebase import (
    Clash,
    Landing,
    Rebased,
    Region,
    Standing,
    outcome,
    rebase,
)
from services.collab.review.structs import Id, units, whole

SIDE_CHARS_MIN = 16
"""Text on one side by which words that came back are known to be where they were."""

BESIDE_CHARS = 8
"""Of what stands on each side of deleted words, remembered to put them back there."""
BESIDE_CHARS_MIN = 4
"""So much text on one side, but for a letter, tells that it is still beside deleted words."""

_LOW_HALVES = frozenset(map(chr, range(0xDC00, 0xE000)))
"""Second halves of characters of two code units."""

type Sides = tuple[list[Id], list[Id]]
"""Characters before and after a place."""

type Ends = tuple[Id, Id]
"""The first and the last character of an anchor."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A hunk that is not in the text: what it says, and its anchor.

    `ends` is None when the anchor is orphaned; `exact` is its status; `before` and `after` are
    what stood beside it, in code units.
    """

    number: int
    kind: HunkKind
    side: Literal["before", "after"]
    base: str
    text: str
    ends: Ends | None
    exact: bool
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Wrote:
    """What applying a hunk changed: `base`, whole words of its anchor, became `text`.

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
    """A hunk that is in the text: what it changed there, and the anchor on what it wrote.

    `ends` is None when that anchor is orphaned, or when there is none, which `anchored` tells.
    """

    number: int
    wrote: Wrote
    anchored: bool
    ends: Ends | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a patch at a version of the text: an edit, if any, and what is in its way.

    `landed` are the hunks of the edit, by number, with what they change. `written` is where anchors
    on what they wrote can stand after it, `words` where those on their own words can.
    """

    plan: Plan | None
    clashes: list[Clash]
    landed: dict[int, Wrote] = field(default_factory=dict[int, Wrote])
    written: dict[int, Stood] = field(default_factory=dict[int, Stood])
    words: dict[int, Stood] = field(default_factory=dict[int, Stood])


def look(at: SceneAt, hunks: Sequence[Waiting]) -> Rebased:
    """Return where *hunks* land now.

    Raises:
        BadUpdate: The state cannot be read.
    """
    view = view_of(at.scene, at.seq, at.state, at.editor)
    return rebase(view.text, [_standing(view, hunk) for hunk in hunks])


def apply(
    at: SceneAt, hunks: Sequence[Waiting], client: int, strategy: RebaseStrategy | None = None
) -> Outcome:
    """Return the edit that applies *hunks*; none when some clash, unless *strategy* is `merge`.

    *client* is the Yjs client that writes; it must not have written anything in the scene.

    Raises:
        BadUpdate: The state cannot be read.
    """
    view = view_of(at.scene, at.seq, at.state, at.editor)
    standing = [_standing(view, hunk) for hunk in hunks]
    rebased = rebase(view.text, standing, override=strategy == RebaseStrategy.OVERRIDE)
    landings = rebased.landings
    if not landings or (rebased.clashes and strategy != RebaseStrategy.MERGE):
        return Outcome(None, rebased.clashes)
    by_number = {hunk.number: hunk for hunk in hunks}
    changes = [_change(view, one, by_number[one.number]) for one in landings]
    made = [hunk for hunk, _ in changes if hunk is not None]
    planned = planning.apply(at, made, client)
    after = View(updates.merge([at.state, planned.plan.edit.update]), at.editor)
    places = [
        _Place.of(one.place[0] + wrote.head, wrote.base, wrote.text)
        for one, (_, wrote) in zip(landings, changes, strict=True)
    ]
    if planned.differing or after.text != outcome(view.text, map(_region, places)):
        unfit = [Clash(one.number, ConflictReason.UNFIT, one.words) for one in landings]
        return Outcome(None, sorted([*rebased.clashes, *unfit], key=lambda one: one.number))
    results = iter(planned.results)
    found = Outcome(planned.plan, rebased.clashes)
    for landing, (hunk, wrote), start in zip(landings, changes, _moved(places), strict=True):
        applied = next(results) if hunk is not None else None
        assert not isinstance(applied, Differs)
        size = len(units(wrote.text))
        stood = _stood(after, start, start + size)
        beside: Sides = ([], []) if stood else _beside(after, start, start + size)
        found.landed[landing.number] = replace(wrote, applied=applied, beside=beside)
        _note(found.written, landing.number, stood)
        if landing.inserts and not planned.plan.precise:
            # Words that were written anew with their block are the same words.
            first = start - wrote.head if wrote.head else start + size
            last = first + wrote.head + wrote.tail
            _note(found.words, landing.number, _stood(after, first, last))
    return found


def revert(at: SceneAt, hunks: Sequence[Written], client: int) -> Outcome:
    """Return the edit that takes *hunks* back; none when somebody changed what they wrote.

    *client* and errors are as for `apply`.
    """
    view = view_of(at.scene, at.seq, at.state, at.editor)
    clashes: list[Clash] = []
    made: list[tuple[Written, Hunk, Applied]] = []
    for hunk in hunks:
        applied = _still(view, hunk)
        if isinstance(applied, Clash):
            clashes.append(applied)
        elif applied is not None:
            one = hunk.wrote
            made.append((hunk, Hunk(_NOWHERE, _NOWHERE, one.base, one.text, one.kind), applied))
    if clashes:
        return Outcome(None, clashes)
    planned = planning.revert(at, [each[1] for each in made], [each[2] for each in made], client)
    for (hunk, _, _), result in zip(made, planned.results, strict=True):
        if isinstance(result, Differs):
            reason = ConflictReason.GONE if result.now is None else ConflictReason.CHANGED
            clashes.append(Clash(hunk.number, reason, result.now))
    after = View(updates.merge([at.state, planned.plan.edit.update]), at.editor)
    grown = sum(len(units(hunk.wrote.base)) - len(units(hunk.wrote.text)) for hunk, _, _ in made)
    if not clashes and len(after.text) != len(view.text) + grown:
        clashes = [Clash(hunk.number, ConflictReason.UNFIT, None) for hunk, _, _ in made]
    if clashes:
        return Outcome(None, clashes)
    found = Outcome(planned.plan, [], {hunk.number: hunk.wrote for hunk in hunks})
    for hunk, start in _back((view, after), made, planned.results):
        wrote = hunk.wrote
        if wrote.kind != "insert" or not planned.plan.precise:
            first = start - wrote.head
            last = start + len(units(wrote.base)) + wrote.tail
            if after.text[max(first, 0) : last] == units(wrote.words):
                _note(found.words, hunk.number, _stood(after, first, last))
    return found


_NOWHERE = (0, 0)
"""Taking a hunk back does not ask where its anchor is."""


@dataclass(frozen=True, slots=True)
class _Place:
    """From where to where in a text something else comes, and what."""

    start: int
    end: int
    text: str

    @staticmethod
    def of(start: int, base: str, text: str) -> "_Place":
        """Return the place of the words *base*, which become *text*."""
        return _Place(start, start + len(units(base)), text)

    @property
    def grown(self) -> int:
        """How much longer the text becomes."""
        return len(units(self.text)) - (self.end - self.start)


def _region(place: _Place) -> Region:
    return place.start, place.end, place.text


def _moved(places: Iterable[_Place]) -> Iterator[int]:
    """Yield where *places* begin once all of them are changed."""
    moved = 0
    for one in places:
        yield one.start + moved
        moved += one.grown


def _note(found: dict[int, Stood], number: int, stood: Stood | None) -> None:
    if stood is not None:
        found[number] = stood


def _standing(view: View, hunk: Waiting) -> Standing:
    place = view.range_of(*hunk.ends) if hunk.ends else None
    sure = hunk.exact or (place is not None and _is_known_again(view.text, hunk, place))
    return Standing(
        hunk.number,
        hunk.kind,
        hunk.side,
        hunk.base,
        hunk.text,
        place,
        sure,
        before=hunk.before,
        after=hunk.after,
    )


def _is_known_again(text: str, hunk: Waiting, place: tuple[int, int]) -> bool:
    """Whether there stands beside words that came back what stood beside them."""
    start, end = place
    before = text[max(0, start - len(hunk.before)) : start] == hunk.before
    after = text[end : end + len(hunk.after)] == hunk.after
    if before and after:
        return True
    return (before and len(hunk.before) >= SIDE_CHARS_MIN) or (
        after and len(hunk.after) >= SIDE_CHARS_MIN
    )


def _change(view: View, landing: Landing, hunk: Waiting) -> tuple[Hunk | None, Wrote]:
    """Return the change that a hunk makes, and what is kept of it; no change where it reads so."""
    words, (first, last) = landing.words, landing.place
    core = Wrote(
        kind="insert",
        base=whole(view.text[landing.start : landing.end]),
        text=landing.text,
        words=words,
        head=landing.start - first,
        tail=last - landing.end,
        applied=None,
    )
    if not core.base:
        if not core.text:
            return None, core
        beside = _inserting(view, landing)
        if beside is not None:
            return beside, core
        if landing.inserts:
            return Hunk(*_all(view, landing, hunk), words, core.text, "insert", hunk.side), core
    elif (ends := _one_line(view, landing)) is not None:
        core = replace(core, kind="replace" if core.text else "delete")
        return Hunk(*ends, core.base, core.text, core.kind), core
    kind = "replace" if landing.result else "delete"
    every = replace(core, kind=kind, base=words, text=landing.result, head=0, tail=0)
    return Hunk(*_all(view, landing, hunk), words, landing.result, kind), every


def _all(view: View, landing: Landing, hunk: Waiting) -> Ends:
    """Return the characters of all words of a hunk."""
    ends = _ends(view, *landing.place) or hunk.ends
    assert ends is not None
    return ends


def _one_line(view: View, landing: Landing) -> Ends | None:
    """Return the characters that a hunk replaces within a line; None where it changes lines."""
    if "\n" in view.text[landing.start : landing.end] + landing.text:
        return None
    return _ends(view, landing.start, landing.end)


def _inserting(view: View, landing: Landing) -> Hunk | None:
    """Return an insertion right after the character before its place; None without one there."""
    text, end = view.text, landing.start
    start = end - (2 if text[end - 1 : end] in _LOW_HALVES else 1)
    if start < 0 or text[start] == "\n":
        return None
    ends = _ends(view, start, end)
    return Hunk(*ends, whole(text[start:end]), landing.text, "insert") if ends else None


def _ends(view: View, start: int, end: int) -> Ends | None:
    """Return the characters that stand just from *start* to *end* of the text; None for none."""
    stood = _stood(view, start, end)
    if stood is None or view.range_of(stood.first, stood.last) != (start, end):
        return None
    return stood.first, stood.last


def _stood(view: View, start: int, end: int) -> Stood | None:
    if end <= start:
        return None
    target = AnchorTarget(range=TextRange.model_validate({"from": start, "to": end}))
    found = view.stand(target)
    return found if isinstance(found, Stood) else None


def _still(view: View, hunk: Written) -> Applied | Clash | None:
    """Return what a hunk wrote as it is now; None when there is nothing to take back."""
    wrote = hunk.wrote
    if wrote.applied is None:
        return None
    if not hunk.anchored:
        if _is_cut_off(view, wrote, wrote.applied):
            return Clash(hunk.number, ConflictReason.GONE, None)
        return wrote.applied
    place = view.range_of(*hunk.ends) if hunk.ends else None
    if hunk.ends is None or place is None:
        return Clash(hunk.number, ConflictReason.GONE, None)
    if _written_at(view, hunk) is None:
        return Clash(hunk.number, ConflictReason.CHANGED, whole(view.text[slice(*place)]))
    pieces = view.between(*hunk.ends)
    return Applied(pieces or [], wrote.applied.deleted, wrote.applied.place)


def _beside(view: View, start: int, end: int) -> Sides:
    """Return characters before and after a stretch, the nearest first, as far as its line goes."""
    before = view.text[max(0, start - BESIDE_CHARS) : start].rpartition("\n")[2]
    after = view.text[end : end + BESIDE_CHARS].partition("\n")[0]
    places = (range(start - 1, start - len(before) - 1, -1), range(end, end + len(after)))
    first, second = (
        [ends[0] for at in side if (ends := _ends(view, at, at + 1)) is not None] for side in places
    )
    return first, second


def _is_cut_off(view: View, wrote: Wrote, applied: Applied) -> bool:
    """Whether what was beside deleted words, or beside line ends that came, is elsewhere now.

    Editors that split a block write a part of it anew in another one, and leave deleted words
    behind. A letter or two of what was beside them may stay there by chance.
    """
    if wrote.text:
        start = view.start_at(*applied.place) if applied.place else None
        if start is None:
            return True
        now = _beside(view, start, start + len(wrote.text))
        return any(was[:1] != side[:1] for was, side in zip(wrote.beside, now, strict=True))
    document = view.document
    places = [*wrote.beside[0][:1], *wrote.beside[1][:1]]
    if applied.place is None and applied.deleted:
        client, clock, size = applied.deleted[-1]
        places = [(client, clock + size - 1)]
    if not places:
        return False
    if not document.stands(places[0]):
        return True
    elements = document.around(places[0])[1]
    sides = [
        [document.shows(one) and document.around(one)[1] == elements for one in side]
        for side in wrote.beside
    ]
    if all(all(side) for side in sides):
        return False
    return not any(
        len(side) >= BESIDE_CHARS_MIN and side[0] and sum(side) >= len(side) - 1 for side in sides
    )


def _written_at(view: View, hunk: Written) -> int | None:
    """Return where the text begins that a hunk wrote; None if it is another one now.

    Line ends at its edges are not characters in every layout, so its anchor may not stand on them.
    """
    text = units(hunk.wrote.text)
    place = view.range_of(*hunk.ends) if hunk.ends else None
    if place is None:
        return None
    for start in (place[0], place[0] - len(text) + len(text.lstrip("\n"))):
        if start >= 0 and view.text.startswith(text, start) and place[1] <= start + len(text):
            return start
    return None


def _back(
    views: tuple[View, View],
    made: Sequence[tuple[Written, Hunk, Applied]],
    results: Sequence[Applied | Differs],
) -> Iterator[tuple[Written, int]]:
    """Yield hunks that were taken back, and where what they changed begins in the new text.

    None at all unless the new text is just the old one with all of them taken back.
    """
    before, after = views
    places: list[_Place] = []
    moved = 0
    for (hunk, _, _), now in zip(made, results, strict=True):
        assert isinstance(now, Applied)
        start = _start(views, hunk, now, moved)
        if start is None:
            return
        places.append(_Place.of(start, hunk.wrote.text, hunk.wrote.base))
        moved += places[-1].grown
    if after.text == outcome(before.text, map(_region, places)):
        yield from zip((hunk for hunk, _, _ in made), _moved(places), strict=True)


def _start(views: tuple[View, View], hunk: Written, now: Applied, moved: int) -> int | None:
    """Return where in the text before a hunk was taken back the text begins that it wrote.

    Where it wrote nothing, that is where its words are in the text after, *moved* back.
    """
    before, after = views
    if hunk.ends:
        return _written_at(before, hunk)
    if now.place is not None:
        start = after.start_at(*now.place)
    else:
        place = after.span_of(now.inserted)
        start = place[0] if place else None
    return None if start is None else start - moved
