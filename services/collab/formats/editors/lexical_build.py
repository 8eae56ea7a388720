"""Our blocks as a document of Lexical."""

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from services.collab.formats import names
from services.collab.formats.editors import blocks, lexical_view
from services.collab.formats.editors.lexical_view import (
    BETWEEN,
    BITS,
    BLOCK,
    DETAIL,
    FORMAT,
    HEADINGS,
    INLINE,
    LINKS,
    MARKS,
    MODE,
    NODE,
    STYLE,
    TYPE,
    UNMERGEABLE,
    kind,
)
from services.collab.formats.editors.seen import Seen
from services.collab.formats.layout import MAP, NAMELESS
from services.collab.formats.tree import Element, Leaf, Node, elements, joined

ELEMENT: dict[str, Any] = {
    FORMAT: 0,
    STYLE: "",
    "__indent": 0,
    "__dir": None,
    "__textFormat": 0,
    "__textStyle": "",
}
"""Attributes that every element of Lexical begins with."""
_HOLLOW = frozenset({names.HARD_BREAK, "hardBreak", "image"})
LISTS = {"bullet": "ul", "number": "ol", "check": "ul"}
LINK: dict[str, Any] = {"__target": None, "__rel": None}
DEFAULTS: dict[str, dict[str, Any]] = {
    "table": {"__rowStriping": False, "__frozenColumnCount": 0, "__frozenRowCount": 0},
    "tablecell": {"__backgroundColor": None},
}


def build(wanted: Element) -> list[Node]:
    """Return the native children of the document that shows *wanted*."""
    seen = Seen(lexical_view.show)
    if wanted.origin is not None and seen.untouched(wanted):
        return wanted.origin.children
    made = _Builder(wanted.origin, seen).blocks(wanted.children)
    # Lexical puts a paragraph into a document that is empty.
    return made or [_made("paragraph", Element(None), {}, {}, [])]


