"""The vocabulary of all editors: which elements are blocks, and which stand in a line."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from services.collab.formats import names
from services.collab.formats.tree import CannotHold, Element, Leaf, Node, is_inline, joined

BLOCKS = frozenset(
    {
        *names.SCREENPLAY,
        *(ours for ours, _, _ in names.BLOCKS if ours != names.HARD_BREAK),
        names.PARAGRAPH,
        "heading",
        "callout",
        "table",
        "video",
    }
)
"""Elements that never stand in a line of text; one that is unknown does where text is beside it."""

IN_LINES = frozenset({"link", "mention", "emoji", "footnote", names.HARD_BREAK})
"""Elements that never stand where blocks do."""

LISTS = frozenset({"list", "task-list"})
ITEMS = frozenset({names.LIST_ITEM, "task-item"})


def paragraph(children: Iterable[Node]) -> Element:
    """Return a new paragraph."""
    return Element(names.PARAGRAPH, {}, list(children))


def holds_text(children: Sequence[Node], alone: frozenset[str] = BLOCKS) -> bool:
    """Whether *children* are a line of text, without what stands *alone*; none are one, too."""
    if any(isinstance(child, Element) and child.type in alone for child in children):
        return False
    return any(isinstance(child, Leaf) for child in children) or all(
        is_inline(child, names.INLINE) for child in children
    )


def as_blocks(
    children: Sequence[Node], alone: frozenset[str] = BLOCKS, like: Element | None = None
) -> list[Element]:
    """Return *children* with each run of text and of what stands in lines made a paragraph.

    Args:
        children: What an element holds.
        alone: Types that never stand in a line.
        like: What to make instead of paragraphs.
    """
    beside = any(isinstance(child, Leaf) for child in children)
    found: list[Element] = []
    line: list[Node] = []
    for child in children:
        if isinstance(child, Element) and (
            # What is not known may be either.
            child.type in alone or (child.type not in IN_LINES and not beside)
        ):
            _end_line(line, found, like)
            found.append(child)
        else:
            line.append(child)
    _end_line(line, found, like)
    return found


def _end_line(line: list[Node], found: list[Element], like: Element | None) -> None:
    if line:
        like = like or paragraph(())
        found.append(Element(like.type, like.attrs, list(line)))
        line.clear()


def dissolved(children: Iterable[Node], alone: frozenset[str] = BLOCKS) -> list[Node]:
    """Return *children*, which stand in a line, with blocks among them replaced by their words."""
    found: list[Node] = []
    for child in children:
        if isinstance(child, Leaf):
            found.append(child)
        elif child.type in alone:
            found += dissolved(child.children, alone)
        else:
            inner = dissolved(child.children, alone)
            found.append(Element(child.type, child.attrs, inner, None, child.origin))
    return joined(found)


def leaves(children: Iterable[Node]) -> list[Leaf]:
    """Return all text in *children*."""
    return [
        leaf
        for child in children
        for leaf in ([child] if isinstance(child, Leaf) else leaves(child.children))
    ]


def only_paragraph(children: Sequence[Node]) -> Element | None:
    """Return the one plain paragraph that *children* are."""
    only = children[0] if len(children) == 1 else None
    if isinstance(only, Element) and only.type == names.PARAGRAPH and not only.attrs:
        return only
    return None


def cannot_hold(editor: str, what: str | None, place: str) -> CannotHold:
    """Return the refusal of a block *what*."""
    return CannotHold(
        f"This scene is written with {editor}, which has no room for a {what or 'nameless'!r} here."
        " Send it in another shape, or choose another editor for the scene.",
        f"{place}.type",
    )


type Made = Callable[[Element, str], list[Node]]


def each(children: Iterable[Node], place: str, made: Made) -> list[Node]:
    """Return *children* with each element replaced by what is *made* of it."""
    found: list[Node] = []
    for at, child in enumerate(children):
        if isinstance(child, Leaf):
            found.append(child)
        else:
            found += made(child, f"{place}[{at}]")
    return found


HOUSES = {
    names.LIST_ITEM: "list",
    "task-item": "task-list",
    "table-row": "table",
    "table-cell": "table-row",
    "table-header": "table-row",
}
"""The parent that an element must have."""


def housed(children: Iterable[Element]) -> list[Element]:
    """Return *children* with each run of items, rows or cells put into what such must be in."""
    found: list[Element] = []
    for house, group in groupby(children, lambda one: HOUSES.get(one.type or "")):
        run = list(group)
        found += run if house is None else housed([Element(house, {}, list[Node](run))])
    return found


def rows(table: Element) -> list[Element]:
    """Return the rows of *table*; what is none is put into one."""
    found: list[Element] = []
    for child in as_blocks(table.children):
        if child.type == "table-row":
            found.append(child)
        else:
            found.append(Element("table-row", {}, [child]))
    return found or [Element("table-row")]


def cells(row: Element) -> list[Element]:
    """Return the cells of *row*, each with blocks in it; what is none is put into one."""
    found: list[Element] = []
    for child in as_blocks(row.children) or [Element("table-cell")]:
        inner = child if HOUSES.get(child.type or "") == "table-row" else None
        if inner is None:
            inner = Element("table-cell", {}, [child])
        if not inner.children:
            inner = Element(inner.type, inner.attrs, [paragraph(())], None, inner.origin)
        found.append(inner)
    return found
