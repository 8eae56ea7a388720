"""Scenes laid out for one editor after the other: what they say stays, and twice is once."""

from random import Random

import pytest

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import BuiltIn, EditorDefinition, SceneEditor
from services.collab import formats, updates
from services.collab.formats import CannotHold, likeness, slate
from tests.clients.editors.documents import Author

BLOCKS, TEXT = ContentFormat.BLOCKS, ContentFormat.TEXT
SCENES = 6
HOUSE = SceneEditor(
    name="House",
    definition=EditorDefinition.model_validate(
        {
            "kind": "prosemirror",
            "root": "default",
            "nodes": {
                "doc": {"content": "block+"},
                "title": {"content": "text*", "group": "block", "attrs": {"level": {}}},
                "line": {"content": "inline*", "group": "block"},
                "group": {"content": "entry+", "group": "block", "attrs": {"ordered": {}}},
                "entry": {"content": "line block*"},
                "stop": {"group": "inline", "inline": True},
                "text": {"group": "inline", "inline": True},
            },
            "marks": {"loud": {}, "leaning": {}, "code": {}, "link": {"attrs": {"href": {}}}},
            "blocks": [
                {"block": "heading", "type": "title"},
                {"block": "paragraph", "type": "line"},
                {"block": "list", "type": "group"},
                {"block": "list-item", "type": "entry"},
                {"block": "hard-break", "type": "stop"},
            ],
            "markNames": [{"mark": "bold", "type": "loud"}, {"mark": "italic", "type": "leaning"}],
        }
    ),
)
RULES = SceneEditor(
    name="Rules",
    definition=EditorDefinition.model_validate(
        {
            "kind": "slate",
            "root": "content",
            "elements": {
                "title": {}, "line": {}, "group": {"holds": "blocks", "only": ["entry"]},
                "entry": {"holds": "blocks"},
            },
            "blocks": [
                {"block": "heading", "type": "title"},
                {"block": "paragraph", "type": "line"},
                {"block": "list", "type": "group"},
                {"block": "list-item", "type": "entry"},
            ],
            "markNames": [{"mark": "bold", "type": "loud"}],
        }
    ),
)  # fmt: skip
EDITORS = [*(SceneEditor(name=name) for name in BuiltIn), HOUSE, RULES]


def begun(editor: SceneEditor, seed: int) -> bytes:
    """A scene of *editor* with a random document."""
    author = Author(Random(f"{editor.name} {seed}"))
    while True:
        body = slate.render(author.document())
        if editor.name == BuiltIn.PLAIN:
            body = b'[{"type": "paragraph", "text": "one"}, {"type": "paragraph", "text": "two"}]'
        try:
            update = formats.rewrite(updates.EMPTY, BLOCKS, body, editor)
        except CannotHold:
            continue
        if update is not None:
            return update


def converted(state: bytes, editor: SceneEditor, present: SceneEditor) -> bytes:
    update = formats.converted(state, editor, present)
    return state if update is None else updates.merge([state, update])


@pytest.mark.parametrize("editor", EDITORS, ids=lambda editor: editor.name)
@pytest.mark.parametrize("before", EDITORS, ids=lambda editor: editor.name)
def test_there_and_back(before: SceneEditor, editor: SceneEditor):
    """A text is read by the names of its present editor, not by those of another one.

    Whoever was interrupted sends the same again, while the scene still names the editor before.
    """
    for seed in range(SCENES):
        state = begun(before, seed)
        shown = formats.render(state, BLOCKS, before)
        try:
            there = converted(state, editor, before)
        except CannotHold:
            continue
        seen = formats.render(there, BLOCKS, editor)
        assert likeness.says_the_same(slate.parse(seen), slate.parse(shown)), (seed, shown, seen)
        assert formats.converted(there, editor, before) is None, (seed, shown)
        assert formats.converted(there, editor, editor) is None, (seed, shown)
        back = formats.render(converted(there, before, editor), BLOCKS, before)
        assert likeness.says_the_same(slate.parse(back), slate.parse(shown)), (seed, shown, back)
