"""Every character of a document is found in its text, whatever editor wrote it."""

from random import Random
from typing import Any

import pytest
from pycrdt import Doc, Text

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats, updates
from services.collab.formats import slate
from services.collab.formats.places import placed
from services.collab.review.characters import CharacterDocument
from services.collab.review.structs import units
from tests.clients.editors.documents import Author


def scene(editor: BuiltIn, seed: int) -> bytes:
    """Return a random scene as the server lays it out for *editor*."""
    # Pictures of Lexical are text to Yjs and stand in the text by labels.
    author = Author(Random(seed), pictures=bool(seed % 2) and editor is not BuiltIn.LEXICAL)
    named = SceneEditor(name=editor)
    while True:
        if editor is BuiltIn.PLAIN:
            content, form = "\n".join(author.next_word() for _ in range(9)), ContentFormat.TEXT
        else:
            content, form = slate.render(author.document()).decode(), ContentFormat.BLOCKS
        try:
            state = formats.rewrite(updates.EMPTY, form, content.encode(), named)
        except formats.CannotHold:
            continue
        if state is not None:
            return state


@pytest.mark.parametrize("editor", BuiltIn)
def test_each_character_stands_where_it_is_said_to(editor: BuiltIn) -> None:
    seen = 0
    for seed in range(120):
        state = scene(editor, seed)
        found = placed(state, SceneEditor(name=editor))
        shown = formats.render(state, ContentFormat.TEXT, SceneEditor(name=editor)).decode()
        assert found.text == units(shown)
        document = CharacterDocument()
        document.apply(state)
        runs = "".join(run.text for root in found.roots for run in document.runs(root))
        assert found.characters == runs
        for offset, character in enumerate(found.characters):
            # Some line ends of Quill and Lexical end blocks that the text does not show.
            if character != "\n":
                assert found.text[found.place(offset)] == character
                again = found.first_from(found.place(offset))
                assert found.place(again) == found.place(offset)
                seen += 1
    assert seen > 1_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("ice", "ice"),
        ("a\r\nb\rc\n", "a\nb\nc\n"),
        ("\ufeffa😀b", "a😀b"),
        ("\n\nx", "\n\nx"),
    ],
)
def test_plain_text_stands_where_it_is(text: str, shown: str) -> None:
    doc: Doc[Any] = Doc()
    plain = doc.get("content", type=Text)
    plain += text
    found = placed(doc.get_update(), SceneEditor(name=BuiltIn.PLAIN))
    assert found.text == units(shown)
    assert found.characters == units(text)
    for offset, character in enumerate(found.characters):
        if character not in "\r\n\ufeff":
            assert found.text[found.place(offset)] == character
