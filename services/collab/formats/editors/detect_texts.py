"""Which built-in editor wrote a text, when nobody says: told by the names that it uses."""

from typing import Any

from libs.contracts.editors import BuiltIn
from services.collab.formats.editors import plate_view, quill_view
from services.collab.formats.editors.lexical_view import TYPE
from services.collab.formats.layout import Layout
from services.collab.formats.tree import EMBED, Element, Leaf, elements

_PLATE = frozenset({*plate_view.NAMES, *plate_view.HEADINGS, "code_line", "action_item", "a"})
_QUILL_LINES = (
    quill_view.HEADER,
    quill_view.LIST,
    quill_view.QUOTE,
    quill_view.CODE,
    quill_view.INDENT,
    "align",
    "direction",
)
_QUILL_EMBEDS = frozenset({"image", "video", "formula"})


def detect(layout: Layout, root: str, native: Element) -> BuiltIn | None:
    """Return the editor that wrote *native*, the content of *root*; None when it is no text."""
    match layout:
        case Layout.PLAIN:
            return BuiltIn.QUILL if root == "quill" or _is_quill(native) else BuiltIn.PLAIN
        case Layout.SLATE if any(TYPE in one.attrs for one in elements(native.children)):
            return BuiltIn.LEXICAL
        case Layout.SLATE:
            return BuiltIn.PLATE if _is_plate(native) else BuiltIn.SLATE
        case _:
            return None


def _is_quill(native: Element) -> bool:
    """Whether a newline says what its line is, or a value is embedded as Quill does."""
    return any(
        any(key in child.marks for key in _QUILL_LINES) and "\n" in child.text
        if isinstance(child, Leaf)
        else _is_picture(child)
        for child in native.children
    )


def _is_picture(element: Element) -> bool:
    value: Any = element.attrs.get("value")
    return element.type == EMBED and isinstance(value, dict) and not _QUILL_EMBEDS.isdisjoint(value)  # pyright: ignore[reportUnknownArgumentType]


def _is_plate(native: Element) -> bool:
    rows = list(elements(native.children))
    while rows:
        one = rows.pop()
        if one.type in _PLATE or plate_view.is_item(one):
            return True
        rows += elements(one.children)
    return False
