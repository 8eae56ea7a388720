"""History's heavy work, as functions for `workers` to run in other processes."""

from collections.abc import Sequence
from typing import Any

from libs.contracts.collab.branches import MergeStrategy
from libs.contracts.collab.content import ContentFormat
from libs.contracts.collab.history import DiffFormat
from libs.contracts.editors import SceneEditor
from services.collab import formats, updates
from services.collab.formats import jobs
from services.collab.history import blocks, compare
from services.collab.history.attribution import Step
from services.collab.history.compare import Sides, TooMuch
from services.collab.history.threeway import Comparison
from services.collab.updates import EMPTY


def render(
    state: bytes, form: ContentFormat, editor: SceneEditor | None = None
) -> tuple[bytes, bytes]:
    """*state* in *form*, and its state vector."""
    return formats.render(state, form, editor), updates.state_vector(state)


def changes(
    sides: Sides, steps: Sequence[Step] | None, people: Sequence[list[str]]
) -> tuple[list[dict[str, Any]], bool] | None:
    """The changes, and whether their authors are known; None when there are too many to compare."""
    try:
        if sides.form is DiffFormat.BLOCKS:
            return blocks.compare_blocks(sides.old, sides.new, sides.editor), False
        return compare.compare_text(sides, steps, people)
    except TooMuch:
        return None


def restoration(current: bytes, wanted: bytes) -> tuple[list[bytes], bool]:
    """The smallest edit that makes *current* hold *wanted*, and whether the whole is then the same.

    Every root comes back as its editor holds it. The edit comes in pieces that fit the log; none
    when there is nothing to do.

    Raises:
        CannotHold: The document has no room for *wanted*.
    """
    update, exact = formats.restored(current, wanted)
    return [] if update is None else jobs.cut(update), exact


type MergedBranch = tuple[list[dict[str, Any]], bytes | None]
"""Conflicts (as `BlockConflict` in JSON), and the edit for the scene; None when there is none."""


def merge_branch(
    base: bytes,
    scene: bytes,
    branch: bytes,
    strategy: MergeStrategy | None,
    editor: SceneEditor | None = None,
) -> MergedBranch | None:
    """Bring what changed from *base* to *branch* into *scene*; None when it is too much to compare.

    Conflicts without a strategy make no edit. Otherwise the edit is the branch's own changes as
    Yjs merges them, and, where there were conflicts, what it takes to decide them.
    """
    try:
        comparison = Comparison.of(
            *(blocks.blocks_of(each, editor) for each in (base, scene, branch))
        )
    except TooMuch:
        return None
    conflicts = comparison.conflicts()
    found = [conflict.model_dump(mode="json") for conflict in conflicts]
    if conflicts and strategy is None:
        return found, None
    both = updates.merge([scene, branch])
    wanted = comparison.merged(strategy or MergeStrategy.MERGE)
    pieces = [updates.difference(branch, updates.state_vector(scene))]
    if conflicts or _lost(wanted, blocks.blocks_of(both, editor)):
        goal = blocks.dumped(wanted)
        if decided := formats.rewrite(both, ContentFormat.BLOCKS, goal, editor):
            pieces.append(decided)
    pieces = [piece for piece in pieces if piece != EMPTY]
    if not pieces or _adds_nothing(scene, pieces):
        return found, None
    return found, updates.merge(pieces)


def _adds_nothing(scene: bytes, pieces: Sequence[bytes]) -> bool:
    """Whether *scene* has all of *pieces*: a difference repeats deletions that are known."""
    state, _ = updates.integrate([scene])
    after, _ = updates.integrate([scene, *pieces])
    return state == after


def _lost(wanted: Sequence[blocks.Block], merged: Sequence[blocks.Block]) -> bool:
    """Whether Yjs merged something away that neither side deleted, or the other way round."""
    return sorted(map(blocks.key, wanted)) != sorted(map(blocks.key, merged))
