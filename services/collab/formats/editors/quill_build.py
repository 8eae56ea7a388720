"""Our blocks as a text of Quill."""

import hashlib
from collections.abc import Sequence
from typing import Any

from services.collab.formats import names
from services.collab.formats.editors import blocks, quill_view
from services.collab.formats.editors.quill_view import (
    BLOCK,
    CELL,
    CODE,
    HEADER,
    HEADER_MAX,
    HOLDER,
    IN_ITEM,
    IN_LINE,
    INDENT,
    INLINE,
    LIST,
    MARKS,
    QUOTE,
    ROW,
    SOFT,
    TABLE,
    TITLE,
)
from services.collab.formats.editors.seen import Seen
from services.collab.formats.editors.text_lines import LINE, lines, text
from services.collab.formats.layout import MAP
from services.collab.formats.tree import EMBED, CannotHold, Element, Leaf, Node, joined, key_of

INDENT_MAX = 8
"""Quill knows no deeper indentation."""


def build(wanted: Element) -> list[Node]:
    """Return the text of *wanted*; of a document that had no newline at its end, without one.

    Raises:
        CannotHold: A line cannot say what a block is.
    """
    native = wanted.origin
    if native is not None and Seen(quill_view.view).untouched(wanted):
        return native.children
    made = _Lines(native)
    made.blocks(blocks.as_blocks(wanted.children), "content", {})
    rows = made.rows
    ended = not native or not native.children or lines(native)[1]
    return text(rows, ended=ended or bool(rows and rows[-1].attrs))


