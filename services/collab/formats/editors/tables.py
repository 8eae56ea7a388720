"""Rows of a table must be equally long: editors fill up or cut those that are not."""

from collections.abc import Callable
from dataclasses import dataclass

from services.collab.formats.tree import Element, Node, elements

SPAN_MAX = 1000
"""Columns or rows of one cell; what claims more counts as one."""


@dataclass(frozen=True, slots=True)
class TableNames:
    """How an editor calls the parts of a table."""

    table: str | None = "table"
    row: str | None = "table-row"
    cell: str | None = "table-cell"


def square(table: Element, names: TableNames, filled: Callable[[Element], list[Node]]) -> None:
    """Add empty cells to *table* until all its rows are equally long.

    *filled* puts into a new cell what it must hold.
    """
    rows = [row for row in elements(table.children) if row.type == names.row]
    if not rows:
        return
    taken: list[set[int]] = [set() for _ in rows]
    shorter: dict[int, int] = {}
    for at, row in enumerate(rows):
        column = 0
        for cell in elements(row.children):
            while column in taken[at]:
                column += 1
            wide, high = _span(cell, "colspan"), _span(cell, "rowspan")
            if high > len(rows) - at:
                high = len(rows) - at
                shorter[id(cell)] = high
            for below in taken[at : at + high]:
                below.update(range(column, column + wide))
            column += wide
    width = max(1, *(max(one, default=-1) + 1 for one in taken))
    squared: dict[int, Element] = {}
    for row, one in zip(rows, taken, strict=True):
        missing = width - len(one)
        if missing <= 0 and not any(id(cell) in shorter for cell in row.children):
            continue
        cells = [_spanning(cell, shorter.get(id(cell))) for cell in row.children]
        for _ in range(missing):
            cells += filled(Element(_like(row, names.cell)))
        squared[id(row)] = Element(row.type, row.attrs, cells, None, row.origin)
    table.children = [squared.get(id(row), row) for row in table.children]


def _spanning(cell: Node, rows: int | None) -> Node:
    if rows is None or not isinstance(cell, Element):
        return cell
    return Element(cell.type, cell.attrs | {"rowspan": rows}, cell.children, None, cell.origin)


def _like(row: Element, otherwise: str | None) -> str | None:
    """A row of headers goes on with headers."""
    kinds = {cell.type for cell in elements(row.children)}
    return kinds.pop() if len(kinds) == 1 else otherwise


def _span(cell: Element, name: str) -> int:
    value = cell.attrs.get(name)
    return value if isinstance(value, int) and 1 <= value <= SPAN_MAX else 1
