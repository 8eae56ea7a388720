"""The names of blocks: one table between our own (Slate JSON) and Tiptap's.

Names that are not in the table are the same on both sides, so nothing unknown is ever lost.
"""

from collections.abc import Callable
from typing import Any

from services.collab.formats.tree import Element, Leaf

BLOCKS: tuple[tuple[str, dict[str, Any], str], ...] = (
    # (our name, attributes that go with it, Tiptap's name)
    ("list", {"ordered": True}, "orderedList"),
    ("list", {}, "bulletList"),
    ("list-item", {}, "listItem"),
    ("quote", {}, "blockquote"),
    ("code-block", {}, "codeBlock"),
    ("divider", {}, "horizontalRule"),
    ("hard-break", {}, "hardBreak"),
    ("task-list", {}, "taskList"),
    ("task-item", {}, "taskItem"),
    ("table-row", {}, "tableRow"),
    ("table-cell", {}, "tableCell"),
    ("table-header", {}, "tableHeader"),
)

MARKS: tuple[tuple[str, str], ...] = (("strikethrough", "strike"),)

PARAGRAPH = "paragraph"
LIST_ITEM = "list-item"
TASK_LIST = "task-list"
TASK_ITEM = "task-item"
HARD_BREAK = "hard-break"
CODE_BLOCK = "code-block"
FOOTNOTE = "footnote"
FOOTNOTE_REFERENCE = "footnote-reference"
FRONT_MATTER = "front-matter"
LINK_DEFINITION = "link-definition"
TOKEN = "markdown-token"  # noqa: S105 (it is no secret)
"""Stands in Markdown for something that it cannot show; its attributes are `key` and `label`."""

BREAKS = (HARD_BREAK, "hardBreak", "hard_break", "linebreak")
"""Elements that break a line, under all names that are met."""

TOKEN_SCHEME = "scriptorium:"  # noqa: S105 (nothing secret)
"""What the address of a token begins with."""

LABELS = ("label", "alt", "latex", "text", "name", "title", "id")
"""Attributes that may say what an element without text reads as, in this order."""

SCREENPLAY = (
    "scene-heading",
    "action",
    "character",
    "parenthetical",
    "dialogue",
    "transition",
    "shot",
)

INLINE = frozenset(
    {
        "link",
        "mention",
        "hard-break",
        "hardBreak",
        "image",
        "emoji",
        FOOTNOTE_REFERENCE,
        TOKEN,
        "yjs-embed",
        "yjs-map",
    }
)
"""Elements that stand in a line of text even where no text is beside them."""

BLOCK_OR_INLINE = frozenset({"image"})
"""Elements that editors put into lines or between blocks, as they like."""

ROOT = "yjs-root"
"""Type of the element that shows another root of the document than the main one."""

LISTS = frozenset({"list", "task-list"})
ITEMS = frozenset({LIST_ITEM, "task-item"})
CELLS = frozenset({"table-cell", "table-header"})
STRUCTURE = LISTS | {"table", "table-row"}
"""Blocks that hold no text of their own, not even an empty line."""

REPEATING = frozenset({PARAGRAPH, LIST_ITEM, "action", "dialogue", "code-line"})
"""A new line of plain text becomes a block of its predecessor's type, if it is one of these."""

IDENTITIES = frozenset({"id", "blockId", "key", "uuid"})
"""Attributes that name one block: a copy of it has none of them."""

SHORT = frozenset({*SCREENPLAY, PARAGRAPH, LIST_ITEM, "heading", "quote"})
"""Blocks whose shorthand `{"type", "text"}` is also understood inside of other blocks."""

_TO_TIPTAP_MARK: dict[str, str] = dict(MARKS)
_FROM_TIPTAP_MARK: dict[str, str] = {theirs: ours for ours, theirs in MARKS}
_TO_TIPTAP = {
    kind: [(attrs, theirs) for ours, attrs, theirs in BLOCKS if ours == kind]
    for kind, _, _ in BLOCKS
}
_FROM_TIPTAP = {theirs: (ours, attrs) for ours, attrs, theirs in BLOCKS}

type Translate = Callable[[Element], Element]


def to_tiptap(element: Element) -> Element:
    """Return *element* and all in it under Tiptap's names; handles are not kept."""
    kind, attrs = element.type, element.attrs
    for going_with, theirs in _TO_TIPTAP.get(kind or "", ()):
        if all(attrs.get(key) is value for key, value in going_with.items()):
            attrs = {key: value for key, value in attrs.items() if key not in going_with}
            kind = theirs
            break
    children = [
        _leaf(c, _mark_out) if isinstance(c, Leaf) else to_tiptap(c) for c in element.children
    ]
    return Element(kind, attrs, children)


def from_tiptap(element: Element) -> Element:
    """Return *element* and all in it under our names; handles are not kept."""
    kind, attrs = element.type, element.attrs
    if kind is not None and kind in _FROM_TIPTAP:
        kind, going_with = _FROM_TIPTAP[kind]
        attrs = going_with | attrs
    children = [
        _leaf(c, _mark_in) if isinstance(c, Leaf) else from_tiptap(c) for c in element.children
    ]
    return Element(kind, attrs, children)


def _leaf(leaf: Leaf, rename: Callable[[str, Any], tuple[str, Any]]) -> Leaf:
    if not leaf.marks:
        return leaf
    return Leaf(leaf.text, dict(rename(name, value) for name, value in leaf.marks.items()))


def _mark_out(name: str, value: Any) -> tuple[str, Any]:
    # y-prosemirror keeps a mark's attributes as its value, an empty object if there are none.
    return _TO_TIPTAP_MARK.get(name, name), {} if value is True else value


def _mark_in(name: str, value: Any) -> tuple[str, Any]:
    return _FROM_TIPTAP_MARK.get(name, name), True if value == {} else value
