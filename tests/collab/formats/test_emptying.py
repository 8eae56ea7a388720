"""A PUT of nothing at all."""

import pytest

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats, updates
from tests.collab.formats.contents import NOBODY


@pytest.mark.parametrize("editor", [one for one in BuiltIn if one is not BuiltIn.PLAIN])
@pytest.mark.parametrize("before", ["", "# Act\n\n"])
def test_an_empty_text_empties_a_scene_with_a_table(editor: BuiltIn, before: str):
    """An empty cell reads as an empty text does, and is not what is left of the scene."""
    named = SceneEditor(name=editor)
    sent = f"{before}| a | b |\n|-|-|\n| c | |\n".encode()
    state = formats.rewrite(NOBODY, ContentFormat.MARKDOWN, sent, named)
    assert state
    update = formats.rewrite(state, ContentFormat.TEXT, b"", named)
    assert update
    state = updates.merge([state, update])
    assert formats.render(state, ContentFormat.TEXT, named) == b""
    assert b"|" not in formats.render(state, ContentFormat.MARKDOWN, named)