class _Builder:
    """Makes nodes; those of types that Lexical does not know, as they are in the document."""

    def __init__(self, native: Element | None, seen: Seen) -> None:
        self._seen = seen
        self._samples: dict[str, Element] = {}
        if native is not None:
            self._learn(native)

    def _learn(self, element: Element) -> None:
        for child in elements(element.children):
            self._samples.setdefault(kind(child), child)
            self._learn(child)

    def blocks(self, children: Sequence[Node]) -> list[Node]:
        """Return *children* as nodes that stand where blocks do."""
        found: list[Node] = []
        before: Element | None = None
        for one in blocks.housed(blocks.as_blocks(children)):
            made = self._block(one)
            if before is not None and _would_merge(before, made):
                found.append(_made("paragraph", Element(None), {}, {BLOCK: BETWEEN}, []))
            found.append(made)
            before = made
        return found

    def _block(self, block: Element) -> Element:
        if block.origin is not None and self._seen.untouched(block):
            return block.origin
        attrs = dict(block.attrs)
        match block.type:
            case names.PARAGRAPH if blocks.holds_text(block.children):
                return _made("paragraph", block, attrs, {}, self._line(block))
            case "heading" if f"h{attrs.get('level')}" in HEADINGS and blocks.holds_text(
                block.children
            ):
                tag = f"h{attrs.pop('level')}"
                return _made("heading", block, attrs, {"__tag": tag}, self._line(block))
            case "quote":
                return _made("quote", block, attrs, {}, self._held(block.children))
            case "list" | "task-list":
                return self._list(block, attrs)
            case "code-block":
                language = attrs.pop("language", None)
                shown = {"__language": language} if language else {}
                held = list(self._inline(blocks.dissolved(block.children), {}))
                return _made("code", block, attrs, shown, held)
            case "divider" if not block.children:
                return Element(NAMELESS, {TYPE: "horizontalrule"} | attrs)
            case "table":
                rows = [self._row(row) for row in blocks.rows(block)]
                return _made("table", block, attrs, {}, list[Node](rows))
            case _:
                return self._other(block, attrs)

    def _other(self, block: Element, attrs: dict[str, Any]) -> Element:
        """A block that Lexical has no node for: as in this document, or named in an attribute."""
        sample = self._samples.get(block.type or "")
        text = blocks.holds_text(block.children)
        if sample is not None and sample.type != MAP:
            children = self._line(block) if text else self.blocks(block.children)
            return Element(sample.type, {TYPE: block.type} | attrs, children)
        if block.type != names.PARAGRAPH:
            attrs[BLOCK] = block.type or "unknown"
        if text:
            return _made("paragraph", block, attrs, {}, self._line(block))
        return _made("quote", block, attrs, {}, self.blocks(block.children))

    def _held(self, children: Sequence[Node]) -> list[Node]:
        """Return what a quotation or list item holds: text if it is one paragraph, else blocks."""
        held = blocks.as_blocks(children)
        if (only := blocks.only_paragraph(held)) and blocks.holds_text(only.children):
            return self._line(only)
        return self.blocks(held)

    def _list(self, block: Element, attrs: dict[str, Any]) -> Element:
        ordered = attrs.pop("ordered", False) is True
        start = attrs.pop("start", 1)
        start = start if isinstance(start, int) else 1
        list_type = "check" if block.type == "task-list" else "number" if ordered else "bullet"
        shown = {"__listType": list_type, "__tag": LISTS[list_type], "__start": start}
        items: list[Node] = []
        value = start
        for child in block.children:
            for item in self._item(child, check=list_type == "check"):
                if item.attrs.get("__value") != value:
                    item = Element(item.type, item.attrs | {"__value": value}, item.children)  # noqa: PLW2901
                items.append(item)
                first = item.children[0] if item.children else None
                value += not (isinstance(first, Element) and kind(first) == "list")
        return _made("list", block, attrs, shown, items)

    def _item(self, child: Node, *, check: bool) -> list[Element]:
        """Return an item, and one more for each list in it."""
        if isinstance(child, Leaf) or child.type not in blocks.ITEMS:
            child = Element(names.LIST_ITEM, {}, [child])
        attrs = dict(child.attrs)
        shown = {"__checked": attrs.pop("checked", False) is True} if check else {}
        # A list in it is not in the native item, but beside it.
        alone = not any(one.type in blocks.LISTS for one in elements(child.children))
        same = (child.type == "task-item") == check and self._seen.untouched(child)
        if child.origin is not None and alone and same:
            return [child.origin]
        content = blocks.as_blocks(child.children)
        count = next(
            (at for at, one in enumerate(content) if one.type in blocks.LISTS), len(content)
        )
        if any(one.type not in blocks.LISTS for one in content[count:]):
            # A list between paragraphs: all of them are in the item.
            content = [*([] if count else [blocks.paragraph([])]), *content]
            count = len(content)
        first = _made("listitem", child, attrs, shown, self._held(content[:count]))
        rest = [
            _made("listitem", Element(None), {}, {}, [self._block(nested)])
            for nested in content[count:]
        ]
        return [first, *rest]

    def _row(self, row: Element) -> Element:
        if row.origin is not None and self._seen.untouched(row):
            return row.origin
        cells = [self._cell(cell, dict(cell.attrs)) for cell in blocks.cells(row)]
        return _made("tablerow", row, dict(row.attrs), {}, list[Node](cells))

    def _cell(self, cell: Element, attrs: dict[str, Any]) -> Element:
        if cell.origin is not None and self._seen.untouched(cell):
            return cell.origin
        was = cell.origin.attrs.get("__headerState", 0) if cell.origin else 0
        state = (was or 1) if cell.type == "table-header" else 0
        shown = {"__colSpan": 1, "__rowSpan": 1, "__headerState": state}
        for ours, theirs in (("colspan", "__colSpan"), ("rowspan", "__rowSpan")):
            if isinstance(attrs.get(ours), int):
                shown[theirs] = attrs.pop(ours)
        return _made("tablecell", cell, attrs, shown, self.blocks(cell.children))

    def _line(self, block: Element) -> list[Node]:
        known = {
            child.attrs.get("__url"): child.attrs
            for child in elements(block.origin.children if block.origin else [])
            if kind(child) in LINKS
        }
        return list(self._inline(block.children, known))

    def _inline(self, children: Sequence[Node], known: dict[Any, dict[str, Any]]) -> Iterable[Node]:
        for key, group in groupby(_spread(children), _link_key):
            nodes = list(group)
            if key:
                target = json.loads(key)
                texts = [Leaf(one.text, _unlinked(one)) for one in nodes if isinstance(one, Leaf)]
                yield _link(target, list(self._inline(texts, {})), known)
                continue
            for node in nodes:
                yield from _texts(node) if isinstance(node, Leaf) else self._in_line(node, known)

    def _in_line(self, node: Element, known: dict[Any, dict[str, Any]]) -> Iterable[Node]:
        """Return an element of a line."""
        origin = node.origin
        if origin is not None and self._seen.untouched(node):
            yield origin
        elif node.type in (names.HARD_BREAK, "hardBreak"):
            yield origin or Element(MAP, {TYPE: "linebreak"})
        elif origin is not None and origin.type == MAP:
            yield Element(MAP, node.attrs)
        elif node.type == "link":
            inner = blocks.dissolved(node.children)
            yield _link(node.attrs, list(self._inline(inner, {})), known)
        elif (sample := self._samples.get(node.type or "")) is not None and sample.type != MAP:
            yield Element(
                sample.type, {TYPE: node.type} | node.attrs, list(self._inline(node.children, {}))
            )
        else:
            yield from self._stand_in(node)

    def _stand_in(self, node: Element) -> Iterable[Node]:
        held = {"type": node.type or "unknown"} | node.attrs
        if node.type == "image":
            source = str(node.attrs.get("src") or node.attrs.get("url") or "")
            shown = Leaf(str(node.attrs.get("alt") or source or "image"))
            made = _link({"href": source}, list(_texts(shown)), {})
            yield Element(None, made.attrs | {INLINE: held}, made.children)
            return
        texts = blocks.leaves(node.children)
        if not texts:
            label = node.attrs.get("label") or node.attrs.get("name") or node.type
            texts, held = [Leaf(str(label))], held | {"void": True}
        for text in texts:
            yield Element(MAP, _look(text.marks) | {INLINE: held, DETAIL: UNMERGEABLE})
            yield Leaf(text.text)


