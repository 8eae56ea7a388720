"""The harness tells documents that an editor keeps from those that it changes."""

from collections.abc import Iterator
from typing import Any

import pytest
from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from tests.clients.editors.opening import RealEditors

type Tree = tuple[str, list[Tree | str]]

PARAGRAPH: Tree = ("paragraph", ["kept"])


@pytest.fixture(scope="module")
def editors() -> Iterator[RealEditors]:
    """One process for all of this page."""
    with RealEditors() as running:
        yield running


def state(root: str, *blocks: Tree) -> bytes:
    """Return a document with *blocks* in its fragment *root*."""
    doc: Doc[Any] = Doc()
    _put(doc.get(root, type=XmlFragment), blocks)
    return doc.get_update()


def _put(parent: XmlFragment | XmlElement, nodes: tuple[Tree, ...] | list[Tree | str]) -> None:
    for node in nodes:
        if isinstance(node, str):
            parent.children.append(XmlText(node))
        else:
            _put(parent.children.append(XmlElement(node[0])), node[1])


@pytest.mark.parametrize(
    ("editor", "root", "kept", "refused"),
    [
        ("tiptap2", "default", PARAGRAPH, ("listItem", ["text in an item"])),
        ("tiptap3", "default", PARAGRAPH, ("blockquote", ["text in a quotation"])),
        ("prosemirror", "prosemirror", PARAGRAPH, ("list_item", ["text in an item"])),
        (
            "blocknote",
            "document-store",
            ("blockGroup", [("blockContainer", [PARAGRAPH])]),
            ("blockGroup", [("blockContainer", [PARAGRAPH, PARAGRAPH])]),
        ),
    ],
)
def test_an_editor_keeps_what_it_allows_and_deletes_the_rest(
    editors: RealEditors, editor: str, root: str, kept: Tree, refused: Tree
) -> None:
    """Were it otherwise, the property tests would prove nothing."""
    opened = editors.open(editor, state(root, kept))
    assert (opened.changed, opened.text) == (False, "kept")
    opened = editors.open(editor, state(root, kept, refused))
    assert opened.changed
    assert "text" not in opened.text
