"""Our blocks as a document of Plate."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from services.collab.formats import names
from services.collab.formats.editors import blocks, plate_view
from services.collab.formats.editors.plate_view import (
    ATTRIBUTES,
    BULLET,
    BULLETS,
    CHECKED,
    HEADINGS,
    IN_ITEM,
    INDENT,
    INLINE,
    NUMBER,
    POLITE,
    RESTART,
    START,
    STYLE,
    TODO,
)
from services.collab.formats.editors.seen import Seen
from services.collab.formats.tree import CannotHold, Element, Leaf, Node, elements, joined, key_of

ALONE = blocks.BLOCKS | {"image"}
IN_LINES = frozenset({"a", "mention", "inline_equation", "date", "footnoteReference"})
"""Elements for which Plate has a plugin, and which stand in lines."""
CLASSIC = frozenset({"ul", "ol", "li", "taskList"})
NAMES = {
    names.PARAGRAPH: "p",
    "quote": "blockquote",
    "divider": "hr",
    "image": "img",
    "table-row": "tr",
    "table-cell": "td",
    "table-header": "th",
}
_LINES = frozenset({names.PARAGRAPH, "heading", *names.SCREENPLAY})


def build(wanted: Element) -> list[Node]:
    """Return the native children of the document that shows *wanted*.

    Raises:
        CannotHold: Plate would take something out of it.
    """
    seen = Seen(plate_view.show)
    if wanted.origin is not None and seen.untouched(wanted):
        return wanted.origin.children
    return _Builder(wanted.origin, seen).blocks(wanted.children, "content")


class _Builder:
    """Makes Plate's nodes of a view."""

    def __init__(self, native: Element | None, seen: Seen) -> None:
        self._seen = seen
        self._types = _types(native) if native is not None else set[str]()
        self._classic = not self._types.isdisjoint(CLASSIC) and not _has_items(native)
        self._in_table = False

    def blocks(self, children: Sequence[Node], place: str) -> list[Node]:
        """Return *children* as blocks of one parent."""
        found: list[Node] = []
        for at, one in enumerate(blocks.housed(blocks.as_blocks(children, ALONE))):
            found += self._block(one, f"{place}[{at}]", found)
        return found

    def _block(self, block: Element, place: str, before: list[Node]) -> list[Node]:
        """Return what becomes of *block*, which comes after *before*."""
        if block.type in blocks.LISTS and not self._classic:
            made = [*before]
            self._items(block, place, made, 1)
            return made[len(before) :]
        fits = not self._in_table or "table" not in _types(Element(None, {}, [block]))
        if block.origin is not None and fits and self._seen.untouched(block):
            return [block.origin]
        attrs = dict(block.attrs)
        inner = f"{place}.children"
        match block.type:
            case "list" | "task-list":
                return [self._classic_list(block, attrs, inner)]
            case "code-block":
                return [_code(block, attrs)]
            case "quote":
                held = self.blocks(block.children, inner)
                return [Element("blockquote", attrs, held or [Element("p")])]
            case "table":
                return [self._table(block, attrs, place)]
            case "divider" | "image":
                kind = NAMES[block.type]
                held = [Leaf("".join(one.text for one in blocks.leaves(block.children)))]
                return [Element(kind, _theirs(kind, attrs), joined(held))]
            case _:
                return self._text(block, place, before)

    def _text(self, block: Element, place: str, before: list[Node]) -> list[Node]:
        """Return a block that holds a line, or one that Plate does not know, or what it becomes."""
        attrs = dict(block.attrs)
        kind = NAMES.get(block.type or "", block.type)
        if block.type == "heading" and f"h{attrs.get('level')}" in HEADINGS:
            kind = f"h{attrs.pop('level')}"
        inner = f"{place}.children"
        if blocks.holds_text(block.children, ALONE):
            return [Element(kind, attrs, self._line(block.children, inner))]
        if block.type in _LINES and any(
            isinstance(one, Leaf) or one.type == "image" for one in block.children
        ):
            made = [*before]
            for part in blocks.housed(blocks.as_blocks(block.children, ALONE, like=block)):
                made += self._block(part, place, made)
            return made[len(before) :]
        return [Element(kind, attrs, self.blocks(block.children, inner))]

    def _line(self, children: Sequence[Node], place: str) -> list[Node]:
        found: list[Node] = []
        for link, group in groupby(blocks.dissolved(children, ALONE), _link_key):
            nodes = list(group)
            if link:
                target = _target(nodes[0])
                texts = [Leaf(one.text, _unlinked(one)) for one in nodes if isinstance(one, Leaf)]
                found.append(Element("a", target, list[Node](texts)))
                continue
            for at, node in enumerate(nodes):
                found += [node] if isinstance(node, Leaf) else self._in_line(node, f"{place}[{at}]")
        return joined(found)

    def _in_line(self, node: Element, place: str) -> list[Node]:
        origin = node.origin
        if origin is not None and self._seen.untouched(node):
            return [origin]
        if node.type in (names.HARD_BREAK, "hardBreak"):
            return [Leaf("\n"), *self._line(node.children, place)]
        if node.type == "link":
            inner = self._line(node.children, f"{place}.children")
            # Plate removes a link that shows nothing.
            return [Element("a", _link(node.attrs), inner)] if inner else []
        if (node.type in IN_LINES and not blocks.leaves(node.children)) or node.type in self._types:
            return [Element(node.type, node.attrs, self._line(node.children, f"{place}.children"))]
        held = {INLINE: {"type": node.type} | node.attrs}
        if texts := blocks.leaves(node.children):
            return [Leaf(one.text, one.marks | held) for one in texts]
        raise blocks.cannot_hold("Plate", node.type, place)

    def _items(self, block: Element, place: str, made: list[Node], depth: int) -> None:
        """Add the items of a list of today's form to *made*, which is before it."""
        attrs = dict(block.attrs)
        style = attrs.pop(STYLE, None)
        ordered = attrs.pop("ordered", False) is True
        start = attrs.pop("start", 1)
        if block.type == "task-list":
            style = TODO
        elif not isinstance(style, str) or (style in BULLETS) == ordered:
            style = NUMBER if ordered else BULLET
        begins = True
        for at, child in enumerate(block.children):
            here = f"{place}.children[{at}]"
            is_item = isinstance(child, Element) and child.type in blocks.ITEMS
            item = child if is_item else Element(names.LIST_ITEM, {}, [child])
            assert isinstance(item, Element)
            own = dict(item.attrs)
            indent = own.pop(INDENT, depth)
            checked = own.pop(CHECKED, False) is True
            content = blocks.housed(_apart(item.children))
            if not content or not _can_be_item(content[0]):
                content = [blocks.paragraph(()), *content]
            mine = {INDENT: indent, STYLE: style} | ({CHECKED: checked} if style == TODO else {})
            first = self._content(content[0], here, own | mine)
            start = _number(first, made, start, begins=begins) + 1
            made.append(first)
            begins = False
            for nth, one in enumerate(content[1:], 1):
                inner = f"{here}.children[{nth}]"
                if one.type in blocks.LISTS:
                    self._items(one, inner, made, indent + 1)
                else:
                    for part in self._block(one, inner, []):
                        assert isinstance(part, Element)
                        # Only paragraphs may be indented in every editor.
                        extra = {INDENT: indent} if part.type == "p" else {}
                        extra |= {IN_ITEM: indent}
                        made.append(Element(part.type, part.attrs | extra, part.children))

    def _content(self, block: Element, place: str, attrs: dict[str, Any]) -> Element:
        """Return the first block of an item, with the *attrs* that make it one."""
        made = self._text(Element(block.type, block.attrs, block.children), place, [])
        first = made[0]
        assert isinstance(first, Element)
        return Element(first.type, first.attrs | attrs, first.children)

    def _classic_list(self, block: Element, attrs: dict[str, Any], place: str) -> Element:
        ordered = attrs.pop("ordered", False) is True
        kind = "taskList" if block.type == "task-list" else "ol" if ordered else "ul"
        items: list[Node] = []
        for at, child in enumerate(block.children):
            is_item = isinstance(child, Element) and child.type in blocks.ITEMS
            item = child if is_item else Element(names.LIST_ITEM, {}, [child])
            assert isinstance(item, Element)
            if item.origin is not None and item.origin.type == "li" and self._seen.untouched(item):
                items.append(item.origin)
                continue
            here = f"{place}[{at}].children"
            content = blocks.as_blocks(item.children, ALONE)
            if not content or content[0].type in blocks.LISTS:
                content = [blocks.paragraph(()), *content]
            first, *rest = content
            if not blocks.holds_text(first.children, ALONE) or first.type != names.PARAGRAPH:
                raise blocks.cannot_hold("Plate", first.type, f"{here}[0]")
            held: list[Node] = [Element("lic", first.attrs, self._line(first.children, here))]
            for nth, one in enumerate(rest, 1):
                if one.type not in blocks.LISTS:
                    raise blocks.cannot_hold("Plate", one.type, f"{here}[{nth}]")
                held.append(self._classic_list(one, dict(one.attrs), f"{here}[{nth}].children"))
            own = dict(item.attrs)
            if kind == "taskList":
                own[CHECKED] = own.get(CHECKED) is True
            items.append(Element("li", own, held))
        if not items:
            raise blocks.cannot_hold("Plate", f"{block.type} without items", place)
        return Element(kind, attrs, items)

    def _table(self, table: Element, attrs: dict[str, Any], place: str) -> Element:
        if self._in_table:
            raise CannotHold("Plate has no table within a table.", f"{place}.type")
        self._in_table = True
        made = [
            Element("tr", row.attrs, [self._cell(cell, place) for cell in blocks.cells(row)])
            for row in blocks.rows(table)
        ]
        self._in_table = False
        return Element("table", attrs, list[Node](made))

    def _cell(self, cell: Element, place: str) -> Element:
        kind = NAMES[cell.type or ""]
        held = self.blocks(cell.children, f"{place}.children")
        return Element(kind, _theirs(kind, cell.attrs), held or [Element("p")])