class _Lines:
    """The lines made so far."""

    def __init__(self, native: Element | None) -> None:
        self.rows: list[Element] = []
        self._ids = set[str]()
        for row in lines(native)[0] if native else ():
            if isinstance(found := row.attrs.get(TABLE), str):
                self._ids.add(found)

    def blocks(self, children: Sequence[Node], place: str, attrs: dict[str, Any]) -> None:
        """Add *children*, which are blocks, as lines that all have *attrs*."""
        before: Element | None = None
        for at, child in enumerate(blocks.as_blocks(children)):
            self._block(child, f"{place}[{at}]", attrs, _beside(before, child))
            before = child

    def _block(self, block: Element, place: str, attrs: dict[str, Any], *starts: bool) -> None:
        begins = any(starts)
        match block.type:
            case "list" | "task-list" if not attrs:
                self._list(block, place, 0, begins)
            case "quote" if not attrs:
                self._quote(block, place, begins)
            case "code-block" if not attrs:
                self._code(block, place, begins)
            case "table" if not attrs:
                self._table(block, place, begins)
            case "image" | "video" | "yjs-embed":
                self._line([block], attrs)
            case _:
                self._text(block, place, attrs)

    def _text(self, block: Element, place: str, attrs: dict[str, Any]) -> None:
        """Add a block that holds a line of text."""
        if not blocks.holds_text(block.children) or block.type in (
            *blocks.LISTS,
            *blocks.ITEMS,
            "quote",
            "code-block",
            "table",
            "table-row",
            "table-cell",
            "table-header",
        ):
            raise blocks.cannot_hold("Quill", block.type, place)
        own = dict(block.attrs)
        level = own.get("level")
        if block.type == "heading" and isinstance(level, int) and 1 <= level <= HEADER_MAX:
            own[HEADER] = own.pop("level")
        elif block.type != names.PARAGRAPH:
            own[BLOCK] = block.type
        was = block.origin.attrs if block.origin and block.origin.type == LINE else {}
        own |= {key: value for key, value in was.items() if key in IN_LINE}
        self._line(block.children, own | attrs, place)

    def _line(self, children: Sequence[Node], attrs: dict[str, Any], place: str = "") -> None:
        attrs = {key: value for key, value in attrs.items() if value is not None}
        pieces: list[Node] = []
        for node in _inline(children, f"{place}.children", {}):
            if not isinstance(node, Leaf):
                pieces.append(node)
                continue
            first, *more = node.text.split("\n")
            pieces.append(Leaf(first, node.marks))
            for rest in more:
                self.rows.append(Element(LINE, attrs | {SOFT: True}, joined(pieces)))
                attrs = {key: value for key, value in attrs.items() if key != HOLDER}
                pieces = [Leaf(rest, node.marks)]
        self.rows.append(Element(LINE, attrs, joined(pieces)))

    def _hold(self, first: int, holder: dict[str, Any], *, begins: bool) -> None:
        """Note in the line *first* what only its block has to say."""
        if holder or begins:
            self.rows[first].attrs = self.rows[first].attrs | {HOLDER: holder}

    def _quote(self, block: Element, place: str, begins: bool) -> None:
        first = len(self.rows)
        children = block.children or [blocks.paragraph([])]
        self.blocks(children, f"{place}.children", {QUOTE: True})
        self._hold(first, block.attrs, begins=begins)

    def _code(self, block: Element, place: str, begins: bool) -> None:
        first = len(self.rows)
        holder = {key: value for key, value in block.attrs.items() if key != "language"}
        language = block.attrs.get("language")
        if not isinstance(language, str) or not language:
            holder |= {} if language is None else {"language": language}
            language = True
        for row in _code_rows(block, place):
            self.rows.append(Element(LINE, {CODE: language}, row))
        self._hold(first, holder, begins=begins)

    def _list(self, block: Element, place: str, depth: int, begins: bool) -> None:
        first = len(self.rows)
        tasks = block.type == "task-list"
        holder = dict(block.attrs)
        ordered = not tasks and holder.pop("ordered", False) is True
        if not block.children:
            raise blocks.cannot_hold("Quill", f"{block.type} without items", place)
        for at, child in enumerate(block.children):
            here = f"{place}.children[{at}]"
            item = child if isinstance(child, Element) else Element(names.LIST_ITEM, {}, [child])
            attrs = dict(item.attrs)
            if tasks:
                kind = "checked" if attrs.pop("checked", False) is True else "unchecked"
            else:
                kind = "ordered" if ordered else "bullet"
            indent = attrs.pop(INDENT, depth)
            if not isinstance(indent, int) or indent > INDENT_MAX:
                raise blocks.cannot_hold("Quill", f"{block.type} so deep", here)
            self._item(item, here, {LIST: kind} | ({INDENT: indent} if indent else {}), attrs)
        self._hold(first, holder, begins=begins)

    def _item(self, item: Element, place: str, attrs: dict[str, Any], more: dict[str, Any]) -> None:
        content = blocks.as_blocks(item.children)
        if item.type not in blocks.ITEMS:
            content = [item]
            more = {}
        if not content or content[0].type in blocks.LISTS:
            content = [blocks.paragraph([]), *content]
        first = content[0]
        if first.type == names.PARAGRAPH:
            first = Element(first.type, first.attrs | more, first.children, None, first.origin)
        indent = attrs.get(INDENT, 0)
        self._text(first, f"{place}.children[0]", attrs)
        before = first
        for at, child in enumerate(content[1:], 1):
            here = f"{place}.children[{at}]"
            if child.type in blocks.LISTS:
                self._list(child, here, indent + 1, _beside(before, child))
            else:
                self._text(child, here, {INDENT: indent + 1, IN_ITEM: True})
            before = child

    def _table(self, block: Element, place: str, begins: bool) -> None:
        first = len(self.rows)
        for at, row in enumerate(block.children):
            here = f"{place}.children[{at}]"
            if not isinstance(row, Element) or row.type != "table-row" or not row.children:
                raise CannotHold("A table of Quill has rows of cells.", here)
            of_row = len(self.rows)
            name = self._row_id(row, at)
            for nth, cell in enumerate(row.children):
                self._cell(cell, f"{here}.children[{nth}]", {TABLE: name})
            if row.attrs:
                self.rows[of_row].attrs = self.rows[of_row].attrs | {ROW: row.attrs}
        if len(self.rows) == first:
            raise blocks.cannot_hold("Quill", "table without rows", place)
        self._hold(first, block.attrs, begins=begins)

    def _cell(self, cell: Node, place: str, attrs: dict[str, Any]) -> None:
        if not isinstance(cell, Element) or cell.type not in ("table-cell", "table-header"):
            raise CannotHold("A row of a table has cells.", place)
        content = blocks.as_blocks(cell.children) or [blocks.paragraph([])]
        if len(content) > 1:
            raise CannotHold("A cell of Quill holds one paragraph.", f"{place}.children[1]")
        of_cell = {"header": True} if cell.type == "table-header" else {}
        of_cell |= cell.attrs
        self._text(content[0], f"{place}.children[0]", attrs | ({CELL: of_cell} if of_cell else {}))

    def _row_id(self, row: Element, at: int) -> str:
        origin = row.origin
        if origin is not None and isinstance(origin.children[0], Element):
            return str(origin.children[0].attrs[TABLE])
        digest = hashlib.sha256(f"{at}{key_of(row)}".encode()).hexdigest()
        candidates = (f"row-{digest[:4]}{nth or ''}" for nth in range(len(self._ids) + 1))
        name = next(name for name in candidates if name not in self._ids)
        self._ids.add(name)
        return name


