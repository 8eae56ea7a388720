"""Footnotes in editors that have none."""

import pytest

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats
from tests.collab.formats.contents import NOBODY


@pytest.mark.parametrize("editor", [one for one in BuiltIn if one is not BuiltIn.PLAIN])
def test_a_footnote_of_several_paragraphs(editor: BuiltIn):
    """It is a quotation in every editor, and reads as the footnote that it is."""
    sent = "a[^1]\n\n[^1]: One\n\n    Two\n"
    named = SceneEditor(name=editor)
    state = formats.rewrite(NOBODY, ContentFormat.MARKDOWN, sent.encode(), named)
    assert state
    assert formats.render(state, ContentFormat.MARKDOWN, named).decode() == sent
