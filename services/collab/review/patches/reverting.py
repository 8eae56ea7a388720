"""Edits that take the hunks of a patch back: work for `workers`. No I/O."""

from collections.abc import Iterator, Sequence

from libs.contracts.collab.patches import ConflictReason
from services.collab import updates
from services.collab.review.anchors.view import SceneAt, View, view_of
from services.collab.review.hunks import planning
from services.collab.review.hunks.planning import Applied, Differs, Hunk
from services.collab.review.patches.planned import (
    Outcome,
    Place,
    Written,
    Wrote,
    beside,
    moved_starts,
    note,
    region,
    stood_on,
)
from services.collab.review.patches.rebase import Clash, outcome
from services.collab.review.structs import units, whole

BESIDE_CHARS_MIN = 4
"""So much text on one side, but for a letter, tells that it is still beside deleted words."""

_NOWHERE = (0, 0)
"""Taking a hunk back does not ask where its anchor is."""


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
                note(found.words, hunk.number, stood_on(after, first, last))
    return found


def _still(view: View, hunk: Written) -> Applied | Clash | None:
    """Return what a hunk wrote as it is now; None when there is nothing to take back."""
    wrote = hunk.wrote
    if wrote.applied is None:
        return None
    if hunk.anchor is None:
        if _is_cut_off(view, wrote, wrote.applied):
            return Clash(hunk.number, ConflictReason.GONE, None)
        return wrote.applied
    ends = hunk.anchor.ends
    place = view.range_of(*ends) if ends else None
    if ends is None or place is None:
        return Clash(hunk.number, ConflictReason.GONE, None)
    words = whole(view.text[slice(*place)])
    if not hunk.anchor.is_sure(view.text, place):
        return Clash(hunk.number, ConflictReason.UNCERTAIN, words)
    if _written_at(view, hunk) is None:
        return Clash(hunk.number, ConflictReason.CHANGED, words)
    pieces = view.between(*ends)
    return Applied(pieces or [], wrote.applied.deleted, wrote.applied.place)


def _is_cut_off(view: View, wrote: Wrote, applied: Applied) -> bool:
    """Whether what was beside deleted words, or beside line ends that came, is elsewhere now.

    Editors that split a block write a part of it anew in another one, and leave deleted words
    behind. A letter or two of what was beside them may stay there by chance.
    """
    if wrote.text:
        start = view.start_at(*applied.place) if applied.place else None
        if start is None:
            return True
        now = beside(view, start, start + len(wrote.text))
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
    ends = hunk.anchor.ends if hunk.anchor else None
    place = view.range_of(*ends) if ends else None
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
    places: list[Place] = []
    moved = 0
    for (hunk, _, _), now in zip(made, results, strict=True):
        assert isinstance(now, Applied)
        start = _start(views, hunk, now, moved)
        if start is None:
            return
        places.append(Place.of(start, hunk.wrote.text, hunk.wrote.base))
        moved += places[-1].grown
    if after.text == outcome(before.text, map(region, places)):
        yield from zip((hunk for hunk, _, _ in made), moved_starts(places), strict=True)


def _start(views: tuple[View, View], hunk: Written, now: Applied, moved: int) -> int | None:
    """Return where in the text before a hunk was taken back the text begins that it wrote.

    Where it wrote nothing, that is where its words are in the text after, *moved* back.
    """
    before, after = views
    if hunk.anchor is not None:
        return _written_at(before, hunk)
    if now.place is not None:
        start = after.start_at(*now.place)
    else:
        place = after.span_of(now.inserted)
        start = place[0] if place else None
    return None if start is None else start - moved
