"""Edits that make the changes that hunks of a scene propose, or take them back: for `workers`.

Where a hunk changes words within one block, the edit names the very characters by their ids
(`review.edits`), so what is written elsewhere meanwhile does not matter. Where hunks make, split or
join blocks, the scene is written anew as for any other text, by the rules of its editor. No I/O.
"""

import dataclasses
import secrets
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from libs.contracts.collab.anchors import Anchor
from libs.contracts.collab.content import ContentFormat
from services.collab import formats, updates
from services.collab.formats import CannotHold
from services.collab.review import structs
from services.collab.review.anchors.model import Piece, ids_in, pieces_of
from services.collab.review.anchors.view import SceneAt, View, view_of
from services.collab.review.edits import Edit, Replacement, replacements
from services.collab.review.structs import Id, units, whole

type HunkKind = Literal["replace", "insert", "delete"]
type Side = Literal["before", "after"]

CLIENT_BITS = 53
"""Clients of Yjs are numbers that JavaScript can hold exactly."""

_WITH_TEXT_NODES = frozenset({"lexical"})
"""Editors whose text stands in nodes of its own, which must not be left empty."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """A change of the text from the character *first* to *last*, whose words are *base*.

    `replace` puts *text* in their place, `delete` nothing; `insert` puts it beside them.
    """

    first: Id
    last: Id
    base: str
    text: str
    kind: HunkKind
    side: Side = "after"

    @staticmethod
    def at(anchor: Anchor, base: str, text: str, kind: HunkKind, side: Side = "after") -> "Hunk":
        """Return a hunk on the words of an anchor that is not orphaned."""
        assert anchor.yjs
        first, last = (
            (end.item.client, end.item.clock) if end.item else (0, 0)
            for end in (anchor.yjs.start, anchor.yjs.end)
        )
        return Hunk(first, last, base, text, kind, side)


@dataclass(frozen=True, slots=True)
class Applied:
    """The characters that a hunk wrote and deleted: what is needed to take it back.

    `place` is set where the scene was written anew: the character before the hunk's text, None at
    the beginning of the scene, and what the text has between the two.
    """

    inserted: list[Piece]
    deleted: list[Piece]
    place: tuple[Id | None, str] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as a column of a table holds it."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(held: dict[str, Any]) -> "Applied":
        """Return what `as_json` returned."""
        place: Any = held.get("place")
        if place is not None:
            before, between = place
            place = None if before is None else (before[0], before[1]), between
        inserted, deleted = (
            [(client, clock, size) for client, clock, size in held[name]]
            for name in ("inserted", "deleted")
        )
        return Applied(inserted, deleted, place)


@dataclass(frozen=True, slots=True)
class Differs:
    """The words are not those that the hunk was made for; *now* is what stands there, if anything.

    `reason` is set when the words are the same and the editor of the scene cannot hold the change.
    """

    now: str | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """An edit, and whether it stays right when something else is written before it is stored."""

    edit: Edit
    precise: bool


@dataclass(frozen=True, slots=True)
class Planned:
    """One edit for all hunks that fit, and for each hunk what became of it, in the given order."""

    plan: Plan
    results: list[Applied | Differs]

    @property
    def differing(self) -> list[Differs]:
        """The reasons why hunks do not fit; none when all do."""
        return [each for each in self.results if isinstance(each, Differs)]


@dataclass(slots=True)
class _Draft:
    """The hunks that are made by ids of characters, and those that need the scene written anew."""

    at: SceneAt
    view: View
    results: dict[int, Applied | Differs] = field(default_factory=dict[int, Applied | Differs])
    precise: dict[int, Replacement] = field(default_factory=dict[int, Replacement])
    anew: list[int] = field(default_factory=list[int])


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The text from *start* to *end* becomes *text*, for the hunk at *index*."""

    start: int
    end: int
    text: str
    index: int


def new_client() -> int:
    """Return a Yjs client that has not written anything."""
    return secrets.randbits(CLIENT_BITS)


type _Stretching = Callable[[View, int], _Stretch | Differs]
"""Finds what a hunk changes in a view; work for hunks that need the scene written anew."""


