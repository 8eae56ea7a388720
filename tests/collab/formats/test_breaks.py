"""A line break within a line, wherever a line may stand: verse in quotations, items, cells."""

import json

import pytest

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats, updates

VERSE = """# Of<br>clouds

- We are\\
  as clouds

1. that veil\\
   the moon

> How restlessly\\
> they speed

| and gleam<br>and quiver | so |
| --- | --- |
| radiantly | and<br>**soon** |
"""


@pytest.mark.parametrize("editor", [each for each in BuiltIn if each is not BuiltIn.PLAIN])
def test_a_line_may_break_wherever_it_stands(editor: BuiltIn):
    """It is read as it was put, and a word beside it is changed by itself."""
    named = SceneEditor(name=editor)
    state = formats.rewrite(updates.EMPTY, ContentFormat.MARKDOWN, VERSE.encode(), named)
    assert state
    assert formats.render(state, ContentFormat.MARKDOWN, named).decode() == VERSE

    wanted = VERSE.replace("quiver", "shiver")
    update = formats.rewrite(state, ContentFormat.MARKDOWN, wanted.encode(), named)

    assert update
    after = updates.merge([state, update])
    assert formats.render(after, ContentFormat.MARKDOWN, named).decode() == wanted
    before = formats.render(state, ContentFormat.BLOCKS, named).decode()
    got = formats.render(after, ContentFormat.BLOCKS, named).decode()
    assert got == before.replace("quiver", "shiver")


def test_an_item_of_blocknote_is_an_item_also_with_a_break_in_it():
    """It was shown as a container that nobody knows, and lists around it fell apart."""
    line = [{"type": "text", "text": "a"}, {"type": "hardBreak"}, {"type": "text", "text": "b"}]
    container = {"type": "bulletListItem", "content": line}
    group = [{"type": "blockContainer", "attrs": {"id": "x"}, "content": [container]}]
    body = {"type": "doc", "content": [{"type": "blockGroup", "content": group}]}
    named = SceneEditor(name=BuiltIn.BLOCKNOTE)
    form = ContentFormat.PROSEMIRROR
    state = formats.rewrite(updates.EMPTY, form, json.dumps(body).encode(), named)
    assert state

    [shown] = json.loads(formats.render(state, ContentFormat.BLOCKS, named))

    assert (shown["type"], shown["children"][0]["type"]) == ("list", "list-item")
