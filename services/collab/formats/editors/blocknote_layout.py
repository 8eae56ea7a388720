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


def only_group(native: Element) -> Element | None:
    """Return the group that is all of a document, as BlockNote has it."""
    only = native.children[0] if len(native.children) == 1 else None
    return only if isinstance(only, Element) and only.type == GROUP else None


def content_of(container: Node) -> Element | None:
    """Return the block in *container*; None when this is none, or holds it otherwise."""
    if isinstance(container, Leaf) or container.type != CONTAINER:
        return None
    match container.children:
        case [Element() as block] if block.type not in (GROUP, CONTAINER):
            return block
        case [Element() as block, Element(type="blockGroup")] if block.type not in (
            GROUP,
            CONTAINER,
        ):
            return block
        case _:
            return None


def group_of(container: Element) -> Element:
    """Return the group beside the block in *container*."""
    group = container.children[1]
    assert isinstance(group, Element)
    return group
