"""Edits that change formatting, or take such a change back: for `workers`. No I/O.

The blocks of the scene are changed as `format=blocks` shows them, and written as a PUT of them is:
by the rules of the scene's editor, which refuses what it has no place for.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Literal

from libs.contracts.collab.content import ContentFormat
from services.collab import formats, updates
from services.collab.formats import BadContent, CannotHold, slate
from services.collab.review import structs
from services.collab.review.anchors.view import SceneAt, View, view_of
from services.collab.review.edits import Edit
from services.collab.review.hunks.planning import Applied, Differs, Plan, Planned, Side
from services.collab.review.rich import splicing
from services.collab.review.rich.splicing import Change, Nodes, NoPlace, Point
from services.collab.review.structs import Id, units, whole

_MORE = "The editor of this scene would change more than these words."


@dataclass(frozen=True, slots=True)
class RichChange:
    """A change of the text from the character *first* to *last*, whose words are *base*.

    `replace` puts *blocks* in its place, `insert` beside it; `attributes` sets *marks* on the
    words and *block* on the blocks in which they stand, and removes what is None.
    """

    first: Id
    last: Id
    base: str
    kind: Literal["replace", "insert", "attributes"]
    side: Side = "after"
    blocks: Nodes = field(default_factory=list[Any])
    marks: dict[str, Any] = field(default_factory=dict[str, Any])
    block: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class RichApplied(Applied):
    """The same, what was there before, and the text that it wrote.

    `before` are blocks, or for `attributes` marks and attributes, each with the offset of its first
    and of its last character in the words.
    """

    before: Any = None
    wrote: str = ""

    @staticmethod
    def from_json(held: dict[str, Any]) -> "RichApplied":
        """Return what `as_json` returned."""
        plain = Applied.from_json(held)
        return RichApplied(
            plain.inserted, plain.deleted, plain.place, held["before"], held["wrote"]
        )


def checked(blocks: list[Any]) -> tuple[Nodes, str]:
    """Return blocks from outside in normal form, and their words.

    Raises:
        BadContent: They are none.
    """
    normal = slate.blocks(slate.parse(json.dumps(blocks).encode()))
    return normal, splicing.text_of(normal)


def apply(at: SceneAt, change: RichChange) -> Planned:
    """Return the edit that makes a change of formatting.

    Raises:
        BadUpdate: The state cannot be read.
    """
    view = view_of(at.scene, at.seq, at.state, at.editor)
    place = view.range_of(change.first, change.last)
    now = whole(view.text[place[0] : place[1]]) if place else None
    if place is None or now != change.base:
        return _refused(Differs(now))
    if change.kind == "attributes":
        return _written(at, view, lambda blocks: _restyled(view, change, blocks), now, place)
    from_, to = place
    if change.kind == "insert":
        from_ = to = from_ if change.side == "before" else to

    def changed(blocks: Nodes) -> tuple[Nodes, Any]:
        first, last = _points(view, blocks, place)
        if change.kind == "insert":
            first = last = first if change.side == "before" else last
        before = [] if first == last else splicing.cut_out(blocks, first, last)
        return splicing.spliced(blocks, first, last, change.blocks), before

    return _written(at, view, changed, now, (from_, to))


def _restyled(view: View, change: RichChange, blocks: Nodes) -> tuple[Nodes, Any]:
    start, end = _numbered(view, blocks, *view.numbers_of(change.first, change.last))
    before = [
        [[run.start - start, run.end - start, run.values] for run in runs]
        for runs in (
            splicing.marks_of(blocks, start, end, change.marks),
            splicing.attributes_of(blocks, start, end, change.block),
        )
    ]
    return splicing.restyled(blocks, start, end, change.marks, repeat(change.block)), before


def revert(at: SceneAt, change: RichChange, applied: RichApplied) -> Planned:
    """Return the edit that takes a change back; its words must be as it left them.

    Raises:
        BadUpdate: The state cannot be read.
    """
    view = view_of(at.scene, at.seq, at.state, at.editor)
    if change.kind == "attributes":
        return _restyled_back(at, view, change, applied)
    wrote = units(applied.wrote)
    start = view.start_at(*applied.place) if applied.place else None
    if start is None or not view.text.startswith(wrote, start):
        return _refused(Differs(None if start is None else whole(view.text[start:][: len(wrote)])))
    span = start, start + len(wrote)

    def changed(blocks: Nodes) -> tuple[Nodes, Any]:
        points = _points(view, blocks, span)
        return splicing.spliced(blocks, *points, applied.before, typed=True), []

    return _written(at, view, changed, applied.wrote, span)


def _restyled_back(at: SceneAt, view: View, change: RichChange, applied: RichApplied) -> Planned:
    place = view.range_of(change.first, change.last)
    if place is None and applied.place:
        # Editors write words anew to change them.
        start = view.start_at(*applied.place)
        place = None if start is None else (start, start + len(units(change.base)))
    now = whole(view.text[place[0] : place[1]]) if place else None
    if place is None or now != change.base:
        return _refused(Differs(now))

    def changed(blocks: Nodes) -> tuple[Nodes, Any]:
        start, end = _numbered(view, blocks, *map(view.first_character, place))
        marks, attributes = applied.before
        for from_, to, before in marks:
            for run in splicing.marks_of(blocks, start + from_, start + to, change.marks):
                back = _back(before, run.values, change.marks)
                blocks = splicing.restyled(blocks, run.start, run.end, back, ())
        runs = splicing.attributes_of(blocks, start, end, change.block)
        if len(runs) != len(attributes):
            raise NoPlace("The words stand in more blocks or less than before.")
        backs = [
            _back(before, run.values, change.block)
            for (_, _, before), run in zip(attributes, runs, strict=True)
        ]
        return splicing.restyled(blocks, start, end, {}, backs), []

    return _written(at, view, changed, now, place)


def _back(before: Change, now: Change, made: Change) -> Change:
    """Return what takes *made* back to *before*; what somebody set otherwise since stays."""
    return {name: before[name] for name in made if now[name] == made[name]}


def _numbered(view: View, blocks: Nodes, start: int, end: int) -> tuple[int, int]:
    """Return the numbers that two characters have in *blocks*.

    In a document that is one text, line ends are characters, too.

    Raises:
        NoPlace: The blocks do not show the characters of the document.
    """
    shown, held = splicing.characters(blocks), view.characters
    if shown == held:
        return start, end
    if shown != held.replace("\n", ""):
        raise NoPlace("The editor of this scene shows these words otherwise than it holds them.")
    return start - held.count("\n", 0, start), end - held.count("\n", 0, end)


def _points(view: View, blocks: Nodes, span: tuple[int, int]) -> tuple[Point, Point]:
    """Return the points of a range of the text; a line end belongs to the words before it."""
    start, end = span
    numbers = view.first_character(start), view.first_character(end)
    first, last = _numbered(view, blocks, *numbers)
    begins_line = view.text[start : start + 1] == "\n"
    ends_line = view.text[end - 1 : end] == "\n"
    return Point(first, after=begins_line), Point(last, after=not ends_line)


def _written(
    at: SceneAt,
    view: View,
    changed: Callable[[Nodes], tuple[Nodes, Any]],
    now: str | None,
    span: tuple[int, int],
) -> Planned:
    """Return the edit that gives the scene the blocks that *changed* makes of its own.

    The text changes within *span*.
    """
    blocks = formats.blocks(at.state, at.editor)
    try:
        wanted, before = changed(blocks)
        update = formats.rewrite(at.state, ContentFormat.BLOCKS, _dumped(wanted), at.editor)
    except (BadContent, CannotHold, NoPlace) as error:
        return _refused(Differs(now, error.reason))
    if update is None:
        update = updates.EMPTY
    after = View(updates.merge([at.state, update]), at.editor)
    start, rest = span[0], len(view.text) - span[1]
    end = len(after.text) - rest
    if after.text[:start] != view.text[:start] or after.text[end:] != view.text[span[1] :]:
        return _refused(Differs(now, _MORE))
    wrote = whole(after.text[start:end])
    inserted, deleted = _pieces_in(update)
    applied = RichApplied(inserted, deleted, after.place_of(start), before, wrote)
    return Planned(Plan(Edit(update, inserted, deleted, []), precise=False), [applied])


def _pieces_in(update: bytes) -> tuple[list[Any], list[Any]]:
    written, gone = structs.decode(update)
    inserted = [
        (one.client, one.clock, one.size)
        for own in written
        for one in own
        if one.kind == structs.STRING
    ]
    deleted = [(client, first, last - first) for client, own in gone.items() for first, last in own]
    return inserted, deleted


def _refused(differs: Differs) -> Planned:
    return Planned(Plan(Edit(updates.EMPTY, [], [], []), precise=True), [differs])


def _dumped(blocks: Nodes) -> bytes:
    return json.dumps(blocks, ensure_ascii=False, separators=(",", ":")).encode()
