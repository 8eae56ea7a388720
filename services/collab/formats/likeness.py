"""Whether two contents say the same, whatever an editor wants around it."""

import math
from typing import Any

from services.collab.formats import merge, names
from services.collab.formats.tree import Element, Leaf, Node, joined, key_of


def says_the_same(one: Element, other: Element) -> bool:
    """Whether both are the same content in normal form.

    Where an editor wants a paragraph in an item, quotation or cell, text may be given without; and
    a block may have a name of its own that nobody gave it.
    """
    return one == other or key_of(normal(one)) == key_of(normal(other))


def first_difference(one: Element, other: Element) -> int:
    """Return at which child both begin to differ."""
    pairs = zip(normal(one).children, normal(other).children, strict=False)
    for at, (this, that) in enumerate(pairs):
        if key_of(this) != key_of(that):
            return at
    return min(len(one.children), len(other.children))


_HOLDERS = frozenset(
    {*names.ITEMS, *names.CELLS, "quote", "listItem", "taskItem", "tableCell", "tableHeader"}
    | {"blockquote"}
)
"""Blocks in which an editor may want a paragraph, by our names and Tiptap's."""


def normal(element: Element) -> Element:
    """Return *element* and all in it in the form in which contents are compared."""
    inner = element
    if element.type in _HOLDERS:
        only = merge.only_paragraph(element)
        if only is not None and not _attributes(only):
            inner = only
    children = joined(one for child in inner.children for one in _children(child))
    return Element(element.type, _attributes(element), children)


def _children(node: Node) -> list[Node]:
    if isinstance(node, Leaf):
        return [_leaf(node)]
    if node.type != "link" or not node.children:
        return [normal(node)]
    # Slate's links are elements, those of other editors marks.
    value = {"href" if key == "url" else key: value for key, value in node.attrs.items()}
    return [
        _leaf(Leaf(one.text, one.marks | {"link": value})) if isinstance(one, Leaf) else normal(one)
        for one in node.children
    ]


def _leaf(node: Leaf) -> Leaf:
    marks = {name: value for name, value in node.marks.items() if value is not False}
    return Leaf(node.text, {name: True if value == {} else value for name, value in marks.items()})


def _attributes(element: Element) -> dict[str, Any]:
    return {
        name: value
        for name, value in element.attrs.items()
        if name not in names.IDENTITIES and not _is_nothing(value)
    }


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