def _beside(before: Element | None, block: Element) -> bool:
    """Whether *block* would be taken for a part of the one before it."""
    if before is None or before.type != block.type:
        return False
    if block.type in blocks.LISTS:
        return before.attrs.get("ordered") == block.attrs.get("ordered")
    if block.type == "code-block":
        return before.attrs.get("language") == block.attrs.get("language")
    return block.type in ("quote", "table")


def _code_rows(block: Element, place: str) -> list[list[Node]]:
    rows: list[list[Node]] = [[]]
    for node in _inline(block.children, f"{place}.children", {}):
        if not isinstance(node, Leaf):
            rows[-1].append(node)
            continue
        first, *more = node.text.split("\n")
        rows[-1].append(Leaf(first, node.marks))
        for rest in more:
            rows.append([Leaf(rest, node.marks)])
    return [joined(row) for row in rows]


def _inline(children: Sequence[Node], place: str, more: dict[str, Any]) -> list[Node]:
    """Return what is in a line as Quill has it; line breaks are newlines for the time being."""
    found: list[Node] = []
    for at, node in enumerate(children):
        if isinstance(node, Leaf):
            found.append(Leaf(node.text, _marks(node.marks) | more))
        elif node.type in (names.HARD_BREAK, "hardBreak"):
            found.append(Leaf("\n"))
            found += _inline(node.children, f"{place}[{at}].children", more)
        elif node.origin is not None and quill_view.inline([node.origin]) == [node]:
            found.append(node.origin)
        elif node.type in ("image", "video"):
            found.append(_media(node))
            found += _inline(node.children, f"{place}[{at}].children", more)
        elif node.type in (EMBED, MAP):
            found.append(node)
        elif node.type == "link" and not more:
            found += _inline(node.children, f"{place}[{at}].children", _link(node.attrs))
        elif any(isinstance(one, Leaf) for one in node.children) and not more:
            holder = {INLINE: {"type": node.type} | node.attrs}
            found += _inline(node.children, f"{place}[{at}].children", holder)
        else:
            raise blocks.cannot_hold("Quill", node.type, f"{place}[{at}]")
    return found


def _marks(marks: dict[str, Any]) -> dict[str, Any]:
    if not marks:
        return marks
    found = dict(marks)
    for ours, theirs in MARKS:
        if ours in found:
            found[theirs] = found.pop(ours)
    if isinstance(found.get("link"), dict):
        found |= _link(found.pop("link"))
    return found


def _link(attrs: dict[str, Any]) -> dict[str, Any]:
    href = attrs.get("href") or attrs.get("url")
    title = attrs.get("title")
    titled = {TITLE: title} if isinstance(title, str) else {}
    return ({"link": href} if isinstance(href, str) else {}) | titled


def _media(node: Element) -> Element:
    attrs = {key: value for key, value in node.attrs.items() if value is not None}
    source = attrs.pop("src", None) or attrs.pop("url", "")
    formatting = {"attributes": attrs} if attrs else {}
    return Element(EMBED, {"value": {node.type or "": source}} | formatting)
