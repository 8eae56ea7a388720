"""Placing carried anchors in the text of a copy: work for `workers`.

The text of a copy has the characters of its source under the same ids, so an anchor stands on them
again. Where none of them is there, as in a text that was written anew, its words with what stood on
both sides decide, in one single place; nothing is guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from libs.contracts.collab.anchors import AnchorStatus, AnchorTarget
from libs.contracts.collab.conversations import (
    CarriedAnchor,
    CarriedChange,
    CarriedHunk,
    CarriedSuggestion,
)
from libs.contracts.collab.suggestions import SuggestionStatus
from services.collab.review.anchors.model import Piece
from services.collab.review.anchors.view import SceneAt, Stood, View, grams_of, view_of
from services.collab.review.rich.planning import checked
from services.collab.review.structs import Id, units


@dataclass(frozen=True, slots=True)
class Standing:
    """The place of an anchor in the copy."""

    status: AnchorStatus
    first: Id | None
    last: Id | None
    pieces: list[Piece]
    grams: list[int]


def stand_again(
    at: SceneAt, anchors: Sequence[bytes], suggestions: Sequence[bytes], hunks: Sequence[bytes]
) -> tuple[list[Standing], list[dict[str, Any] | None], list[dict[str, Any] | None]]:
    """Return where *anchors* stand, and what is true in the copy of what was written.

    That is what *suggestions* and *hunks* wrote, as their tables hold it; None for nothing.

    Raises:
        BadUpdate: The state cannot be read.
        BadContent: A suggestion has blocks that are none.
    """
    view = view_of(at.scene, at.seq, at.state, at.editor)
    return (
        [_standing(view, CarriedAnchor.model_validate_json(each)) for each in anchors],
        [_applied(view, CarriedSuggestion.model_validate_json(each)) for each in suggestions],
        [_wrote(view, CarriedHunk.model_validate_json(each)) for each in hunks],
    )


def _standing(view: View, anchor: CarriedAnchor) -> Standing:
    grams = grams_of(units(anchor.before), units(anchor.after))
    if anchor.status is AnchorStatus.ORPHANED:
        near = anchor.near if anchor.near and view.living([(*anchor.near, 1)]) else None
        return Standing(AnchorStatus.ORPHANED, near, near, [], grams)
    living = view.living(anchor.pieces)
    if living:
        whole = sum(size for _, _, size in living) == sum(size for _, _, size in anchor.pieces)
        own = _is_part(view.words_of(living), anchor.quote)
        exact = anchor.status is AnchorStatus.EXACT and whole and own
        return _on(living, AnchorStatus.EXACT if exact else AnchorStatus.RECOVERED, grams)
    target = AnchorTarget(quote=anchor.quote, prefix=anchor.before, suffix=anchor.after)
    found = view.stand(target)
    if isinstance(found, Stood):
        return _on(found.pieces, AnchorStatus.RECOVERED, grams)
    return Standing(AnchorStatus.ORPHANED, None, None, [], grams)


def _on(pieces: list[Piece], status: AnchorStatus, grams: list[int]) -> Standing:
    client, clock, size = pieces[-1]
    return Standing(status, pieces[0][:2], (client, clock + size - 1), pieces, grams)


def _applied(view: View, suggestion: CarriedSuggestion) -> dict[str, Any] | None:
    """Return a suggestion's `applied`: characters of its own text that live, and its place.

    What it deleted is in no copy, so it is left out; reverting it then needs what it wrote.
    """
    if suggestion.blocks is not None:
        checked(suggestion.blocks)
    change: CarriedChange | None = suggestion.applied
    if change is None:
        return None
    if suggestion.blocks is not None or suggestion.attributes is not None:
        # The formatting that was there before is in no copy.
        return {"inserted": [], "deleted": [], "place": None, "copied": True}
    if suggestion.status is SuggestionStatus.ACCEPTED:
        return _change(view, change, suggestion.text)
    return {"inserted": change.inserted, "deleted": [], "place": _living_place(view, change)}


def _wrote(view: View, hunk: CarriedHunk) -> dict[str, Any] | None:
    """Return a hunk's `applied`; None when it is not in the text."""
    wrote = hunk.wrote
    if wrote is None:
        return None
    return {
        "kind": wrote.change,
        "base": wrote.base,
        "text": wrote.text,
        "words": wrote.words,
        "head": wrote.head,
        "tail": wrote.tail,
        "applied": _change(view, wrote.applied, wrote.text) if wrote.applied else None,
        "beside": (wrote.before, wrote.after),
    }


def _change(view: View, change: CarriedChange, text: str) -> dict[str, Any]:
    """Return the characters of *text* that were written and live, and their place."""
    inserted = view.living(change.inserted)
    if not _is_part(view.words_of(inserted), text):
        inserted = []  # otherwise reverting it would delete words that it never wrote
    return {"inserted": inserted, "deleted": [], "place": _living_place(view, change)}


def _living_place(view: View, change: CarriedChange) -> tuple[Id | None, str] | None:
    place = change.place
    if place and place[0] is not None and not view.living([(*place[0], 1)]):
        return None
    return place


def _is_part(words: str, text: str) -> bool:
    """Return whether *words*, in code units, are characters of *text* in its order."""
    rest = iter(units(text))
    return all(character in rest for character in words)
