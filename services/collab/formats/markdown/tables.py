"""Tables as Markdown: GFM has rows of cells with a line of text in each."""

from collections.abc import Iterator, Sequence

from services.collab.formats import names
from services.collab.formats.markdown import escape, inline
from services.collab.formats.tree import Element, Leaf, Node, elements, is_inline

_RULES = {"left": ":--", "center": ":-:", "right": "--:"}


def rows(table: Element) -> list[str]:
    """Return *table*; one without a header gets an empty one, which reads as none."""
    lines = [_cells(row) for row in elements(table.children)]
    width = max((len(cells) for cells in lines), default=0)
    if not width:
        return []
    has_header = all(cell.type == "table-header" for cell in lines[0])
    head = lines[0] if has_header else []
    body = lines[1:] if has_header else lines
    aligned = [cell.attrs.get("align") for cell in lines[0]]
    aligned += [None] * (width - len(aligned))
    rules = [_RULES.get(align, "---") if isinstance(align, str) else "---" for align in aligned]
    return [_row(head, width), f"| {' | '.join(rules)} |", *(_row(cells, width) for cells in body)]


def _cells(row: Element) -> list[Element]:
    return [
        cell if isinstance(cell, Element) else Element("table-cell", {}, [cell])
        for cell in row.children
    ]


def _row(cells: Sequence[Element], width: int) -> str:
    texts = [_cell(cell) for cell in cells]
    texts += [""] * (width - len(texts))
    return "|" + "|".join(f" {text} " if text else "  " for text in texts) + "|"


def _cell(cell: Element) -> str:
    source = escape.edges(inline.single(list(_line(cell))))
    return source.replace("|", "\\|")


def _line(block: Element) -> Iterator[Node]:
    """Yield what stands in the blocks of a cell as one line with a break between any two."""
    follows = False
    for child in block.children:
        if isinstance(child, Leaf) or is_inline(child, names.INLINE):
            yield child
            follows = False
            continue
        inner = list(_line(child))
        if inner:
            if follows:
                yield Element(names.HARD_BREAK)
            yield from inner
            follows = True
