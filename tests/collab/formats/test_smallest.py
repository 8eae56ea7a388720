"""A PUT never touches what it did not change: others' edits, cursors and undo go on."""

from copy import deepcopy
from typing import Any

import pytest
from pycrdt import Doc, Text, UndoManager, XmlElement, XmlFragment, XmlText

from libs.contracts.collab.content import ContentFormat
from services.collab import formats, updates
from services.collab.formats import Layout
from tests.collab.formats.contents import NOBODY, Json, encoded, got, put

LAYOUTS = pytest.mark.parametrize("layout", [Layout.SLATE, Layout.XML])
PARAGRAPHS = 200
CHANGE_BYTES_MAX = 120
"""One word changed in one paragraph, with the author's id and the deletion, UTF-8 bytes."""


def scene(layout: Layout) -> tuple[bytes, Json]:
    """A scene of many paragraphs, and its blocks."""
    blocks: Json = [
        {
            "type": "paragraph",
            "n": n,
            "children": [{"text": f"Paragraph {n} 😀 tells "}, {"text": "a tale", "bold": True}],
        }
        for n in range(PARAGRAPHS)
    ]
    form = ContentFormat.BLOCKS if layout is Layout.SLATE else ContentFormat.PROSEMIRROR
    state = put(
        NOBODY, form, [] if layout is Layout.SLATE else {"type": "doc", "content": [{"type": "x"}]}
    )
    state = put(state, ContentFormat.BLOCKS, blocks)
    assert formats.layout_of(state) is layout
    return state, blocks


class Client:
    """Somebody else with the document open."""

    def __init__(self, state: bytes, layout: Layout) -> None:
        self.doc: Doc[Any] = Doc()
        self.doc.apply_update(state)
        self.layout = layout

    def texts(self) -> list[XmlText]:
        """The Y.XmlText that holds each paragraph's text."""
        if self.layout is Layout.SLATE:
            root: Text = self.doc.get("content", type=Text)
            return [value for value, _ in root.diff()]
        fragment: XmlFragment = self.doc.get("default", type=XmlFragment)
        found: list[XmlText] = []
        for element in fragment.children:
            assert isinstance(element, XmlElement)
            text = element.children[0]
            assert isinstance(text, XmlText)
            found.append(text)
        return found


@LAYOUTS
@pytest.mark.parametrize("form", [ContentFormat.BLOCKS, ContentFormat.PROSEMIRROR])
def test_an_edit_is_as_large_as_the_change(layout: Layout, form: ContentFormat):
    """Not as the scene; in the format of its own layout and in the other."""
    state, _ = scene(layout)
    wanted = encoded(got(state, form)).replace(b"Paragraph 100 ", b"Paragraph one hundred ", 1)

    update = formats.rewrite(state, form, wanted)

    assert update
    assert len(update) < CHANGE_BYTES_MAX


@LAYOUTS
@pytest.mark.parametrize("form", [ContentFormat.TEXT, ContentFormat.MARKDOWN])
def test_text_and_markdown_edit_blocks_in_place(layout: Layout, form: ContentFormat):
    """Types, attributes and marks that the format does not show are kept."""
    state, blocks = scene(layout)
    body = got(state, form)

    update = formats.rewrite(state, form, encoded(body.replace("100 😀 tells", "100 😀 told")))

    assert update
    assert len(update) < CHANGE_BYTES_MAX
    wanted = deepcopy(blocks)
    wanted[100]["children"][0]["text"] = "Paragraph 100 😀 told "
    assert got(updates.merge([state, update]), ContentFormat.BLOCKS) == wanted


