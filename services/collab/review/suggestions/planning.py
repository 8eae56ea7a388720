"""Which edit accepts or reverts a suggestion: work for `workers`. No I/O.

Where it changes words within one block, the edit names the very characters by their ids
(`review.edits`), so what is written elsewhere meanwhile does not matter. Where it makes, splits or
joins blocks, the scene is written anew as for any other text, by the rules of its editor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from libs.contracts.collab.content import ContentFormat
from services.collab import formats
from services.collab.review import structs
from services.collab.review.anchors.model import Piece, ids_in, pieces_of
from services.collab.review.anchors.view import SceneAt, View, view_of
from services.collab.review.edits import Edit, replacement
from services.collab.review.structs import Id, units, whole

_WITH_TEXT_NODES = frozenset({"lexical"})
"""Editors whose text stands in nodes of its own, which must not be left empty."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a suggestion does with the text from *first* to *last*."""

    first: Id
    last: Id
    base: str
    text: str
    kind: Literal["replace", "insert", "delete"]
    side: Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Plan:
    """An edit, and whether it stays right when something else is written before it is stored."""

    edit: Edit
    precise: bool


@dataclass(frozen=True, slots=True)
class Differs:
    """The words are not those that the suggestion was made for."""

    now: str | None
    """What stands there; None when nothing does."""


def accept(at: SceneAt, change: Change, client: int) -> Plan | Differs:
    """Return the edit that makes a change, or what is in its way.

    Raises:
        CannotHold: The editor of the scene has no room for the new text.
        BadUpdate: The state cannot be read.
    """
    view = view_of(at.scene, at.seq, at.state, at.editor)
    place = view.range_of(change.first, change.last)
    if place is None:
        return Differs(None)
    start, end = place
    if view.text[start:end] != units(change.base):
        return Differs(whole(view.text[start:end]))
    pieces = view.between(change.first, change.last)
    assert pieces
    gone = [] if change.kind == "insert" else pieces
    before = change.kind == "insert" and change.side == "before"
    if not before and _is_one_line(view, pieces, change.text):
        after = change.last
        edit = replacement(view.document, gone, change.text, after=after, client=client)
        return Plan(edit, precise=True)
    if change.kind == "insert":
        start = end = start if before else end
    return _rewritten(view, at, (start, end), change.text)


def revert(
    at: SceneAt,
    change: Change,
    client: int,
    applied: tuple[Sequence[Piece], Sequence[Piece]],
) -> Plan | Differs:
    """Return the edit that takes an accepted change back; what others wrote since stays.

    *applied* are the characters that accepting it wrote and deleted. Raises as `accept`.
    """
    view = view_of(at.scene, at.seq, at.state, at.editor)
    inserted, deleted = applied
    living = pieces_of(ident for ident in ids_in(inserted) if view.document.shows(ident))
    base = "" if change.kind == "insert" else change.base
    after = _place_for(view, living, inserted, deleted)
    if after is None and base:
        return Differs(None)
    one_line = "\n" not in change.text and "\n" not in base and view.lens not in _WITH_TEXT_NODES
    if one_line:
        if after is None:
            return Plan(Edit(b"\0\0", [], [], []), precise=True)
        edit = replacement(view.document, living, base, after=after, client=client)
        return Plan(edit, precise=True)
    place = view.span_of(living)
    if place is None:
        return Differs(None)
    found = _nearest(view.text, units(change.text), place)
    if found is None:
        return Differs(whole(view.text[place[0] : place[1]]))
    return _rewritten(view, at, (found, found + len(units(change.text))), base)


def _nearest(text: str, sought: str, place: tuple[int, int]) -> int | None:
    """Return where *sought* stands at *place*, or over its edge.

    Which of two equal line ends came with it is not told by ids.
    """
    size = len(sought)
    start, end = max(0, place[0] - size), place[1] + size
    found = [at for at in range(start, end - size + 1) if text.startswith(sought, at)]
    return min(found, key=lambda at: abs(at - place[0])) if found else None


def _place_for(
    view: View, living: Sequence[Piece], inserted: Sequence[Piece], deleted: Sequence[Piece]
) -> Id | None:
    """Return a character after which the old words belong; None when their block is gone."""
    for pieces in (living, inserted, deleted):
        if pieces:
            client, clock, size = pieces[-1]
            ident = client, clock + size - 1
            if view.document.stands(ident):
                return ident
    return None


def _is_one_line(view: View, pieces: Sequence[Piece], text: str) -> bool:
    if "\n" in text or view.lens in _WITH_TEXT_NODES:
        return False
    texts = {tuple(view.document.around((client, clock))[1]) for client, clock, _ in pieces}
    roots = {(view.document.gap((client, clock)) or ("", 0))[0] for client, clock, _ in pieces}
    if len(texts) != 1 or len(roots) != 1:
        return False
    first, last = pieces[0], pieces[-1]
    place = view.range_of(first[:2], (last[0], last[1] + last[2] - 1))
    return place is not None and "\n" not in view.text[place[0] : place[1]]


def _rewritten(view: View, at: SceneAt, place: tuple[int, int], text: str) -> Plan:
    start, end = place
    wanted = whole(view.text[:start] + units(text) + view.text[end:]).encode()
    update = formats.rewrite(at.state, ContentFormat.TEXT, wanted, at.editor) or b"\0\0"
    written, gone = structs.decode(update)
    inserted = [
        (struct.client, struct.clock, struct.size)
        for own in written
        for struct in own
        if struct.kind == structs.STRING
    ]
    deleted = [(client, first, last - first) for client, own in gone.items() for first, last in own]
    return Plan(Edit(update, inserted, deleted, []), precise=False)
