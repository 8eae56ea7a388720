"""How BlockNote lays out blocks: what its view and its building both know."""

from dataclasses import dataclass

from services.collab.formats.tree import Element, Leaf, Node

GROUP = "blockGroup"
CONTAINER = "blockContainer"
CELL_TEXT = "tableParagraph"
PARTS = {"table-cell": "cell", "table-header": "cell", "table-row": "row"}
CELLS = ("table-cell", "table-header")


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a list: how it is called here, and how we call it and what it stands in."""

    theirs: str
    ours: str
    list: str
    ordered: bool = False


ITEMS = (
    Item("bulletListItem", "list-item", "list"),
    Item("numberedListItem", "list-item", "list", ordered=True),
    Item("checkListItem", "task-item", "task-list"),
)
ITEM_OF = {one.theirs: one for one in ITEMS}
HOLDERS = {one.theirs: one.ours for one in ITEMS} | {
    "quote": "quote",
    "toggleListItem": "toggleListItem",
}
"""Blocks whose text is a paragraph in ours, beside the blocks below it."""
OURS_HOLDING = frozenset({"list-item", "task-item", "quote", "toggleListItem"})

BLOCKS = frozenset(
    {
        *HOLDERS, *OURS_HOLDING, *PARTS, "paragraph", "heading", "codeBlock", "code-block",
        "divider", "image", "video", "audio", "file", "table", "list", "task-list",
    }
)  # fmt: skip
"""Elements that stand in no line of text, by our names and by those of BlockNote."""
_NO_CONTENT = frozenset(
    {
        GROUP, CONTAINER, CELL_TEXT, *PARTS, "tableRow", "tableCell", "tableHeader", "doc", "text",
        "list", "task-list", "list-item", "task-item", "code-block",
    }
)  # fmt: skip
"""Nodes that are neither blocks of their own in BlockNote nor stand in a line."""
_BREAKS = frozenset({"hard-break", "hardBreak"})


def only_group(native: Element) -> Element | None:
    """Return the group that is all of a document, as BlockNote has it."""
    only = native.children[0] if len(native.children) == 1 else None
    return only if isinstance(only, Element) and only.type == GROUP else None


def content_of(container: Node) -> Element | None:
    """Return the block in *container*; None when this is none, or is not as BlockNote has it."""
    if isinstance(container, Leaf) or container.type != CONTAINER:
        return None
    match container.children:
        case [Element() as block] | [Element() as block, Element(type="blockGroup")]:
            return block if _is_proper(container, block) else None
        case _:
            return None


def _is_proper(container: Element, block: Element) -> bool:
    """Whether the view can show both as one, and tell again what was whose."""
    if block.type in _NO_CONTENT | _BREAKS or "id" in block.attrs:
        return False
    if not container.attrs.keys().isdisjoint(block.attrs):
        return False
    if block.type == "table":
        return all(_is_row(row) for row in block.children)
    return _is_line(block)


def _is_row(row: Node) -> bool:
    return isinstance(row, Element) and row.type == "tableRow" and all(map(_is_cell, row.children))


def _is_cell(cell: Node) -> bool:
    return (
        isinstance(cell, Element)
        and cell.type in ("tableCell", "tableHeader")
        and all(
            isinstance(text, Element) and text.type == CELL_TEXT and _is_line(text)
            for text in cell.children
        )
    )


def _is_line(block: Element) -> bool:
    return not any(
        isinstance(child, Element) and (child.type in BLOCKS or child.type in _NO_CONTENT)
        for child in block.children
    )


def group_of(container: Element) -> Element:
    """Return the group beside the block in *container*."""
    group = container.children[1]
    assert isinstance(group, Element)
    return group
