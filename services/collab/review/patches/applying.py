"""Edits that apply the hunks of a patch: work for `workers`. No I/O.

The edit is made by `review.hunks`; here it is decided which hunks land (`rebase`), and the edit is
checked: the text that it leads to is the text that the hunks say, or nothing is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from libs.contracts.collab.patches import ConflictReason, RebaseStrategy
from services.collab import updates
from services.collab.review.anchors.view import SceneAt, View, view_of
from services.collab.review.hunks import planning
from services.collab.review.hunks.planning import Differs, Hunk
from services.collab.review.patches.planned import (
    Ends,
    Outcome,
    Place,
    Sides,
    Waiting,
    Wrote,
    beside,
    ends_of,
    moved_starts,
    note,
    region,
    stood_on,
)
from services.collab.review.patches.rebase import Clash, Landing, Rebased, Standing, outcome, rebase
from services.collab.review.structs import LOW_HALVES, units, whole


def look(at: SceneAt, hunks: Sequence[Waiting], *, override: bool = False) -> Rebased:
    """Return where *hunks* land now, whatever others made of their words with *override*.

    Raises:
        BadUpdate: The state cannot be read.
    """
    view = view_of(at.scene, at.seq, at.state, at.editor)
    standing = [_standing(view, hunk) for hunk in hunks]
    return rebase(view.text, standing, override=override)


def apply(
    at: SceneAt, hunks: Sequence[Waiting], client: int, strategy: RebaseStrategy | None = None
) -> Outcome:
    """Return the edit that applies *hunks*; none when some clash, unless *strategy* is `merge`.

    *client* is the Yjs client that writes; it must not have written anything in the scene.

    Raises:
        BadUpdate: The state cannot be read.
    """
    rebased = look(at, hunks, override=strategy == RebaseStrategy.OVERRIDE)
    clashes: list[Clash] = rebased.clashes
    landings: list[Landing] = rebased.landings
    by_number = {hunk.number: hunk for hunk in hunks}
    while landings and (not clashes or strategy == RebaseStrategy.MERGE):
        found, unfit = _landed(at, landings, by_number, client)
        if found is not None:
            return replace(found, clashes=clashes)
        clashes = sorted([*clashes, *unfit], key=lambda one: one.number)
        left_out = {clash.number for clash in unfit}
        landings = [one for one in landings if one.number not in left_out]
    return Outcome(None, clashes)


def _landed(
    at: SceneAt, landings: Sequence[Landing], hunks: Mapping[int, Waiting], client: int
) -> tuple[Outcome | None, list[Clash]]:
    """Return the edit that makes all of *landings*, or those for which there is no room."""
    view = view_of(at.scene, at.seq, at.state, at.editor)
    changes = [_change(view, one, hunks[one.number]) for one in landings]
    planned = planning.apply(at, [hunk for hunk, _ in changes if hunk is not None], client)
    results = iter(planned.results)
    wrote = [(one, next(results) if hunk is not None else None) for hunk, one in changes]
    unfit = [
        Clash(landing.number, ConflictReason.UNFIT, landing.words)
        for landing, (_, result) in zip(landings, wrote, strict=True)
        if isinstance(result, Differs)
    ]
    if unfit:
        return None, unfit
    after = View(updates.merge([at.state, planned.plan.edit.update]), at.editor)
    places = [
        Place.of(landing.place[0] + one.head, one.base, one.text)
        for landing, (one, _) in zip(landings, wrote, strict=True)
    ]
    if after.text != outcome(view.text, map(region, places)):
        return None, [Clash(one.number, ConflictReason.UNFIT, one.words) for one in landings]
    found = Outcome(planned.plan, [])
    for landing, (one, result), start in zip(landings, wrote, moved_starts(places), strict=True):
        assert not isinstance(result, Differs)
        end = start + len(units(one.text))
        stood = stood_on(after, start, end)
        sides: Sides = ([], []) if stood else beside(after, start, end)
        found.landed[landing.number] = replace(one, applied=result, beside=sides)
        note(found.written, landing.number, stood)
        if landing.inserts and not planned.plan.precise:
            # Words that were written anew with their block are the same words.
            first = start - one.head if one.head else end
            last = first + one.head + one.tail
            note(found.words, landing.number, stood_on(after, first, last))
    return found, []


def _standing(view: View, hunk: Waiting) -> Standing:
    ends = hunk.anchor.ends
    place = view.range_of(*ends) if ends else None
    sure = place is not None and hunk.anchor.is_sure(view.text, place)
    return Standing(
        hunk.number,
        hunk.kind,
        hunk.side,
        hunk.base,
        hunk.text,
        place,
        sure,
        before=hunk.anchor.before,
        after=hunk.anchor.after,
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
    ends = ends_of(view, *landing.place) or hunk.anchor.ends
    assert ends is not None
    return ends


def _one_line(view: View, landing: Landing) -> Ends | None:
    """Return the characters that a hunk replaces within a line; None where it changes lines."""
    if "\n" in view.text[landing.start : landing.end] + landing.text:
        return None
    return ends_of(view, landing.start, landing.end)


def _inserting(view: View, landing: Landing) -> Hunk | None:
    """Return an insertion right after the character before its place; None without one there."""
    text, end = view.text, landing.start
    start = end - (2 if text[end - 1 : end] in LOW_HALVES else 1)
    if start < 0 or text[start] == "\n":
        return None
    ends = ends_of(view, start, end)
    return Hunk(*ends, whole(text[start:end]), landing.text, "insert") if ends else None