def _types(element: Element) -> set[str]:
    inner = list(elements(element.children))
    return {one.type or "" for one in inner}.union(*(_types(one) for one in inner))


def _has_items(element: Element | None) -> bool:
    return element is not None and any(
        plate_view.is_item(one) or _has_items(one) for one in elements(element.children)
    )


def _apart(children: Sequence[Node]) -> list[Element]:
    """Return *children* as blocks, with pictures between the lines that they stood in."""
    return [
        part
        for one in blocks.as_blocks(children, ALONE)
        for part in (
            blocks.as_blocks(one.children, ALONE, like=one)
            if one.type in _LINES and not blocks.holds_text(one.children, ALONE)
            else [one]
        )
    ]


def _can_be_item(block: Element) -> bool:
    return block.type == names.PARAGRAPH and blocks.holds_text(block.children, ALONE)


def _code(block: Element, attrs: dict[str, Any]) -> Element:
    rows: list[Node] = []
    row: list[Node] = []
    for leaf in blocks.leaves(block.children):
        first, *more = leaf.text.split("\n")
        row.append(Leaf(first, leaf.marks))
        for text in more:
            rows.append(Element("code_line", {}, joined(row)))
            row = [Leaf(text, leaf.marks)]
    rows.append(Element("code_line", {}, joined(row)))
    return Element("code_block", _theirs("code_block", attrs), rows)


