"""A Y.Text as lines, each with the formatting of the newline that ends it."""

from services.collab.formats.tree import Element, Leaf, Node, joined

LINE = "text-line"
"""Type of the origin of what shows a line: its content, and as attributes those of its newline."""


def lines(native: Element) -> tuple[list[Element], bool]:
    """Return the lines of *native*, and whether a newline ends the last of them."""
    found: list[Element] = []
    row: list[Node] = []
    ended = True
    for child in native.children:
        if not isinstance(child, Leaf):
            row.append(child)
            ended = False
            continue
        first, *more = child.text.split("\n")
        row.append(Leaf(first, child.marks))
        for text in more:
            found.append(Element(LINE, child.marks, joined(row)))
            row = [Leaf(text, child.marks)]
        ended = not (more or [first])[-1]
    if not ended:
        found.append(Element(LINE, {}, joined(row)))
    return found, ended


def text(rows: list[Element], *, ended: bool) -> list[Node]:
    """Return what `lines` returned as the content of a text."""
    found: list[Node] = []
    for at, row in enumerate(rows):
        found += row.children
        if ended or at < len(rows) - 1:
            found.append(Leaf("\n", row.attrs))
    return joined(found)
