"""Accepted suggestions of formatting yield documents that the real editors keep as they are."""

from random import Random
from typing import Any, Literal

import pytest

from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats, updates
from services.collab.review.anchors.view import SceneAt, Stood, View
from services.collab.review.hunks.planning import Planned
from services.collab.review.rich.planning import RichApplied, RichChange, apply, revert
from services.collab.review.structs import whole
from tests.clients.editors.documents import Author
from tests.clients.editors.opening import RealEditors
from tests.clients.editors.test_puts import REAL, begun

SCENES = 24
KINDS: tuple[Literal["replace", "insert", "attributes"], ...] = ("replace", "insert", "attributes")
LINE = {"type": "paragraph", "children": [{"text": "new "}, {"text": "words", "bold": True}]}
HEADING = {"type": "heading", "level": 2, "children": [{"text": "A heading"}]}
BLOCKS: tuple[list[Any], ...] = ([LINE], [HEADING], [LINE, HEADING], [LINE, HEADING, LINE])
STYLES: tuple[dict[str, dict[str, Any]], ...] = (
    {"marks": {"bold": True}},
    {"marks": {"italic": True, "bold": None}},
    {"marks": {"link": {"href": "https://example.org/"}}},
    {"block": {"type": "heading", "level": 2}},
)


@pytest.mark.parametrize("editor", BuiltIn)
def test_real_editors_keep_what_is_accepted_and_reverted(editor: BuiltIn) -> None:
    named, opened = SceneEditor(name=editor), 0
    with RealEditors() as editors:
        for seed in range(SCENES):
            pick = Random(f"formatting {editor} {seed}")
            state = begun(Author(pick), named)
            change = suggested(View(state, named), pick)
            if change is None:
                continue
            planned = apply(at(seed, 1, state, named), change)
            if planned.differing:
                assert planned.differing[0].reason, seed
                continue
            opened += 1
            result = updates.merge([state, planned.plan.edit.update])
            assert not editors.open(REAL[editor], result).changed, seed
            back = reverted(seed, result, named, change, planned)
            if not back.differing:
                last = updates.merge([result, back.plan.edit.update])
                assert formats.blocks(last, named) == formats.blocks(state, named), seed
                assert not editors.open(REAL[editor], last).changed, seed
    assert opened > SCENES // 4, opened


def at(seed: int, seq: int, state: bytes, editor: SceneEditor) -> SceneAt:
    return SceneAt((seed + 1).to_bytes(16), seq, state, editor)


def reverted(
    seed: int, state: bytes, editor: SceneEditor, change: RichChange, planned: Planned
) -> Planned:
    [applied] = planned.results
    assert isinstance(applied, RichApplied)
    return revert(at(seed, 2, state, editor), change, applied)


def suggested(view: View, pick: Random) -> RichChange | None:
    """Return a change of a random stretch; None in a scene with next to no text."""
    if view.size < 3:
        return None
    start = pick.randrange(view.size - 2)
    stood = view.on_characters(start, min(view.size, start + pick.randint(1, 12)))
    assert isinstance(stood, Stood)
    kind = pick.choice(KINDS)
    if kind == "attributes":
        style = pick.choice(STYLES)
        marks, block = style.get("marks", {}), style.get("block", {})
        ends = stood.first, stood.last
        return RichChange(*ends, whole(stood.quote), kind, marks=marks, block=block)
    blocks = pick.choice(BLOCKS)
    return RichChange(stood.first, stood.last, whole(stood.quote), kind, blocks=blocks)
