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
from services.collab.review.anchors.view import SceneAt, view_of
from services.collab.review.structs import whole
from services.collab.review.suggesting.matching import Known, matched
from services.collab.review.suggesting.proposals import Proposal, proposal
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
    """What becomes of a branch, and its changes."""

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
    texts = [_text(state, at.editor) for state in (base, branch)]
    # What somebody decided against leaves the branch.
    against = {one.region for one in known if one.status in _AGAINST}
    own = regions(*texts)
    kept = [one for one in own if one not in against]
    left = {one.region for one in known} & set(kept)
    # What was accepted is in the scene already.
    taken = [one.region for one in known if one.status is SuggestionStatus.ACCEPTED]
    stood = applied(texts[0], sorted(taken))
    view = view_of(at.scene, at.seq, at.state, at.editor)
    text = whole(view.text)
    wanted = merged(stood, regions(stood, text), regions(stood, applied(texts[0], kept)))
    update = _update(at, base, branch, wanted if wanted != texts[1] else None)
    now = branch if update is None else updates.merge([branch, update])
    found = regions(text, _text(now, at.editor))
    open_ones = [one for one in known if one.status is SuggestionStatus.OPEN]
    ids = matched(_moved(open_ones, texts[0], text), found)
    told: list[Told] = []
    unexpressed = 0
    untouched = {one.id: one for one in open_ones if one.region in left}
    for one, ident in zip(found, ids, strict=True):
        said = proposal(view, text, one) if len(told) < PROPOSALS_MAX else None
        if said is None:
            unexpressed += 1
            continue
        before = untouched.get(ident) if ident else None
        outdated = before is not None and before.region.text == one.text
        if before and not before.outdated:
            words = texts[0][before.region.start : before.region.end]
            outdated = outdated and words != text[one.start : one.end]
        told.append(Told(ident, said, outdated))
    return Derived(update, told, unexpressed + _formatted(at.state, now, at.editor))


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


def _formatted(scene: bytes, branch: bytes, editor: SceneEditor | None) -> int:
    """Return how many blocks with the same words differ in their type or formatting."""
    try:
        ours, theirs = (blocks.blocks_of(state, editor) for state in (scene, branch))
    except TooMuch:
        return 0
    _, changed = blocks.pair(ours, theirs)
    return sum(
        blocks.text_of(ours[i]) == blocks.text_of(theirs[k]) or _frame(ours[i]) != _frame(theirs[k])
        for i, k in changed
    )


def _frame(block: blocks.Block) -> str:
    return blocks.key({name: value for name, value in block.items() if name != "children"})


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
