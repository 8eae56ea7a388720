"""Tables of BlockNote: rows of cells, and in a cell nothing but lines of text."""

from itertools import groupby

from services.collab.formats.editors.blocknote_layout import BLOCKS, CELL_TEXT, CELLS
from services.collab.formats.editors.building import place_of
from services.collab.formats.names import HARD_BREAK, INLINE, PARAGRAPH
from services.collab.formats.tree import CannotHold, Element, Leaf, Node, is_inline

ROW = "table-row"


class TableParts:
    """Calls the text of cells as BlockNote does, and puts it into cells and these into rows."""

    def __init__(self, wanted: Element) -> None:
        """Take the whole view, to say where something is that no cell can hold."""
        self._wanted = wanted

    def rows(self, table: Element) -> list[Node]:
        """Return the children of *table*.

        Raises:
            CannotHold: There is more in it than lines of text.
        """
        found: list[Node] = []
        for kind, group in groupby(table.children, lambda one: isinstance(one, Leaf) or one.type):
            run = list(group)
            if kind == ROW:
                found += [_with(row, self._cells(row)) for row in run if isinstance(row, Element)]
            else:
                found.append(Element(ROW, {}, self._cells(Element(ROW, {}, run))))
        return found

    def _cells(self, row: Element) -> list[Node]:
        found: list[Node] = []
        for is_cell, group in groupby(row.children, _is_cell):
            run = list(group)
            if is_cell:
                found += [_with(one, self._lines(one)) for one in run if isinstance(one, Element)]
            else:
                cell = Element(CELLS[0], {}, run)
                found.append(Element(CELLS[0], {}, self._lines(cell)))
        return found

    def _lines(self, cell: Element) -> list[Node]:
        found: list[Node] = []
        for child in cell.children:
            if isinstance(child, Element) and child.type in (PARAGRAPH, CELL_TEXT):
                for inner in child.children:
                    self._must_be_inline(inner, child.children)
                found.append(Element(CELL_TEXT, child.attrs, child.children, None, child.origin))
                continue
            self._must_be_inline(child, cell.children)
            found.append(child)
        return found

    def _must_be_inline(self, node: Node, siblings: list[Node]) -> None:
        if isinstance(node, Leaf) or node.type == HARD_BREAK:
            return
        beside_text = any(isinstance(one, Leaf) for one in siblings)
        if node.type not in BLOCKS and (node.origin is not None or beside_text):
            return
        if is_inline(node, INLINE - {"image"}) and not node.children:
            return
        raise CannotHold(
            f"BlockNote's cells hold lines of text, no {node.type!r}; write paragraphs.",
            place_of(self._wanted, node) or "content",
        )


def _is_cell(node: Node) -> bool:
    return isinstance(node, Element) and node.type in CELLS


def _with(element: Element, children: list[Node]) -> Element:
    return Element(element.type, element.attrs, children, None, element.origin)
