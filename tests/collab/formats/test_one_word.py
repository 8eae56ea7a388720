"""A word of a random document is changed in a format: every node, mark and attribute else stays."""

import json
import re
from collections.abc import Callable
from random import Random

import pytest

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats, updates
from services.collab.formats import CannotHold, prosemirror
from services.collab.formats.editors import registry
from services.collab.formats.editors.prosemirror import ProseMirrorEditor
from services.collab.formats.layout import Layout
from tests.clients.editors.trees import Native, Words
from tests.collab.formats.test_converted import begun

TEXT, MARKDOWN = ContentFormat.TEXT, ContentFormat.MARKDOWN
SCENES = 20
NEW = "9999w"
CHANGES: dict[str, Callable[[str], str]] = {
    "replaced": lambda _: NEW,
    "lengthened": lambda word: word + NEW,
    "preceded": lambda word: f"{NEW} {word}",
}


def of_a_real_schema(editor: BuiltIn, pick: Random) -> bytes | None:
    """A scene of nodes that only this editor has; None for an editor whose document is a text."""
    lens = registry.built_in(editor)
    if not isinstance(lens, ProseMirrorEditor):
        return None
    known = frozenset(lens.schema.types)
    body = prosemirror.render(Native(lens.schema, known, Words(pick)).document())
    body = re.sub(rb"(\d+) ", rb"\1w ", body)
    try:
        form = ContentFormat.PROSEMIRROR
        return formats.rewrite(updates.EMPTY, form, body, SceneEditor(name=editor))
    except CannotHold:
        return None


@pytest.mark.parametrize("form", [TEXT, MARKDOWN])
@pytest.mark.parametrize("editor", [each for each in BuiltIn if each is not BuiltIn.PLAIN])
def test_nothing_else_changes(editor: BuiltIn, form: ContentFormat):
    named, tried = SceneEditor(name=editor), 0
    native = registry.built_in(editor).layout is Layout.XML
    whole = ContentFormat.PROSEMIRROR if native else ContentFormat.BLOCKS

    def read(state: bytes) -> str:
        found = json.loads(formats.render(state, whole, named))
        return json.dumps(found, ensure_ascii=False, sort_keys=True)

    for seed in range(SCENES):
        pick = Random(f"{editor} {form} {seed}")
        state = (of_a_real_schema(editor, pick) if seed % 2 else None) or begun(named, seed)
        shown, was = formats.render(state, form, named).decode(), read(state)
        words = [word for word in re.findall(r"\b\d+w", shown) if was.count(word) == 1]
        for name, change in CHANGES.items():
            for word in pick.sample(words, min(len(words), 2)):
                becomes = change(word)
                update = formats.rewrite(state, form, shown.replace(word, becomes).encode(), named)
                assert update is not None
                got = read(updates.merge([state, update]))
                assert got == was.replace(word, becomes), (seed, name, word, shown)
                tried += 1
    assert tried >= SCENES // 2
