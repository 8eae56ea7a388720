"""Documents with other roots than one expects, and several: nothing in them is hidden."""

import json
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab import formats, updates
from services.collab.formats import CannotHold, Layout
from services.collab.formats.document import holds_the_same, read

TIPTAP = SceneEditor(name=BuiltIn.TIPTAP)


def document(**texts: str) -> Doc[Any]:
    """A document with a paragraph in the fragment "default", and texts under other roots."""
    doc: Doc[Any] = Doc()
    fragment: XmlFragment = doc.get("default", type=XmlFragment)
    paragraph = fragment.children.append(XmlElement("paragraph"))
    paragraph.children.append(XmlText("I type one line."))
    for name, value in texts.items():
        text: Text = doc.get(name, type=Text)
        text += value
    return doc


def said(state: bytes, form: ContentFormat) -> str:
    return formats.render(state, form, TIPTAP).decode()


def test_every_root_is_in_every_format():
    """An import under one name and what an editor wrote under another, and a title."""
    state = document(content="An import.\nOf two lines.", title="Frankenstein").get_update()

    for form in (f for f in ContentFormat if f is not ContentFormat.YJS):
        body = said(state, form)
        assert all(word in body for word in ("I type one line.", "An import.", "Frankenstein"))
    assert formats.roots_of(state) == ["default", "content", "title"]


def test_each_root_is_written_where_it_stands():
    """And a root that is left out is emptied, as any block is deleted."""
    state = document(notes="Keep it.", title="Frankenstein").get_update()
    text = said(state, ContentFormat.TEXT)
    blocks = json.loads(said(state, ContentFormat.BLOCKS))

    sent = text.replace("Frankenstein", "Prometheus").replace("one line", "two lines").encode()
    update = formats.rewrite(state, ContentFormat.TEXT, sent, TIPTAP)
    assert update is not None
    without = [block for block in blocks if block.get("name") != "notes"]
    emptied = formats.rewrite(state, ContentFormat.BLOCKS, json.dumps(without).encode(), TIPTAP)
    assert emptied is not None

    doc: Doc[Any] = Doc()
    doc.apply_update(updates.merge([state, update]))
    assert str(doc.get("title", type=Text)) == "Prometheus"
    assert str(doc.get("notes", type=Text)) == "Keep it."
    assert "two lines" in said(doc.get_update(), ContentFormat.TEXT)
    assert formats.roots_of(updates.merge([state, emptied])) == ["default", "title"]


def test_an_unknown_root_is_read_alone():
    """Lexical, Quill and BlockNote have names of their own, and teams choose others."""
    doc: Doc[Any] = Doc()
    text: Text = doc.get("monaco", type=Text)
    text += "int main()"

    assert said(doc.get_update(), ContentFormat.TEXT) == "int main()"


def test_the_first_text_goes_into_the_root_of_the_editor():
    """Whatever the format: else the editor would not show it."""
    expected = {
        BuiltIn.TIPTAP: ("default", Layout.XML),
        BuiltIn.PROSEMIRROR: ("prosemirror", Layout.XML),
        BuiltIn.BLOCKNOTE: ("document-store", Layout.XML),
        BuiltIn.SLATE: ("content", Layout.SLATE),
        BuiltIn.PLATE: ("content", Layout.SLATE),
        BuiltIn.LEXICAL: ("root", Layout.SLATE),
        BuiltIn.QUILL: ("quill", Layout.PLAIN),
        BuiltIn.PLAIN: ("content", Layout.PLAIN),
    }
    bodies = {
        ContentFormat.TEXT: b"One.",
        ContentFormat.MARKDOWN: b"One.\n",
        ContentFormat.BLOCKS: b'[{"type":"paragraph","children":[{"text":"One."}]}]',
    }
    for editor, (root, laid_out) in expected.items():
        for form, body in bodies.items():
            update = formats.rewrite(updates.EMPTY, form, body, SceneEditor(name=editor))
            assert update is not None
            assert (formats.roots_of(update), formats.layout_of(update)) == ([root], laid_out)


