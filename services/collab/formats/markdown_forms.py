"""What Markdown shows of a view: which of its blocks, and in which form they are written.

What it cannot show at all, such as a mention or a formula, stands in it as a token: a link whose
address names the element.
"""

import hashlib
from collections.abc import Iterable, Sequence

from services.collab.formats import inline, names
from services.collab.formats.layout import says_something
from services.collab.formats.tree import Element, Leaf, Node, joined, key_of
from services.collab.formats.units import Unit, holds_text, units_of

KEY_CHARS = 10
"""Letters of the SHA-256 by which a token names its element."""

_SHOWN_IN_LINE = frozenset({"image", "link", "footnote-reference", names.TOKEN, *names.BREAKS})
_SHOWN_BLOCKS = frozenset(
    {"heading", "scene-heading", "quote", "code-block", "divider", "image", "front-matter"}
    | {"link-definition", "footnote"}
)


class Tokens:
    """The elements that stand as tokens, by the keys that name them."""

    def __init__(self) -> None:
        self._known: dict[str, list[Element]] = {}
        self._blocks: set[str] = set()

    def of(self, element: Element, *, block: bool = False) -> Element:
        """Return the token that stands for *element*, which is a block or stands in a line."""
        digest = hashlib.sha256(f"{element.type} {key_of(element)}".encode()).hexdigest()
        key = digest[:KEY_CHARS]
        self._known.setdefault(key, []).append(element)
        if block:
            self._blocks.add(key)
        shown = inline.text_of_line(element.children) if element.children else ""
        label = shown.strip() or inline.label(element) or element.type or "element"
        return Element(names.TOKEN, {"key": key, "label": " ".join(label.split())})

    def is_block(self, token: Element) -> bool:
        """Whether *token* stands for a block."""
        return token.attrs["key"] in self._blocks

    def element(self, token: Element) -> Node:
        """Return what *token* stands for; text with a link where it stands for nothing."""
        key, label = token.attrs["key"], token.attrs["label"]
        known = self._known.get(key)
        if not known:
            return Leaf(label, {"link": {"href": f"{names.TOKEN_SCHEME}{key}"}})
        # The last one stays known: a token may be copied.
        found = known.pop(0) if len(known) > 1 else known[0]
        return Element(found.type, found.attrs, found.children, origin=found.origin)


def shown_units(element: Element) -> list[Unit]:
    """Return the blocks of *element* that Markdown shows one after the other."""
    return list(units_of(element, shown=is_shown))


def is_shown(block: Element) -> bool:
    """Whether Markdown shows *block* as a block, not only what is in it."""
    if block.type in names.LISTS:
        return bool(block.children) and all(
            isinstance(child, Element) and child.type in names.ITEMS for child in block.children
        )
    if block.type == "table":
        return _is_plain_table(block)
    if block.type in _SHOWN_BLOCKS or block.type in names.ITEMS or holds_text(block):
        return True
    return not block.children and says_something(block)


def _is_plain_table(table: Element) -> bool:
    """Whether Markdown has the like: a row of heads, and one line in each cell."""
    rows = [_cells_of(row) for row in table.children]
    width = len(rows[0] or ()) if rows else 0
    return (
        width > 0
        and all(row is not None and len(row) == width for row in rows)
        and all(cell.type == "table-header" for cell in rows[0] or ())
        and all(_is_plain_cell(cell) for row in rows for cell in row or ())
    )


def _cells_of(row: Node) -> list[Element] | None:
    if isinstance(row, Leaf) or row.type != "table-row":
        return None
    found = [cell for cell in row.children if isinstance(cell, Element)]
    fitting = len(found) == len(row.children) and all(cell.type in names.CELLS for cell in found)
    return found if fitting else None


def _is_plain_cell(cell: Element) -> bool:
    if any(cell.attrs.get(key) not in (None, 1) for key in ("colspan", "rowspan")):
        return False
    only = cell.children[0] if len(cell.children) == 1 else None
    line = only if isinstance(only, Element) and only.type == names.PARAGRAPH else cell
    return holds_text(line)


def _forms(element: Element, tokens: Tokens) -> list[Node]:
    return [form_of(unit, tokens) for unit in shown_units(element)]


def form_of(unit: Unit, tokens: Tokens) -> Element:
    """Return a unit as Markdown can show it, for `markdown.render`."""
    if unit.block.type == "image":
        # Pictures that are blocks of their own do not stand in one line.
        return Element(names.PARAGRAPH, {}, [unit.block])
    return _shape(unit.block, tokens)


def _shape(block: Element, tokens: Tokens) -> Element:
    if block.type in ("table", "table-row"):
        inner: list[Node] = [
            _shape(child, tokens) for child in block.children if isinstance(child, Element)
        ]
        return Element(block.type, block.attrs, inner)
    if block.type in names.CELLS or not holds_text(block):
        if not block.children and block.type not in _SHOWN_BLOCKS and block.type not in names.ITEMS:
            return Element(names.PARAGRAPH, {}, [tokens.of(block, block=True)])
        if block.children and not holds_text(block):
            return Element(block.type, block.attrs, _forms(block, tokens))
    return Element(block.type, block.attrs, joined(_line(block.children, tokens)))


def _line(nodes: Sequence[Node], tokens: Tokens) -> Iterable[Node]:
    for node in nodes:
        if isinstance(node, Leaf):
            yield Leaf(inline.unified(node.text), node.marks) if "\r" in node.text else node
        elif node.type in names.BREAKS:
            yield Element(names.HARD_BREAK)
        elif node.type == "link":
            yield Element(node.type, node.attrs, joined(_line(node.children, tokens)))
        elif node.type in _SHOWN_IN_LINE:
            yield node
        elif node.children:
            yield from _line(node.children, tokens)
        else:
            yield tokens.of(node)
