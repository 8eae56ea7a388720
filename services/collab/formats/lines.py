"""Blocks as lines of plain text: one a block, and what a new text makes of them."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from services.collab import align
from services.collab.formats import names
from services.collab.formats.inline import retexted, text_of_line
from services.collab.formats.tree import (
    WOULD_READ_OTHERWISE,
    CannotHold,
    Element,
    Leaf,
    Node,
)
from services.collab.formats.units import Fate, Unit, holds_text, left_by, rebuilt, units_of


def render(root: Element) -> str:
    """Return the text of *root*, a view."""
    return "\n".join(text_of_line(unit.block.children) for unit in _units(root))


def require(root: Element, wanted: str) -> None:
    """Return when *root* reads *wanted*.

    Raises:
        CannotHold: It does not; names the first line that differs.
    """
    would = render(root)
    if would == wanted:
        return
    rows, others = wanted.split("\n"), would.split("\n")
    pairs = enumerate(zip(rows, others, strict=False))
    at = next((at for at, (one, other) in pairs if one != other), min(len(rows), len(others)))
    raise CannotHold(WOULD_READ_OTHERWISE, f"line {at + 1}")


def _units(root: Element) -> list[Unit]:
    return list(units_of(root, shown=holds_text))


def rewrite(root: Element, wanted: str, *, breaks: bool = True) -> Element:
    """Return *root* changed, as little as possible, so that it reads *wanted*.

    Args:
        root: A view.
        wanted: Text with LF as line ends.
        breaks: Whether a line break within a block is an element, not a character.
    """
    units = _units(root)
    owners: list[int] = []
    old: list[str] = []
    for at, unit in enumerate(units):
        rows = text_of_line(unit.block.children).split("\n")
        owners += [at] * len(rows)
        old += rows
    new = wanted.split("\n") if wanted or units else []
    pairs = _matched(old, new) if wanted else _first_line(units)
    lines, typed, first = _dealt(owners, new, pairs)
    fates = [
        Fate(None if rows is None else _edited(unit.block, "\n".join(rows), breaks=breaks))
        for unit, rows in zip(units, lines, strict=True)
    ]
    lost: dict[str, list[Element]] = {}
    for unit, rows in zip(units, lines, strict=True):
        if rows is None and not unit.loose and (text := text_of_line(unit.block.children)):
            lost.setdefault(text, []).append(unit.block)
    beyond: dict[int, list[Node]] = {}
    for at, rows in typed.items():
        container = left_by(units, at)
        if container is None:
            like = units[at].block
            fates[at].after = [_moved(lost, row) or _like(like, row) for row in rows]
        else:
            beyond[id(container)] = [_beside(container, row, _moved(lost, row)) for row in rows]
    found = rebuilt(root, fates, beyond, shown=holds_text)
    made: list[Node] = [_moved(lost, row) or _block(names.PARAGRAPH, {}, row) for row in first]
    return Element(root.type, root.attrs, [*made, *found], origin=root.origin)


def _first_line(units: Sequence[Unit]) -> list[tuple[int, int]]:
    """Return what becomes the only line of an empty text: the first one, but no cell of a table."""
    in_table = not units or any(one.type == "table" for one in units[0].around)
    return [] if in_table else [(0, 0)]


def _dealt(
    owners: Sequence[int], new: Sequence[str], pairs: Sequence[tuple[int, int]]
) -> tuple[list[list[str] | None], dict[int, list[str]], list[str]]:
    """Deal the new lines out.

    Returns:
        The lines of each block, None for a block that lost all; new lines after blocks; and
        those before the first one.
    """
    lines: list[list[str] | None] = [None] * ((owners[-1] + 1) if owners else 0)
    typed: dict[int, list[str]] = {}
    first: list[str] = []
    becomes = {k: owners[i] for i, k in pairs}
    places = [k for _, k in pairs]
    owner = -1
    for k, row in enumerate(new):
        if k in becomes:
            owner = becomes[k]
            lines[owner] = [*(lines[owner] or []), row]
        elif owner < 0:
            first.append(row)
        elif _owner_after(k, places, becomes) == owner:
            # The next line that is an old one is of the same block.
            lines[owner] = [*(lines[owner] or []), row]
        else:
            typed.setdefault(owner, []).append(row)
    return lines, typed, first


def _owner_after(k: int, places: Sequence[int], becomes: dict[int, int]) -> int | None:
    at = bisect_right(places, k)
    return becomes[places[at]] if at < len(places) else None


def _matched(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    pairs = align.equal_pairs(old, new)

    def score(i: int, k: int) -> float:
        return 0.05 + align.likeness(old[i], new[k])

    found = list(pairs)
    for gap in align.gaps(pairs, len(old), len(new)):
        alike = align.alike_pairs(gap, score)
        # Nothing alike: the first line still becomes the first, so that its block stays.
        if not alike and gap[0] < gap[1] and gap[2] < gap[3]:
            alike = [(gap[0], gap[2])]
        found += alike
    return sorted(found)


def _edited(block: Element, wanted: str, *, breaks: bool) -> Element:
    """Return *block* reading *wanted*."""
    if text_of_line(block.children) == wanted:
        return block
    within = breaks and block.type != "code-block"
    children = retexted(block.children, wanted, breaks=within)
    return Element(block.type, block.attrs, children, origin=block.origin)


def _like(block: Element, line: str) -> Element:
    """Return a new block that stands after *block*."""
    if block.type in names.REPEATING:
        return _block(block.type, _own(block.attrs), line)
    return _block(names.PARAGRAPH, {}, line)


def _moved(lost: dict[str, list[Element]], line: str) -> Element | None:
    """Return a block that read *line* elsewhere and is nowhere now, with all that it has."""
    found = lost.get(line)
    return found.pop(0) if found else None


def _beside(container: Element, line: str, moved: Element | None) -> Element:
    """Return a block that stands after *container*: an item after an item."""
    paragraph = moved or _block(names.PARAGRAPH, {}, line)
    if container.type in names.ITEMS:
        return Element(container.type, _own(container.attrs), [paragraph])
    return paragraph


def _own(attrs: dict[str, Any]) -> dict[str, Any]:
    """Return what a new block has of the attributes of the one before it: no name, no tick."""
    found = {key: value for key, value in attrs.items() if key not in names.IDENTITIES}
    return found | {"checked": False} if "checked" in found else found


def _block(kind: str, attrs: dict[str, Any], line: str) -> Element:
    return Element(kind, attrs, [Leaf(line)] if line else [])