def _spread(children: Sequence[Node]) -> list[Node]:
    """Return *children* with what line breaks and pictures hold beside them."""
    found: list[Node] = []
    for child in children:
        if isinstance(child, Element) and child.type in _HOLLOW and child.children:
            found.append(Element(child.type, child.attrs, [], None, child.origin))
            found += _spread(blocks.dissolved(child.children))
        else:
            found.append(child)
    return joined(found)


def _would_merge(one: Element, other: Element) -> bool:
    """Whether Lexical makes one list of two that stand side by side."""
    lists = kind(one) == kind(other) == "list"
    return lists and one.attrs.get("__listType") == other.attrs.get("__listType")


def _made(
    name: str, block: Element, more: dict[str, Any], shown: dict[str, Any], children: list[Node]
) -> Element:
    """Return an element of Lexical's own; what its origin has besides, it keeps."""
    origin = block.origin
    attrs = {TYPE: name} | ELEMENT | DEFAULTS.get(name, {})
    if origin is not None and kind(origin) == name:
        attrs = {
            key: value
            for key, value in origin.attrs.items()
            if key[:2] == "__" and key not in ("__language", "__checked")
        }
    return Element(None, attrs | _typing(children) | shown | more, children)


def _typing(children: list[Node]) -> dict[str, Any]:
    """Return how text is to look that somebody types here: as what is there."""
    first = next((one.attrs for one in elements(children) if FORMAT in one.attrs), None)
    if first is None or not isinstance(children[0], Element) or children[0].type != MAP:
        return {}
    return {"__textFormat": first[FORMAT], "__textStyle": first.get(STYLE, "")}


def _link_key(node: Node) -> str:
    if isinstance(node, Element) or not isinstance(node.marks.get("link"), dict | str):
        return ""
    link = node.marks["link"]
    return json.dumps(link if isinstance(link, dict) else {"href": link}, sort_keys=True)


def _unlinked(leaf: Leaf) -> dict[str, Any]:
    return {key: value for key, value in leaf.marks.items() if key != "link"}


def _link(
    target: dict[str, Any], children: list[Node], known: dict[Any, dict[str, Any]]
) -> Element:
    url = str(target.get("href") or target.get("url") or "")
    attrs = known.get(url) or {TYPE: "link"} | ELEMENT | LINK | {"__title": None}
    attrs |= _typing(children)
    return Element(None, attrs | {"__url": url, "__title": target.get("title")}, children)


def _texts(leaf: Leaf) -> Iterable[Node]:
    """Return a leaf as text nodes, with a node for each line break in it."""
    for at, row in enumerate(leaf.text.split("\n")):
        if at:
            yield Element(MAP, {TYPE: "linebreak"})
        if row:
            yield Element(MAP, _look(leaf.marks))
            yield Leaf(row)


def _look(marks: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a text node with *marks*."""
    bits, style = 0, ""
    more: dict[str, Any] = {}
    node: dict[str, Any] = {}
    for name, value in marks.items():
        if value is True and name in BITS:
            bits |= BITS[name]
        elif name == "style" and isinstance(value, str):
            style = value
        elif name == NODE and isinstance(value, dict):
            node = value  # pyright: ignore[reportUnknownVariableType]
        else:
            more[name] = value
    look = {TYPE: "text", FORMAT: bits, STYLE: style, MODE: 0, DETAIL: 0} | node
    if more:
        # Unless kept apart, it would be merged with neighbours that look the same.
        look |= {MARKS: more, DETAIL: UNMERGEABLE}
    return look
