"""What is common to our vocabulary: which elements are blocks, and which stand in a line."""

from collections.abc import Callable, Iterable, Sequence

from services.collab.formats import names
from services.collab.formats.tree import CannotHold, Element, Leaf, Node, is_inline

BLOCKS = frozenset(
    {
        *names.SCREENPLAY,
        *(ours for ours, _, _ in names.BLOCKS if ours != names.HARD_BREAK),
        names.PARAGRAPH,
        "heading",
        "callout",
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


def holds_text(children: Sequence[Node]) -> bool:
    """Whether *children* are a line of text; no children are one, too."""
    if any(isinstance(child, Element) and child.type in BLOCKS for child in children):
        return False
    return any(isinstance(child, Leaf) for child in children) or all(
        is_inline(child, names.INLINE) for child in children
    )


def as_blocks(children: Sequence[Node]) -> list[Element]:
    """Return *children* with each run of text and of what stands in lines made a paragraph."""
    beside = any(isinstance(child, Leaf) for child in children)
    found: list[Element] = []
    line: list[Node] = []
    for child in children:
        if isinstance(child, Element) and _stands_alone(child, beside=beside):
            _end_line(line, found)
            found.append(child)
        else:
            line.append(child)
    _end_line(line, found)
    return found


def _stands_alone(element: Element, *, beside: bool) -> bool:
    if element.type in BLOCKS:
        return True
    # A picture may be either; so may what is not known.
    return element.type not in IN_LINES and not beside


def _end_line(line: list[Node], found: list[Element]) -> None:
    if line:
        found.append(paragraph(line))
        line.clear()


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
