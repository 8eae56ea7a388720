"""Finding the hits of a refactor in a scene and making their edit: work for `workers`."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from libs.contracts.collab.anchors import CONTEXT_CHARS
from libs.contracts.collab.refactors import HITS_OF_SCENE_MAX, RefactorHunk
from services.collab.review.anchors.view import Refused, SceneAt, Stood, View, view_of
from services.collab.review.hunks import planning
from services.collab.review.hunks.planning import Hunk, HunkKind, Planned, Side
from services.collab.review.refactors.finder import Doubt, Occurrence, Rules, Term, find, replaced
from services.collab.review.structs import units, whole

NOT_TEXT = "not_text"
"""Why a hit cannot be changed: its words belong to no text, as those of a label."""


@dataclass(frozen=True, slots=True)
class FoundHit:
    """A place in a text, the words there, and those that take their place.

    Nothing stands for a hit that has no place; *reason* says why then.
    """

    stood: Stood | None
    base: str
    text: str
    before: str
    after: str
    sure: bool
    reason: str | None
    kind: HunkKind = "replace"
    side: Side = "after"


@dataclass(frozen=True, slots=True)
class FoundField:
    """A field in which terms stand: its value, and the value that takes its place."""

    field: str
    old: Any
    new: Any
    sure: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class FoundScene:
    """The hits of a scene, in order, and the edit that makes those that are sure.

    *planned* has a result for each sure hit; None when none is. *left_out* counts doubtful hits
    beyond the limit.
    """

    hits: list[FoundHit]
    fields: list[FoundField]
    left_out: int
    planned: Planned | None


def find_hits(
    at: SceneAt, terms: Sequence[Term], rules: Rules, fields: Mapping[str, Any], client: int
) -> FoundScene:
    """Find *terms* in a scene and in *fields* of it.

    Raises:
        BadUpdate: The state cannot be read.
    """
    view = view_of(at.scene, at.seq, at.state, at.editor)
    text = whole(view.text)
    found = find(text, terms, rules)
    kept = _kept(found)
    place = _places(text)
    hits = [_hit(view, one, place(one.start), place(one.end)) for one in kept]
    changed = [
        change
        for name, value in fields.items()
        if value and (change := find_in_field(name, value, terms, rules))
    ]
    return FoundScene(hits, changed, len(found) - len(kept), _planned(at, hits, client))


def find_hunks(at: SceneAt, hunks: Sequence[bytes], client: int) -> FoundScene:
    """Find places for *hunks*, each a RefactorHunk as JSON; nothing is guessed.

    Raises:
        BadUpdate: The state cannot be read.
    """
    view = view_of(at.scene, at.seq, at.state, at.editor)
    hits: list[FoundHit] = []
    for given in hunks:
        hunk = RefactorHunk.model_validate_json(given)
        stood = view.stand(hunk.anchor)
        if isinstance(stood, Refused):
            words = hunk.anchor.quote or ""
            hit = FoundHit(
                None, words, hunk.text, "", "", False, stood.reason, hunk.kind, hunk.side
            )
        else:
            hit = _on(stood, hunk.text, None)
            hit = replace(hit, kind=hunk.kind, side=hunk.side)
        hits.append(hit)
    return FoundScene(hits, [], 0, _planned(at, hits, client))


def find_in_field(
    name: str, value: str | list[str], terms: Sequence[Term], rules: Rules
) -> FoundField | None:
    """Return what becomes of a field in which terms stand; sure ones go before doubtful ones."""
    if isinstance(value, list):
        own = [find_in_field(name, one, terms, rules) for one in value]
        if not any(own):
            return None
        new = [each.new if each else old for each, old in zip(own, value, strict=True)]
        return FoundField(name, value, new, all(each.sure for each in own if each), None)
    found = find(value, terms, rules)
    sure = [one for one in found if one.sure]
    if sure:
        return FoundField(name, value, replaced(value, sure), True, None)
    if found:
        return FoundField(name, value, replaced(value, found), False, found[0].doubt)
    return None


def _kept(found: Sequence[Occurrence]) -> list[Occurrence]:
    if len(found) <= HITS_OF_SCENE_MAX:
        return list(found)
    first = sorted(found, key=lambda one: not one.sure)[:HITS_OF_SCENE_MAX]
    return sorted(first, key=lambda one: one.start)


def _places(text: str) -> Callable[[int], int]:
    """Return a function from characters of *text* to UTF-16 code units."""
    if text.isascii():
        return int
    wide = [at for at, each in enumerate(text) if ord(each) > 0xFFFF]

    def place(at: int) -> int:
        return at + bisect_right(wide, at - 1)

    return place


def _hit(view: View, one: Occurrence, start: int, end: int) -> FoundHit:
    stood = view.on_text(start, end)
    if isinstance(stood, Refused) or stood.quote != units(one.quote):
        before = whole(view.text[max(0, start - CONTEXT_CHARS) : start])
        after = whole(view.text[end : end + CONTEXT_CHARS])
        return FoundHit(None, one.quote, one.text, before, after, False, NOT_TEXT)
    return _on(stood, one.text, one.doubt)


def _on(stood: Stood, text: str, doubt: Doubt | None) -> FoundHit:
    base, before, after = whole(stood.quote), whole(stood.before), whole(stood.after)
    return FoundHit(stood, base, text, before, after, doubt is None, doubt)


def _planned(at: SceneAt, hits: Sequence[FoundHit], client: int) -> Planned | None:
    hunks = [
        Hunk(hit.stood.first, hit.stood.last, hit.base, hit.text, hit.kind, hit.side)
        for hit in hits
        if hit.stood and hit.sure
    ]
    return planning.apply(at, hunks, client) if hunks else None
