"""Anchors through the edit that a conversion to another editor is, for every pair of editors."""

from itertools import permutations
from uuid import uuid4

import pytest

from libs.contracts.collab.anchors import AnchorStatus, AnchorTarget
from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats, updates
from services.collab.formats import CannotHold
from services.collab.review.anchors.carrying import Carrier
from services.collab.review.anchors.model import Held, Row
from services.collab.review.anchors.view import Stood, View
from services.collab.review.characters import CharacterDocument
from services.collab.review.structs import units
from tests.collab.review.test_conversions import PLAIN, QUOTES, RICH


def held(view: View, quote: str) -> Held:
    """Return an anchor on *quote*, where it stands first."""
    start = view.text.index(units(quote))
    target = {"range": {"from": start, "to": start + len(units(quote))}}
    stood = view.stand(AnchorTarget.model_validate(target))
    assert isinstance(stood, Stood)
    ends, sides = (stood.first, stood.last), (stood.before, stood.after)
    return Held(uuid4(), AnchorStatus.EXACT, 0, *ends, stood.pieces, stood.quote, *sides, 0)


def converted(text: str, present: SceneEditor, editor: SceneEditor) -> list[Held]:
    """Convert *text* and require that its anchors are exact, on their words.

    Raises:
        CannotHold: The other editor has no room for it.
    """
    made = formats.rewrite(updates.EMPTY, ContentFormat.MARKDOWN, text.encode(), present)
    assert made
    update = formats.converted(made, editor, present)
    assert update
    view = View(made, present)
    anchors = [held(view, quote) for quote in QUOTES if units(quote) in view.text]
    document = CharacterDocument()
    document.apply(made)
    Carrier(document, anchors).take(Row(1, update))
    after = View(updates.integrate([made, update])[0], editor)
    for anchor in anchors:
        assert anchor.status is AnchorStatus.EXACT, anchor
        assert anchor.first
        assert anchor.last
        span = after.range_of(anchor.first, anchor.last)
        assert span
        assert after.text[slice(*span)] == anchor.quote
    return anchors


@pytest.mark.parametrize(("present", "editor"), list(permutations(BuiltIn, 2)))
def test_anchors_are_exact_after_a_conversion(present: BuiltIn, editor: BuiltIn) -> None:
    """A text that the other editor cannot hold is refused; paragraphs never are."""
    pair = SceneEditor(name=present), SceneEditor(name=editor)
    assert len(converted(PLAIN, *pair)) == len(QUOTES)
    try:
        converted(RICH, *pair)
    except CannotHold:
        assert editor is BuiltIn.PLAIN