def apply(at: SceneAt, hunks: Sequence[Hunk], client: int) -> Planned:
    """Return the edit that makes *hunks*; one that overlaps an earlier one differs.

    *client* is the Yjs client that writes; it must not have written anything in the scene.

    Raises:
        BadUpdate: The state cannot be read.
    """
    view = view_of(at.scene, at.seq, at.state, at.editor)
    draft = _Draft(at, view)
    taken: list[tuple[int, int]] = []
    for index, hunk in enumerate(hunks):
        differs = _difference(view, hunk, taken)
        if differs is not None:
            draft.results[index] = differs
            continue
        pieces = view.between(hunk.first, hunk.last)
        assert pieces
        if _before(hunk) or not _is_one_line(view, pieces, hunk.text):
            draft.anew.append(index)
            continue
        gone = [] if hunk.kind == "insert" else pieces
        draft.precise[index] = Replacement(gone, hunk.text, hunk.last)
    if draft.anew:
        # Blocks that are written anew may be those of the others.
        draft.anew = sorted([*draft.anew, *draft.precise])
        draft.precise = {}

    def stretch(now: View, index: int) -> _Stretch | Differs:
        hunk = hunks[index]
        place = now.range_of(hunk.first, hunk.last)
        if place is None:
            return Differs(None)
        start, end = place
        if hunk.kind == "insert":
            start = end = start if _before(hunk) else end
        return _Stretch(start, end, hunk.text, index)

    return _planned(draft, client, stretch)


def revert(at: SceneAt, hunks: Sequence[Hunk], applied: Sequence[Applied], client: int) -> Planned:
    """Return the edit that takes *hunks* back as they were *applied*.

    What others wrote since stays.

    *client* and errors are as for `apply`.
    """
    view = view_of(at.scene, at.seq, at.state, at.editor)
    draft = _Draft(at, view)
    living = [
        pieces_of(ident for ident in ids_in(one.inserted) if view.document.shows(ident))
        for one in applied
    ]
    for index, (hunk, one) in enumerate(zip(hunks, applied, strict=True)):
        base = _base(hunk)
        after = _place_for(view, living[index], one)
        one_line = "\n" not in hunk.text + base and view.lens not in _WITH_TEXT_NODES
        if one.place is not None or not one_line:
            draft.anew.append(index)
        elif after is not None:
            draft.precise[index] = Replacement(living[index], base, after)
        else:
            draft.results[index] = Differs(None) if base else Applied([], [])

    def stretch(now: View, index: int) -> _Stretch | Differs:
        sought, base = units(hunks[index].text), _base(hunks[index])
        known = applied[index].place
        start = now.start_at(*known) if known else None
        if start is not None and now.text.startswith(sought, start):
            return _Stretch(start, start + len(sought), base, index)
        place = now.span_of(living[index])
        found = _nearest(now.text, sought, place) if place else None
        if place and found is not None:
            return _Stretch(found, found + len(sought), base, index)
        return Differs(whole(now.text[place[0] : place[1]]) if place else None)

    return _planned(draft, client, stretch)


def _base(hunk: Hunk) -> str:
    return "" if hunk.kind == "insert" else hunk.base


def _before(hunk: Hunk) -> bool:
    return hunk.kind == "insert" and hunk.side == "before"


def _difference(view: View, hunk: Hunk, taken: list[tuple[int, int]]) -> Differs | None:
    """Return why a hunk does not fit; otherwise note in *taken* what text it changes."""
    place = view.range_of(hunk.first, hunk.last)
    if place is None:
        return Differs(None)
    start, end = place
    now = view.text[start:end]
    if now != units(hunk.base):
        return Differs(whole(now))
    if hunk.kind == "insert":
        start = end = start if _before(hunk) else end
    at = bisect_right(taken, (start, end))
    if any(first < end and start < last for first, last in taken[max(at - 1, 0) : at + 1]):
        return Differs(whole(now))
    taken.insert(at, (start, end))
    return None


def _planned(draft: _Draft, client: int, stretch: _Stretching) -> Planned:
    document = draft.view.document
    edit, written = replacements(document, list(draft.precise.values()), client=client)
    results = draft.results
    for (index, each), inserted in zip(draft.precise.items(), written, strict=True):
        results[index] = Applied(inserted, list(each.deleted))
    if draft.anew:
        edit = _written_anew(edit, draft, stretch)
    found = [results[index] for index in sorted(results)]
    return Planned(Plan(edit, precise=not draft.anew), found)


