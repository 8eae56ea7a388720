"""BlockNote: every block in a container of its own, the blocks below it in a group beside it.

| BlockNote | ours |
|-|-|
| a container with a block | the block, with the container's `id` |
| neighbours with `bulletListItem`, `numberedListItem`, `checkListItem` | a `list`, a `task-list` |
| an item of those, or a `quote`, and a group | `list-item` …: a `paragraph`, then the blocks |
| another block and a group | `blockContainer`: the block, then the blocks |
| `tableParagraph` in a cell | `paragraph` |

What is laid out otherwise, by columns or by a stranger, shows as it is.
"""

from collections.abc import Sequence
from typing import Any

from services.collab.formats.editors.blocknote_building import Containers
from services.collab.formats.editors.blocknote_layout import (
    CELL_TEXT,
    CELLS,
    CONTAINER,
    HOLDERS,
    ITEM_OF,
    Item,
    content_of,
    group_of,
    only_group,
)
from services.collab.formats.editors.prosemirror import ProseMirrorEditor
from services.collab.formats.names import PARAGRAPH
from services.collab.formats.tree import Element, Leaf, Node, elements


class BlockNoteEditor(ProseMirrorEditor):
    """See the page of this module, and `editors.Editor`."""

    def view(self, native: Element) -> Element:
        """Return *native* in our vocabulary, with origins."""
        group = only_group(native)
        children = self._blocks(group) if group else self._strange(native.children)
        return Element(native.type, native.attrs, children, None, native)

    def _blocks(self, group: Element) -> list[Node]:
        found: list[Node] = []
        last: Item | None = None
        for child in group.children:
            block = content_of(child)
            if block is None or isinstance(child, Leaf):
                found += self._strange([child])
                last = None
                continue
            item = ITEM_OF.get(block.type or "")
            shown = self._block(child, block)
            start = block.attrs.get("start") if item and item.ordered else None
            if item is None:
                found.append(shown)
            elif item is last and start is None:
                holder = found[-1]
                assert isinstance(holder, Element)
                holder.children.append(shown)
            else:
                attrs: dict[str, Any] = {"ordered": True} if item.ordered else {}
                if start is not None:
                    attrs["start"] = start
                found.append(Element(item.list, attrs, [shown]))
            last = item
        return found

    def _block(self, container: Element, block: Element) -> Element:
        below = self._blocks(group_of(container)) if len(container.children) > 1 else []
        attrs = block.attrs | container.attrs
        holder = HOLDERS.get(block.type or "")
        if holder:
            if block.type == "numberedListItem":
                attrs.pop("start", None)
            text = Element(PARAGRAPH, {}, self.shown(block).children, None, block)
            return Element(holder, attrs, [text, *below], None, container)
        shown = self.shown(block)
        _rename_cells(shown, CELL_TEXT, PARAGRAPH)
        if below:
            return Element(CONTAINER, container.attrs, [shown, *below], None, container)
        return Element(shown.type, shown.attrs | container.attrs, shown.children, None, container)

    def _strange(self, children: Sequence[Node]) -> list[Node]:
        """Show what is not laid out as BlockNote does, and blocks as blocks within it."""
        found: list[Node] = []
        for child in children:
            if isinstance(child, Leaf):
                found.append(self.renaming.our_leaf(child))
                continue
            proper = any(content_of(one) for one in child.children)
            inner = self._blocks(child) if proper else self._strange(child.children)
            kind, attrs = self.renaming.ours(child.type, child.attrs)
            found.append(Element(kind, attrs, inner, None, child))
        return found

    def build(self, wanted: Element) -> list[Node]:
        """Return the native children of the document that shows *wanted*.

        Raises:
            CannotHold: There is no place for a part of it.
        """
        return Containers(self.schema, self.renaming, wanted).document()


def _rename_cells(shown: Element, was: str, becomes: str) -> None:
    """Call the text of cells in the view of a table otherwise."""
    for row in elements(shown.children):
        for cell in elements(row.children):
            if cell.type in CELLS:
                for text in elements(cell.children):
                    if text.type == was:
                        text.type = becomes
