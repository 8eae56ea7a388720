"""The blocks that a format shows one after the other, and how changed ones go back to their places.

Containers that a format does not show (a callout, for text also lists and tables) are transparent:
their blocks stand in the row of units like any other, and come back inside of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.collab.formats import names
from services.collab.formats.layout import says_something
from services.collab.formats.tree import Element, Leaf, Node, is_inline


@dataclass(slots=True)
class Unit:
    """A block that a format shows, and the transparent containers around it, outermost first.

    `loose` holds inline nodes that stand beside blocks, as a block without a type.
    """

    block: Element
    around: tuple[Element, ...]
    loose: bool = False


@dataclass(slots=True)
class Fate:
    """What becomes of a unit: its new block, None for deleted, and new blocks before and after."""

    block: Node | None
    before: list[Node] = field(default_factory=list[Node])
    after: list[Node] = field(default_factory=list[Node])


def holds_text(element: Element) -> bool:
    """Whether *element* holds a line of text, or could: an empty one does."""
    if element.children:
        return any(isinstance(child, Leaf) for child in element.children) or all(
            is_inline(child, names.INLINE) for child in element.children
        )
    return element.type not in names.STRUCTURE and not says_something(element)


def units_of(
    element: Element,
    *,
    shown: Callable[[Element], bool],
    around: tuple[Element, ...] = (),
) -> Iterator[Unit]:
    """Yield the units of *element* in order.

    Args:
        element: A container; its own children are looked at.
        shown: Whether the format shows a block as a block, or only what is in it.
        around: The transparent containers that *element* is in, it included.
    """
    loose: list[Node] = []
    for child in element.children:
        if isinstance(child, Leaf) or (
            loose and child.type in names.INLINE and child.type not in names.BLOCK_OR_INLINE
        ):
            loose.append(child)
            continue
        if loose:
            yield Unit(Element(None, {}, loose), around, loose=True)
            loose = []
        if shown(child):
            yield Unit(child, around)
        else:
            yield from units_of(child, shown=shown, around=(*around, child))
    if loose:
        yield Unit(Element(None, {}, loose), around, loose=True)


def left_by(units: Sequence[Unit], at: int) -> Element | None:
    """Return the container after which something new stands that comes after the unit *at*.

    None when it stands beside the unit. After the last line of an item comes a new item, after
    the last one of a table or of a container that nothing is known of comes what is outside.
    """
    following = units[at + 1].around if at + 1 < len(units) else ()
    inside = {id(container) for container in following}
    unit = units[at]
    around = (*unit.around, unit.block) if unit.block.type in names.CELLS else unit.around
    found: Element | None = None
    for container in reversed(around):
        if id(container) in inside or container.type == names.ROOT:
            break
        if container.type in names.ITEMS:
            return found or container
        if container.type not in _PART_OF_MORE:
            found = container
    return found


_PART_OF_MORE = names.LISTS | names.CELLS | {"table-row", "quote"}
"""Containers that something new stands in rather than after; a table is left as a whole."""


def rebuilt(
    element: Element,
    fates: Iterable[Fate],
    beyond: Mapping[int, Sequence[Node]],
    *,
    shown: Callable[[Element], bool],
) -> list[Node]:
    """Return the new children of *element*.

    A container that lost all its units goes with them, but not a cell of a table, whose place is
    needed.

    Args:
        element: The container whose units were taken.
        fates: What becomes of each of them, in the same order.
        beyond: What stands after transparent containers, by the id of the element.
        shown: As `units_of` was told.
    """
    return _rebuilt(element, iter(fates), beyond, shown)[0]


def _rebuilt(
    element: Element,
    fates: Iterator[Fate],
    beyond: Mapping[int, Sequence[Node]],
    shown: Callable[[Element], bool],
) -> tuple[list[Node], bool]:
    """Return new children, and whether anything of what was shown is left."""
    found: list[Node] = []
    left = seen = False
    loose = False
    for child in element.children:
        if isinstance(child, Leaf) or (
            loose and child.type in names.INLINE and child.type not in names.BLOCK_OR_INLINE
        ):
            # The loose nodes are one unit.
            if not loose:
                fate = next(fates)
                kept = fate.block.children if isinstance(fate.block, Element) else []
                found += [*fate.before, *kept, *fate.after]
                seen, left = True, left or bool(kept or fate.before or fate.after)
            loose = True
            continue
        loose = False
        if shown(child):
            fate = next(fates)
            kept = [] if fate.block is None else [fate.block]
            found += [*fate.before, *kept, *fate.after]
            seen, left = True, left or bool(kept or fate.before or fate.after)
            continue
        inner, alive = _rebuilt(child, fates, beyond, shown)
        after = beyond.get(id(child), ())
        if alive:
            found += _kept(child, inner)
        elif child.type in names.CELLS:
            found.append(Element(child.type, child.attrs, [], origin=child.origin))
        found += after
        seen, left = True, left or alive or bool(after)
    return found, left or not seen


def _kept(child: Element, inner: list[Node]) -> list[Node]:
    """Return *child* holding *inner*; an item that lost its first line gives way to the rest."""
    before = child.children[0] if child.children else None
    first = inner[0] if inner else None
    lost = (
        child.type in names.ITEMS
        and isinstance(before, Element)
        and before.type == names.PARAGRAPH
        and isinstance(first, Element)
        and first.type != names.PARAGRAPH
    )
    if lost and isinstance(first, Element) and first.type in names.LISTS:
        # Its items move up; what follows the list stays with the last of them.
        return [*first.children, *inner[1:]]
    if lost:
        return inner
    if child.type in names.LISTS:
        return _split(child, inner)
    return [Element(child.type, child.attrs, inner, origin=child.origin)]


def _split(child: Element, inner: list[Node]) -> list[Node]:
    """Return the list *child* holding *inner*, in two where something stands that is no item."""
    found: list[Node] = []
    items: list[Node] = []
    origin = child.origin
    for node in [*inner, None]:
        if isinstance(node, Element) and node.type in names.ITEMS:
            items.append(node)
            continue
        if items:
            found.append(Element(child.type, child.attrs, items, origin=origin))
            items, origin = [], None
        if node is not None:
            found.append(node)
    return found
