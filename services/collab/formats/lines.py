"""Blocks as lines of plain text: one a block, and what a new text makes of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.collab import align, textdiff
from services.collab.formats import names
from services.collab.formats.layout import says_something
from services.collab.formats.tree import Element, Leaf, Node, is_inline, joined

_BREAKS = (names.HARD_BREAK, "hardBreak")


def render(root: Element) -> str:
    """Return the text of *root*."""
    return "\n".join(_text(block) for block in _text_blocks(root))


def _text_blocks(element: Element) -> Iterator[Element]:
    """Yield the blocks that hold lines of text, in order."""
    for child in element.children:
        if isinstance(child, Leaf):
            # Raw text beside blocks.
            yield Element(None, {}, [child])
        elif _holds_text(child):
            yield child
        else:
            yield from _text_blocks(child)


def _holds_text(element: Element) -> bool:
    if element.children:
        return any(isinstance(child, Leaf) for child in element.children) or all(
            is_inline(child, names.INLINE) for child in element.children
        )
    return not says_something(element)


@dataclass(slots=True)
class _Cell:
    """A character, or an element without text, and the inline elements around it."""

    text: str
    node: Node
    around: tuple[Element, ...]


def _cells(nodes: Sequence[Node], around: tuple[Element, ...] = ()) -> Iterator[_Cell]:
    for node in nodes:
        if isinstance(node, Leaf):
            for character in node.text:
                yield _Cell(character, node, around)
        elif node.type in _BREAKS:
            yield _Cell("\n", node, around)
        elif node.children:
            yield from _cells(node.children, (*around, node))
        else:
            yield _Cell("", node, around)


def _text(element: Element) -> str:
    """Return what `_cells` return one by one."""
    found: list[str] = []
    for node in element.children:
        if isinstance(node, Leaf):
            found.append(node.text)
        else:
            found.append("\n" if node.type in _BREAKS else _text(node))
    return "".join(found)


@dataclass(slots=True)
class _Fate:
    """What becomes of a block: its new lines, None for gone, and new blocks after it."""

    lines: list[str] | None = None
    after: list[str] = field(default_factory=list[str])


def rewrite(root: Element, wanted: str) -> Element:
    """Return *root* changed, as little as possible, so that it reads *wanted*."""
    blocks = list(_text_blocks(root))
    owners: list[int] = []
    old: list[str] = []
    for at, block in enumerate(blocks):
        rows = _text(block).split("\n")
        owners += [at] * len(rows)
        old += rows
    new = wanted.split("\n")
    becomes = {k: i for i, k in _matched(old, new)}
    fates = [_Fate() for _ in blocks]
    first: list[str] = []
    owner = -1
    for k, line in enumerate(new):
        if k in becomes:
            owner = owners[becomes[k]]
            fate = fates[owner]
            fate.lines = [*(fate.lines or []), line]
        elif owner < 0:
            first.append(line)
        elif _continues(k, becomes, owners, owner):
            fates[owner].lines = [*(fates[owner].lines or []), line]
        else:
            fates[owner].after.append(line)
    found = _rebuilt(root, {id(b): (b, f) for b, f in zip(blocks, fates, strict=True)}) or []
    made = [_block(names.PARAGRAPH, {}, line) for line in first]
    return Element(root.type, root.attrs, [*made, *found])


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


def _continues(k: int, becomes: dict[int, int], owners: list[int], owner: int) -> bool:
    """Whether the next line that is an old one is of the same block, so that this one is too."""
    following = next((becomes[at] for at in sorted(becomes) if at > k), None)
    return following is not None and owners[following] == owner


def _rebuilt(element: Element, fates: dict[int, tuple[Element, _Fate]]) -> list[Node] | None:
    """Return the new children of *element*; None when it lost all it had."""
    found: list[Node] = []
    for child in element.children:
        if isinstance(child, Leaf):
            found.append(child)
            continue
        _, fate = fates.get(id(child), (child, None))
        if fate is not None:
            if fate.lines is not None:
                found.append(_edited(child, "\n".join(fate.lines)))
            kind, attrs = _next_kind(child)
            found += [_block(kind, attrs, line) for line in fate.after]
            continue
        inner = _rebuilt(child, fates)
        if inner or not child.children:
            found.append(Element(child.type, child.attrs, inner or []))
    return found or None


def _next_kind(block: Element) -> tuple[str, dict[str, Any]]:
    kind = block.type
    if kind in names.REPEATING:
        return kind, block.attrs
    return names.PARAGRAPH, {}


def _block(kind: str, attrs: dict[str, Any], line: str) -> Element:
    return Element(kind, attrs, [Leaf(line)] if line else [])


def _edited(block: Element, wanted: str) -> Element:
    """Return *block* reading *wanted*; what is typed takes the marks of what is before it."""
    cells = list(_cells(block.children))
    old = "".join(cell.text for cell in cells)
    if old == wanted:
        return block
    # Where each character is among the cells.
    places = [at for at, cell in enumerate(cells) if cell.text]
    gone: set[int] = set()
    typed: dict[int, list[_Cell]] = {}
    for i, j, k, m in textdiff.regions(old, wanted):
        gone.update(places[i:j])
        at = places[i - 1] if i else -1
        like = cells[at] if i and isinstance(cells[at].node, Leaf) else None
        leaf = Leaf("", like.node.marks if like and isinstance(like.node, Leaf) else {})
        typed[at] = [_Cell(c, leaf, like.around if like else ()) for c in wanted[k:m]]
    found = typed.get(-1, [])
    for at, cell in enumerate(cells):
        if at not in gone:
            found.append(cell)
        found += typed.get(at, [])
    return Element(block.type, block.attrs, _nodes(found, 0))


def _nodes(cells: Sequence[_Cell], depth: int) -> list[Node]:
    """Put *cells* back together, inside of the elements that were around them."""
    found: list[Node] = []
    at = 0
    while at < len(cells):
        cell = cells[at]
        if len(cell.around) > depth:
            holder = cell.around[depth]
            end = at
            while end < len(cells) and cells[end].around[depth : depth + 1] == (holder,):
                end += 1
            found.append(Element(holder.type, holder.attrs, _nodes(cells[at:end], depth + 1)))
            at = end
            continue
        node = cell.node
        found.append(Leaf(cell.text, node.marks) if isinstance(node, Leaf) else node)
        at += 1
    return joined(found)


def marked_like_before(leaves: Sequence[Node], wanted: str) -> list[Node]:
    """Return the content of a plain text reading *wanted*, with formatting and embeds kept."""
    if all(isinstance(leaf, Leaf) and not leaf.marks for leaf in leaves):
        return [Leaf(wanted)] if wanted else []
    return _edited(Element(None, {}, list(leaves)), wanted).children


def plain(line: Element) -> str:
    """Return the text of a plain text: its characters as they are."""
    return _text(line)