def _theirs(kind: str, attrs: dict[str, Any]) -> dict[str, Any]:
    found = dict(attrs)
    for theirs, ours in ATTRIBUTES.get(kind, ()):
        if ours in found:
            found[theirs] = found.pop(ours)
    return found


def _link_key(node: Node) -> str:
    if isinstance(node, Element) or not isinstance(node.marks.get("link"), dict | str):
        return ""
    return key_of(Element(None, {"link": node.marks["link"]}))


def _target(node: Node) -> dict[str, Any]:
    link: Any = node.marks["link"] if isinstance(node, Leaf) else {}
    return _link(link if isinstance(link, dict) else {"href": link})  # pyright: ignore[reportUnknownArgumentType]


def _link(attrs: dict[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in attrs.items() if key != "href"}
    return found | {"url": str(attrs.get("href") or attrs.get("url") or "")}


def _unlinked(leaf: Leaf) -> dict[str, Any]:
    return {key: value for key, value in leaf.marks.items() if key != "link"}


def _number(item: Element, before: list[Node], wanted: Any, *, begins: bool) -> int:
    """Give *item* the number *wanted*, which Plate counts by itself; return it.

    Args:
        item: A new item.
        before: What comes before it in its parent.
        wanted: Its number.
        begins: Whether it is the first of its list.
    """
    number = wanted if isinstance(wanted, int) and wanted > 0 else 1
    found = _same_list(item, before)
    counted = 1 if found is None else (found.attrs.get(START) or 1) + 1
    bullets = item.attrs[STYLE] in BULLETS
    if begins and (found is not None or (number != counted and not bullets)):
        # Without this it would go on with the list before, or with 1.
        item.attrs[RESTART] = number
    elif number != counted and not bullets:
        item.attrs[POLITE if found is None else RESTART] = number
    if number > 1 and not bullets:
        item.attrs[START] = number
    return number


def _same_list(item: Element, before: list[Node]) -> Element | None:
    """Return the item that Plate takes for the one before *item* in its list."""
    heading = item.type in HEADINGS
    for one in reversed(before):
        if not isinstance(one, Element) or not isinstance(one.attrs.get(INDENT), int):
            return None
        if one.attrs[INDENT] < item.attrs[INDENT]:
            return None
        level = one.attrs[INDENT] == item.attrs[INDENT]
        same = one.attrs.get(STYLE) == item.attrs[STYLE]
        if same and level and (one.type in HEADINGS) != heading:
            return None
        if same and level:
            return one
    return None
