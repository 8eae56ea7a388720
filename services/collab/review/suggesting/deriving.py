"""Brings a branch of suggestions in step with its scene, and tells its changes: work for `workers`.

The branch has a base: the scene as it was when this was last done. What the scene changed since
comes into the branch, but for what both changed. What the branch changed is told by words.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from libs.contracts.collab.content import ContentFormat
from libs.contracts.collab.suggestions import SuggestionStatus
from libs.contracts.editors import SceneEditor
from services.collab import formats, updates
from services.collab.history import blocks
from services.collab.history.compare import TooMuch
from services.collab.history.records import Packed
from services.collab.review.anchors.view import SceneAt, View, view_of
from services.collab.review.structs import whole
from services.collab.review.suggesting.formatting import Formatting, style_of
from services.collab.review.suggesting.keeping import Formatted, kept
from services.collab.review.suggesting.matching import Known, matched
from services.collab.review.suggesting.proposals import Proposal, proposal, styling
from services.collab.review.suggesting.regions import (
    Region,
    applied,
    carried,
    merged,
    regions,
)

PROPOSALS_MAX = 1_000
"""Suggestions of one branch; further changes stay in it until some are decided."""


@dataclass(frozen=True, slots=True)
class Told:
    """A change of the branch: a suggestion that is there already, or a new one.

    `outdated` says that the scene changed the very words since, and the author did nothing about
    it: the suggestion stays as it is, and cannot be accepted.
    """

    id: UUID | None
    proposal: Proposal
    outdated: bool


@dataclass(frozen=True, slots=True)
class Derived:
    """The new state of a branch, and its changes."""

    update: bytes | None
    """The edit that brings it in step with its scene; None when it is."""
    told: list[Told]
    unexpressed: int
    """Changes that no suggestion tells; they stay in the branch."""


def derive(at: SceneAt, base: bytes, branch: bytes, known: Sequence[Known]) -> Derived:
    """Bring *branch*, which stood on *base*, in step with the scene, and tell its changes.

    *known* are its suggestions with their places in the text of *base*.

    Raises:
        BadUpdate: A state cannot be read.
    """
    before, own = (_text(state, at.editor) for state in (base, branch))
    words = [one for one in known if one.attributes is None]
    styles = [one for one in known if one.attributes is not None]
    view = view_of(at.scene, at.seq, at.state, at.editor)
    text = whole(view.text)
    changes = regions(before, own)
    wanted = _wanted(before, changes, text, words)
    update = _update(at, base, branch, wanted if wanted != own else None)
    if update is not None:
        update = _with_formatting(at.editor, (base, branch), update)
    now = branch if update is None else updates.merge([branch, update])
    found = regions(text, _text(now, at.editor))
    told, unexpressed = _words(view, (before, text), found, words, set(changes))
    formatting = Formatting.of(at, now)
    if formatting is not None:
        moved = _moved(styles, before, text)
        formatting, piece = formatting.without([one for one in moved if one.status in _AGAINST])
        if piece is not None:
            update = piece if update is None else updates.merge([update, piece])
        more, left = _styles(view, formatting, moved)
        told, unexpressed = told + more, unexpressed + left
    return Derived(update, told[:PROPOSALS_MAX], unexpressed + len(told[PROPOSALS_MAX:]))


def _wanted(base: str, changes: Sequence[Region], text: str, known: Sequence[Known]) -> str:
    """Return the text that the branch shall have beside a scene that reads *text*."""
    # What somebody decided against leaves the branch, and what was accepted is in the scene.
    against = {one.region for one in known if one.status in _AGAINST}
    kept = [one for one in changes if one not in against]
    taken = [one.region for one in known if one.status is SuggestionStatus.ACCEPTED]
    stood = applied(base, sorted(taken))
    return merged(stood, regions(stood, text), regions(stood, applied(base, kept)))


def _with_formatting(
    editor: SceneEditor | None, states: tuple[bytes, bytes], update: bytes
) -> bytes:
    """Return an edit of the branch with what gives the words of its author their formatting."""
    now = updates.merge([states[1], update])
    try:
        sides = [
            Formatted.of(_text(state, editor), blocks.blocks_of(state, editor))
            for state in (*states, now)
        ]
    except TooMuch:
        return update
    base, own, after = sides
    if base is None or own is None or after is None:
        return update
    wanted = kept(base, own, after)
    if wanted == after.nodes:
        return update
    try:
        goal = blocks.dumped(wanted)
        piece = formats.rewrite(now, ContentFormat.BLOCKS, goal, editor)
    except (formats.BadContent, formats.CannotHold):
        return update
    return update if piece is None else updates.merge([update, piece])


def _words(
    view: View,
    texts: tuple[str, str],
    found: Sequence[Region],
    known: Sequence[Known],
    changes: set[Region],
) -> tuple[list[Told], int]:
    """Tell the changes of words *found*; returns also how many there is no way to tell.

    *texts* are those of the base and of the scene, *changes* are those of the branch.
    """
    before, text = texts
    open_ones = [one for one in known if one.status is SuggestionStatus.OPEN]
    untouched = {one.id: one for one in open_ones if one.region in changes}
    ids = matched(_moved(open_ones, before, text), found)
    told: list[Told] = []
    for one, ident in zip(found, ids, strict=True):
        said = proposal(view, text, one)
        if said is None:
            continue
        held = untouched.get(ident) if ident else None
        outdated = held is not None and held.region.text == one.text
        if held and not held.outdated:
            words = before[held.region.start : held.region.end]
            outdated = outdated and words != text[one.start : one.end]
        told.append(Told(ident, said, outdated))
    return told, len(found) - len(told)


def _styles(view: View, formatting: Formatting, known: Sequence[Known]) -> tuple[list[Told], int]:
    """Tell the changes of formatting; returns also how many there is no way to tell."""
    compared = formatting.compared()
    waiting = [one for one in known if one.status is SuggestionStatus.OPEN]
    told: list[Told] = []
    for style in compared.styles:
        same = next((one for one in waiting if style.has_place_of(style_of(one))), None)
        if same:
            waiting.remove(same)
        if said := styling(view, formatting.text, style):
            told.append(Told(same and same.id, said, outdated=False))
    return told, compared.unexpressed + len(compared.styles) - len(told)


_AGAINST = {SuggestionStatus.REJECTED, SuggestionStatus.WITHDRAWN, SuggestionStatus.REVERTED}


def _text(state: bytes, editor: SceneEditor | None) -> str:
    return formats.render(state, ContentFormat.TEXT, editor).decode()


def _update(at: SceneAt, base: bytes, branch: bytes, wanted: str | None) -> bytes | None:
    """Return the edit that gives *branch* what the scene has, and the text *wanted*."""
    if at.state == base and wanted is None:
        return None
    both = branch if at.state == base else updates.merge([branch, at.state])
    pieces: list[bytes] = []
    if at.state != base:
        pieces.append(updates.difference(at.state, updates.state_vector(branch)))
    if wanted is not None or at.state != base:
        goal = _text(branch, at.editor) if wanted is None else wanted
        try:
            written = formats.rewrite(both, ContentFormat.TEXT, goal.encode(), at.editor)
        except (formats.BadContent, formats.CannotHold):
            written = None
        if written is not None:
            pieces.append(written)
    pieces = [piece for piece in pieces if piece != updates.EMPTY]
    return updates.merge(pieces) if pieces else None


def _moved(known: Sequence[Known], base: str, text: str) -> list[Known]:
    """Return *known* with their places in *text*, which became of *base*."""
    changes = regions(base, text)
    return [
        replace(
            one,
            region=Region(
                start := carried(one.region.start, changes),
                max(start, carried(one.region.end, changes, as_end=True)),
                one.region.text,
            ),
        )
        for one in known
    ]


def follow(
    at: SceneAt, base: Packed, branch: bytes, known: Sequence[Known], is_same: bool
) -> tuple[Derived, Packed | None]:
    """Return what `derive` does, and the scene as the next base, unless it *is_same*.

    Raises:
        BadUpdate: A state cannot be read.
    """
    stood = base.unpack()
    if stood is None:
        raise updates.BadUpdate("the base of the branch is damaged")
    derived = derive(at, at.state if is_same else stood, branch, known)
    return derived, None if is_same else Packed.of(at.state)
