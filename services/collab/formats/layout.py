"""How a document is laid out: found by looking at what is in it, whatever editor wrote it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pycrdt import Doc, Map, Text, XmlElement, XmlFragment, XmlText

from services.collab.formats import shared, tree
from services.collab.formats.tree import EMBED, Element, Leaf, Node, number

CONTENT = "content"
"""Root of plain editors (Y.Text) and of slate-yjs (Y.XmlText)."""
FRAGMENT = "default"
"""Root of Tiptap, made when a scene is first written as ProseMirror JSON."""

RUN = "yjs-run"
"""Type of the element that stands for a Y.XmlText inside an XML element: a run of text."""
MAP = "yjs-map"
"""Type of the element that stands for a Y.Map in a text, such as a text node of Lexical."""
NAMELESS = "UNDEFINED"
"""Tag of a Y.XmlElement that was made without one, such as a decorator of Lexical."""


class Layout(StrEnum):
    """What kind of editor wrote a document."""

    EMPTY = "empty"
    """Nobody wrote yet."""
    PLAIN = "plain"
    """A Y.Text: text, perhaps with formatting (Quill), and embedded values."""
    SLATE = "slate"
    """A Y.XmlText with a Y.XmlText in it for each block, and so on (slate-yjs)."""
    XML = "xml"
    """A Y.XmlFragment of elements with names (Tiptap, ProseMirror)."""


@dataclass(slots=True)
class Written:
    """A root of a document, how it is laid out, and what it holds as a tree.

    In an XML tree each Y.XmlText is an element of type RUN; `flat` dissolves them.
    """

    doc: Doc[Any]
    root: str
    layout: Layout
    tree: Element
    becomes: Layout | None = None
    """How it is laid out once it was written; None for as before."""


def read_root(doc: Doc[Any], name: str) -> Written:
    """Read one root of *doc* and find out how it is laid out."""
    # In one transaction, because pycrdt would else begin one for every text and its attributes.
    with doc.transaction():
        return _read_root(doc, name)


def _read_root(doc: Doc[Any], name: str) -> Written:
    text: Text = doc.get(name, type=Text)
    found = Element(None, {}, _sequence(text), text)
    elements = list(tree.elements(found.children))
    if any(isinstance(one.handle, XmlElement) and one.type != NAMELESS for one in elements):
        layout = Layout.XML
        # The same branch, seen as what it is.
        fragment: XmlFragment = doc.get(name, type=XmlFragment)
        found = Element(None, {}, _children(fragment), fragment)
    elif any(isinstance(one.handle, XmlText | XmlElement) for one in elements):
        layout = Layout.SLATE
    else:
        layout = Layout.PLAIN if found.children else Layout.EMPTY
    return Written(doc, name, layout, found)


def _sequence(text: Any) -> list[Node]:
    """Read a text: leaves, elements of Slate, embedded values."""
    found: list[Node] = []
    for value, attributes in text.diff():
        if isinstance(value, str):
            found.append(Leaf(value, tree.marks(attributes)))
        elif isinstance(value, XmlText):
            found.append(_slate(value))
        elif isinstance(value, XmlElement):
            found.append(_xml(value))
        elif isinstance(value, Map):
            found.append(Element(MAP, shared.members(value), [], value))  # pyright: ignore[reportUnknownArgumentType]
        else:
            found.append(_embed(value, tree.marks(attributes)))
    return found


def _embed(value: Any, marks: dict[str, Any]) -> Element:
    """Read an embedded value; its formatting, such as the width of a picture, is part of it."""
    formatting = {"attributes": number(marks)} if marks else {}
    return Element(EMBED, {"value": number(shared.as_json(value))} | formatting)


def _slate(text: XmlText) -> Element:
    attrs = _attributes(text)
    kind = attrs.pop("type", None) if isinstance(attrs.get("type"), str) else None
    return Element(kind, attrs, _sequence(text), text)


def _xml(element: XmlElement) -> Element:
    return Element(element.tag, _attributes(element), _children(element), element)


def _attributes(handle: XmlText | XmlElement) -> dict[str, Any]:
    found: Any = handle.attributes
    return {str(key): shared.attribute(handle, value) for key, value in found}


def _children(parent: XmlFragment | XmlElement) -> list[Node]:
    found: list[Node] = []
    for child in parent.children:
        if isinstance(child, XmlElement):
            found.append(_xml(child))
        elif isinstance(child, XmlText):
            found.append(Element(RUN, {}, _sequence(child), child))
        else:
            found.append(Element(RUN, {}, _children(child), child))
    return found


def says_something(node: Node) -> bool:
    """Whether there is text in *node*, or an element that stands for itself, such as a picture."""
    if isinstance(node, Leaf):
        return bool(node.text)
    if node.type == EMBED or node.type in _SPEAKING:
        return True
    if node.type == MAP:
        # Those of Lexical, which name their type, only say how the text after them looks.
        return "__type" not in node.attrs
    return any(says_something(child) for child in node.children)


_SPEAKING = frozenset(
    {"image", "mention", "divider", "horizontalRule", "emoji", "video", "embed", NAMELESS}
)
