"""What Yjs keeps beside text: formatting of embedded values, and shared types within others."""

import base64
import json
from typing import Any

import pytest
from pycrdt import Doc, Map, Text

from libs.contracts.collab.content import ContentFormat
from services.collab import formats, updates
from services.collab.formats import layout
from services.collab.formats.tree import Element, Node
from tests.collab.formats.contents import Json, got, put

# Made by Yjs 13.6: a paragraph whose attribute `cells` is a Y.Array.
CELLS = base64.b64decode(
    "AQXwBwAHAQdkZWZhdWx0AwlwYXJhZ3JhcGgHAPAHAAYEAPAHAQR0ZXh0JwDwBwAFY2VsbHMACADwBwYCfQF9AgA="
)


def picture() -> bytes:
    """A text with an embedded value in it that no editor is known for."""
    doc: Doc[Any] = Doc()
    text: Text = doc.get("content", type=Text)
    text += "before after"
    text.insert_embed(7, {"chart": "map.png"}, {"width": "200", "alt": "The map", "z": {"b": 1}})
    return doc.get_update()


def test_formatting_of_a_picture_is_part_of_it():
    """Shown, kept by a PUT, changed in place by one, and taken away by one."""
    state = picture()
    blocks = got(state, ContentFormat.BLOCKS)
    embed = blocks[0]["children"][1]

    assert embed["attributes"] == {"alt": "The map", "width": "200", "z": {"b": 1}}
    assert formats.rewrite(state, ContentFormat.BLOCKS, json.dumps(blocks).encode()) is None
    embed["attributes"] = {"width": "300", "alt": "The map"}
    assert got(put(state, ContentFormat.BLOCKS, blocks), ContentFormat.BLOCKS) == blocks
    fresh = put(layout_only(), ContentFormat.BLOCKS, blocks)
    assert got(fresh, ContentFormat.BLOCKS) == blocks


def root(name: str, state: bytes) -> Node:
    """Return what stands first in a root of *state*."""
    doc: Doc[Any] = Doc()
    doc.apply_update(state)
    return layout.read_root(doc, name).tree.children[0]


def layout_only() -> bytes:
    """A plain text with nothing of it left but a word."""
    return put(b"\x00\x00", ContentFormat.TEXT, "x")


@pytest.mark.parametrize("form", [ContentFormat.BLOCKS, ContentFormat.PROSEMIRROR])
def test_a_shared_type_in_an_attribute_is_its_json(form: ContentFormat):
    """The same each time, not overwritten by what was shown, and changed inside by what was not."""
    shown = formats.render(CELLS, form)

    assert b'"cells":[1,2]' in shown
    assert formats.render(CELLS, form) == shown
    assert formats.rewrite(CELLS, form, shown) is None
    update = formats.rewrite(CELLS, form, shown.replace(b"[1,2]", b"[1,3]"))
    assert update is not None
    after = updates.merge([CELLS, update])
    assert b'"cells":[1,3]' in formats.render(after, form)
    element = root("default", after)
    assert isinstance(element, Element)
    assert type(element.handle.attributes.get("cells")).__name__ == "Array"


def test_a_map_in_a_text_is_changed_inside():
    """As Lexical keeps its text nodes."""
    doc: Doc[Any] = Doc()
    text: Text = doc.get("content", type=Text)
    text += "word"
    text.insert_embed(0, Map({"__type": "text", "__format": 1.0, "deep": Map({"a": "b"})}), {})
    state = doc.get_update()
    blocks: Json = got(state, ContentFormat.BLOCKS)
    found = blocks[0]["children"][1]

    assert (found["type"], found["__format"], found["deep"]) == ("yjs-map", 1, {"a": "b"})
    found["__format"], found["deep"] = 2, {"a": "c"}
    after = put(state, ContentFormat.BLOCKS, blocks)
    assert got(after, ContentFormat.BLOCKS) == blocks
    node = root("content", after)
    assert isinstance(node, Element)
    assert isinstance(node.handle, Map)
    assert isinstance(node.handle["deep"], Map)
