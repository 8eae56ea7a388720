"""Scenes that were laid out for another editor, opened by the real one."""

import json

import pytest

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats, updates
from services.collab.formats.names import SCREENPLAY
from tests.clients.editors.opening import RealEditors
from tests.clients.editors.test_puts import REAL


@pytest.mark.parametrize(
    "editor", [BuiltIn.TIPTAP, BuiltIn.PROSEMIRROR, BuiltIn.BLOCKNOTE, BuiltIn.LEXICAL]
)
def test_a_screenplay_stays(editor: BuiltIn):
    """An editor deletes what it does not know, with the words in it."""
    blocks = [
        {"type": kind, "children": [{"text": f"words {at}"}]}
        for at, kind in enumerate(sorted(SCREENPLAY))
    ]
    slate = SceneEditor(name=BuiltIn.SLATE)
    state = formats.rewrite(updates.EMPTY, ContentFormat.BLOCKS, json.dumps(blocks).encode(), slate)
    assert state
    named = SceneEditor(name=editor)
    update = formats.converted(state, named)
    assert update
    state = updates.merge([state, update])
    with RealEditors() as editors:
        opened = editors.open(REAL[editor], state)
    assert not opened.changed
    assert all(f"words {at}" in opened.text for at in range(len(blocks)))
    got = json.loads(formats.render(state, ContentFormat.BLOCKS, named))
    assert [block["type"] for block in got] == sorted(SCREENPLAY)