@LAYOUTS
@pytest.mark.parametrize("form", [form for form in ContentFormat if form is not ContentFormat.YJS])
def test_edits_made_meanwhile_survive(layout: Layout, form: ContentFormat):
    """In other paragraphs, and elsewhere in the very paragraph that the PUT changes."""
    state, _ = scene(layout)
    other = Client(state, layout)
    before = other.doc.get_state()
    texts = other.texts()
    texts[5].insert(0, "Elsewhere. ", {})
    at = len("Paragraph 7 😀 ".encode())
    texts[7].insert(at, "also ", {})
    theirs = other.doc.get_update(before)

    wanted = encoded(got(state, form)).replace(b"Paragraph 7 ", b"Section 7 ", 1)
    ours = formats.rewrite(state, form, wanted)

    assert ours
    text = got(updates.merge([state, ours, theirs]), ContentFormat.TEXT).split("\n")
    assert text[5] == "Elsewhere. Paragraph 5 😀 tells a tale"
    assert text[7] == "Section 7 😀 also tells a tale"
    assert len(text) == PARAGRAPHS


@LAYOUTS
def test_others_undo_still_resolves(layout: Layout):
    """It names items, so those of unchanged text must be the same ones afterwards.

    For cursors see tests/clients/test_editors.py: pycrdt has no relative positions in Y.XmlText.
    """
    state, blocks = scene(layout)
    client = Client(state, layout)
    text = client.texts()[50]
    root = Text if layout is Layout.SLATE else XmlFragment
    scope: Any = client.doc.get("content" if layout is Layout.SLATE else "default", type=root)
    undo = UndoManager(scopes=[scope], capture_timeout_millis=0)
    undo.include_origin("typist")
    with client.doc.transaction(origin="typist"):
        text.insert(0, "Typed. ", {})
    wanted = deepcopy(blocks)
    del wanted[10:20]
    wanted[30]["children"][0]["text"] = "New words "
    wanted.insert(40, {"type": "shot", "children": [{"text": "CLOSE ON"}]})

    update = formats.rewrite(client.doc.get_update(), ContentFormat.BLOCKS, _with(wanted, client))
    assert update
    client.doc.apply_update(update)

    assert len(client.texts()) == PARAGRAPHS - 9
    assert str(text).startswith("Typed. Paragraph 50")
    assert undo.undo()
    assert str(text).startswith("Paragraph 50")


def _with(blocks: Json, client: Client) -> bytes:
    """What the client typed is in the content that is written, as with a base of now."""
    current = got(client.doc.get_update(), ContentFormat.BLOCKS)
    typed = next(block for block in current if block["n"] == 50)
    return encoded([typed if block.get("n") == 50 else block for block in blocks])


@LAYOUTS
def test_marks_and_attributes_change_without_the_text(layout: Layout):
    """A letter typed into the marked words at the same time stays where it was typed."""
    state, blocks = scene(layout)
    wanted = deepcopy(blocks)
    wanted[3]["n"] = 4
    wanted[3]["children"] = [{"text": "Paragraph 3 😀 tells a tale", "italic": True}]
    other = Client(state, layout)
    before = other.doc.get_state()
    other.texts()[3].insert(len("Para"), "!", {})
    theirs = other.doc.get_update(before)

    ours = formats.rewrite(state, ContentFormat.BLOCKS, encoded(wanted))

    assert ours
    assert b"Paragraph" not in ours
    found = got(updates.merge([state, ours, theirs]), ContentFormat.BLOCKS)[3]
    assert found["n"] == 4
    assert "".join(leaf["text"] for leaf in found["children"]) == "Para!graph 3 😀 tells a tale"
    assert [leaf["italic"] for leaf in found["children"]] == [True]


def test_plain_text_keeps_its_formatting_under_a_change_of_text():
    """Quill's bold words stay bold when somebody writes the scene as text."""
    doc: Doc[Any] = Doc()
    text: Text = doc.get("content", type=Text)
    text += "one two three"
    text.format(4, 7, {"bold": True})
    text.insert_embed(0, {"image": "x.png"})

    update = formats.rewrite(doc.get_update(), ContentFormat.TEXT, b"one and two three")
    assert update
    doc.apply_update(update)

    assert [value for value, marks in text.diff() if marks] == ["two"]
    assert text.diff()[0][0] == {"image": "x.png"}