def _written_anew(edit: Edit, draft: _Draft, stretch: _Stretching) -> Edit:
    """Return *edit* with the hunks that need the scene written anew."""
    state, editor, view = draft.at.state, draft.at.editor, draft.view
    if draft.precise:
        state = updates.merge([state, edit.update])
        view = View(state, editor)
    stretches: list[_Stretch] = []
    for index in draft.anew:
        found = stretch(view, index)
        if isinstance(found, Differs):
            draft.results[index] = found
        else:
            stretches.append(found)
    stretches.sort(key=lambda each: (each.start, each.end, each.index))
    try:
        wanted = _text_with(view.text, stretches)
        update = formats.rewrite(state, ContentFormat.TEXT, wanted, editor) or updates.EMPTY
    except CannotHold as error:
        for each in stretches:
            words = whole(view.text[each.start : each.end])
            draft.results[each.index] = Differs(words, error.reason)
        return edit
    inserted, deleted = _pieces_in(update)
    after = View(updates.merge([state, update]), editor)
    draft.results |= _shared(stretches, (view, after), inserted, deleted)
    return Edit(
        updates.merge([edit.update, update]) if draft.precise else update,
        [*edit.inserted, *inserted],
        [*edit.deleted, *deleted],
        edit.touches,
    )


def _text_with(text: str, stretches: Sequence[_Stretch]) -> bytes:
    parts: list[str] = []
    upto = 0
    for each in stretches:
        parts += [text[upto : each.start], units(each.text)]
        upto = each.end
    return whole("".join([*parts, text[upto:]])).encode()


def _pieces_in(update: bytes) -> tuple[list[Piece], list[Piece]]:
    written, gone = structs.decode(update)
    inserted = [
        (struct.client, struct.clock, struct.size)
        for own in written
        for struct in own
        if struct.kind == structs.STRING
    ]
    deleted = [(client, first, last - first) for client, own in gone.items() for first, last in own]
    return inserted, deleted


def _shared(
    stretches: Sequence[_Stretch],
    views: tuple[View, View],
    inserted: Sequence[Piece],
    deleted: Sequence[Piece],
) -> dict[int, Applied]:
    """Return what each hunk wrote and deleted between two views.

    A character belongs to the hunk at or after which it stands: writing blocks anew also writes
    what follows a hunk, up to the end of its block.
    """
    before, after = views
    starts: list[int] = []
    moved = 0
    for each in stretches:
        starts.append(each.start + moved)
        moved += len(units(each.text)) - (each.end - each.start)
    written = _by_start(after, starts, inserted)
    gone = _by_start(before, [each.start for each in stretches], deleted)
    return {
        each.index: Applied(written[number], gone[number], after.place_of(starts[number]))
        for number, each in enumerate(stretches)
    }


def _by_start(view: View, starts: Sequence[int], pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Return *pieces* by the last of *starts* at or before which they stand in the text."""
    found: list[list[Id]] = [[] for _ in starts]
    for ident in ids_in(pieces):
        place = view.range_of(ident, ident)
        if place is not None:
            found[max(bisect_right(starts, place[0]) - 1, 0)].append(ident)
    return [pieces_of(own) for own in found]


def _nearest(text: str, sought: str, place: tuple[int, int]) -> int | None:
    """Return where *sought* stands at *place*, or over its edge.

    Which of two equal line ends came with it is not told by ids.
    """
    size = len(sought)
    start, end = max(0, place[0] - size), place[1] + size
    found = [at for at in range(start, end - size + 1) if text.startswith(sought, at)]
    return min(found, key=lambda at: abs(at - place[0])) if found else None


def _place_for(view: View, living: Sequence[Piece], applied: Applied) -> Id | None:
    """Return a character after which the old words belong; None when their block is gone."""
    for pieces in (living, applied.inserted, applied.deleted):
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
    if place is None or "\n" in view.text[place[0] : place[1]]:
        return False
    # Otherwise some are not shown as they are: a label's, or the line end that a text keeps.
    return place[1] - place[0] == sum(size for _, _, size in pieces)