def test_going_back_brings_back_the_whole_document():
    """Every root with its marks, the maps and arrays beside the text, and what was deleted."""
    doc = document(content="An import.", title="Frankenstein")
    settings: Map[Any] = doc.get("settings", type=Map)
    settings["font"] = "Garamond"
    settings["deep"] = Map({"a": Array([1.0, "two"])})
    order: Array[Any] = doc.get("order", type=Array)
    order.extend(["b", "a"])
    then = doc.get_update()
    title: Text = doc.get("title", type=Text)
    del title[0 : len(title)]
    title.insert(0, "Prometheus", {"bold": True})
    settings["font"] = "Arial"
    del settings["deep"]
    order.append("c")
    extra: Text = doc.get("later", type=Text)
    extra += "written later"

    update, exact = formats.restored(doc.get_update(), then)
    assert update is not None
    doc.apply_update(update)

    assert exact
    assert title.diff() == [("Frankenstein", None)]
    assert settings.to_py() == {"font": "Garamond", "deep": {"a": [1.0, "two"]}}
    assert order.to_py() == ["b", "a"]
    assert str(extra) == ""
    assert formats.restored(doc.get_update(), then) == (None, True)


def test_a_scene_is_converted_by_one_edit():
    """The same words, marks and blocks for another editor; nothing is left under the old root."""
    source = "# Letter I\n\nYou will *rejoice* to hear\n\n- one\n- two\n"
    state = formats.rewrite(updates.EMPTY, ContentFormat.MARKDOWN, source.encode(), TIPTAP)
    assert state is not None
    for editor in BuiltIn:
        if editor in (BuiltIn.TIPTAP, BuiltIn.PLAIN):
            continue
        named = SceneEditor(name=editor)
        update = formats.converted(state, named)
        assert update is not None
        after = updates.merge([state, update])

        assert formats.render(after, ContentFormat.MARKDOWN, named).decode() == source
        assert len(formats.roots_of(after)) == 1
        assert formats.converted(after, named) is None


def test_what_another_editor_has_no_place_for_is_not_converted():
    """Struck-through words would lose their mark, ticks their boxes; nothing is flattened."""
    for source in (b"one ~~two~~\n", b"- [x] one\n"):
        state = formats.rewrite(updates.EMPTY, ContentFormat.MARKDOWN, source, TIPTAP)
        assert state is not None

        with pytest.raises(CannotHold):
            formats.converted(state, SceneEditor(name=BuiltIn.PROSEMIRROR))


def test_exact_is_said_of_the_whole_document():
    """A difference in one root, or in a map beside the text, is one."""
    for name, value in (("title", "Another"), ("settings", None)):
        here, there = document(title="One"), document(title="One")
        if value:
            text: Text = here.get(name, type=Text)
            text += value
        else:
            mapping: Map[Any] = here.get(name, type=Map)
            mapping["font"] = "Arial"
        then = read(there.get_update())

        assert not holds_the_same(here, then)
        assert holds_the_same(there, then)


@pytest.mark.parametrize("editor", [BuiltIn.PROSEMIRROR, BuiltIn.BLOCKNOTE])
def test_what_tiptap_wrote_is_read_as_that_when_another_editor_is_named(editor: BuiltIn):
    """A change of the name does not touch a text, nor what is seen of it."""
    tiptap, named = SceneEditor(name=BuiltIn.TIPTAP), SceneEditor(name=editor)
    source = b"# One\n\n- two **three**\n\n> four\n"
    state = formats.rewrite(updates.EMPTY, ContentFormat.MARKDOWN, source, tiptap)
    assert state

    assert formats.render(state, ContentFormat.MARKDOWN, named) == source
    for form in ContentFormat:
        got = formats.render(state, form, named)
        assert formats.rewrite(state, form, got, named) is None, form
