"""The empty heads of a table, which Markdown writes as it writes a table without heads."""

from services.collab.formats import names
from services.collab.formats.tree import Element, elements

_HEAD = "table-header"


def with_empty_heads(table: Element, seen: Element, wanted: Element) -> tuple[Element, Element]:
    """Return what is *seen* of *table*, and what is *wanted*, with the row of heads that it has.

    So the heads stay, and somebody can write in them.
    """
    if len(seen.children) != len(table.children) - 1:
        return seen, wanted
    return _headed(seen), wanted if _has_heads(wanted) else _headed(wanted)


def _has_heads(table: Element) -> bool:
    first = next(elements(table.children), None)
    return first is not None and all(cell.type == _HEAD for cell in elements(first.children))


def _headed(table: Element) -> Element:
    first = next(elements(table.children), Element(None))
    heads = [
        # Columns are aligned as a whole.
        Element(_HEAD, dict(cell.attrs), [Element(names.PARAGRAPH)])
        for cell in elements(first.children)
    ]
    return Element(table.type, table.attrs, [Element("table-row", {}, [*heads]), *table.children])
