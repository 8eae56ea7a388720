"""A text of Quill as our blocks."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from services.collab.formats import names
from services.collab.formats.editors.text_lines import LINE, lines
from services.collab.formats.tree import EMBED, Element, Leaf, Node, joined

HOLDER, BLOCK, SOFT, IN_ITEM, INLINE = "holder", "block", "soft", "in-item", "inline"
TITLE = "link-title"
INDENT, LIST, QUOTE, CODE, HEADER, TABLE = (
    "indent",
    "list",
    "blockquote",
    "code-block",
    "header",
    "table",
)
ROW, CELL = "row", "cell"
MARKS = (("strikethrough", "strike"),)
"""Our name and that of Quill."""
IN_LINE = frozenset(
    "bold italic underline strike link code color background font size script".split()  # noqa: SIM905
)
"""Formats of characters; a newline may carry them, and they mean nothing there."""
CHECKED = {"checked": True, "unchecked": False}
HEADER_MAX = 6


def view(native: Element) -> Element:
    """Return *native* in our vocabulary."""
    rows, _ = lines(native)
    found: list[Node] = []
    for kind, group in groupby(_holders(rows), _key):
        held = [line for _, line in group]
        match kind[1]:
            case "code":
                found.append(_code(held))
            case "table":
                found.append(_table(held))
            case "quote":
                found.append(_quote(held))
            case "list":
                found += _lists(held)
            case _:
                found += _blocks(held)
    return Element(None, {}, found, None, native)


def _key(entry: tuple[tuple[int, str], Element]) -> tuple[int, str]:
    return entry[0]


def _holders(rows: list[Element]) -> Iterator[tuple[tuple[int, str], Element]]:
    """Yield each line with the number and the kind of the block that it is part of."""
    number, before = 0, ""
    for row in rows:
        kind = _kind(row)
        name = f"{kind}{row.attrs[CODE]}" if kind == "code" else kind
        if name != before or (HOLDER in row.attrs and kind != "list"):
            number += 1
        before = name
        yield (number, kind), row


def _kind(row: Element) -> str:
    attrs = row.attrs
    if isinstance(attrs.get(TABLE), str):
        return "table"
    if attrs.get(CODE) is True or isinstance(attrs.get(CODE), str):
        return "code"
    if list_type(attrs) or attrs.get(IN_ITEM) is True:
        return "list"
    return "quote" if attrs.get(QUOTE) is True else ""


def list_type(attrs: dict[str, Any]) -> str | None:
    """Return how Quill calls the list that a line with *attrs* is an item of."""
    found = attrs.get(LIST)
    return found if found in ("ordered", "bullet", *CHECKED) else None


def _rest(row: Element, *without: str) -> dict[str, Any]:
    """Return the attributes of a line that nothing else shows."""
    return {
        key: value
        for key, value in row.attrs.items()
        if key not in IN_LINE and key not in without and key not in (HOLDER, SOFT)
    }


def _held(row: Element) -> dict[str, Any]:
    found = row.attrs.get(HOLDER)
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _blocks(rows: list[Element], *without: str) -> list[Node]:
    """Return a block for each line; those that end softly are one with the next."""
    found: list[Node] = []
    goes_on: Element | None = None
    for row in rows:
        if goes_on is None:
            goes_on = _block(row, *without)
            found.append(goes_on)
        else:
            goes_on.children += [Element(names.HARD_BREAK), *inline(row.children)]
            assert goes_on.origin is not None
            goes_on.origin.children += [Leaf("\n", goes_on.origin.attrs), *row.children]
            begins = {key: value for key, value in goes_on.origin.attrs.items() if key == HOLDER}
            goes_on.origin.attrs = row.attrs | begins
        if row.attrs.get(SOFT) is not True:
            goes_on = None
    return found


def _block(row: Element, *without: str) -> Element:
    level, named = row.attrs.get(HEADER), row.attrs.get(BLOCK)
    attrs = _rest(row, *without)
    kind = names.PARAGRAPH
    if isinstance(level, int) and 1 <= level <= HEADER_MAX and level is not True:
        kind = "heading"
        del attrs[HEADER]
        attrs["level"] = level
    elif isinstance(named, str) and named:
        kind = named
        del attrs[BLOCK]
    origin = Element(LINE, row.attrs, list(row.children))
    return Element(kind, attrs, inline(row.children), None, origin)


def _code(rows: list[Element]) -> Element:
    children: list[Node] = []
    for at, row in enumerate(rows):
        children += [*([Leaf("\n")] if at else []), *inline(row.children)]
    language = rows[0].attrs[CODE]
    named = {} if language is True else {"language": language}
    attrs = named | _rest(rows[0], CODE) | _held(rows[0])
    return Element("code-block", attrs, joined(children), None, Element(LINE, {}, list(rows)))


def _quote(rows: list[Element]) -> Element:
    origin = Element(LINE, {}, list(rows))
    return Element("quote", _held(rows[0]), _blocks(rows, QUOTE), None, origin)


def _table(rows: list[Element]) -> Element:
    made: list[Node] = []
    for _, group in groupby(rows, lambda row: row.attrs[TABLE]):
        cells = list(group)
        given = cells[0].attrs.get(ROW)
        attrs: dict[str, Any] = given if isinstance(given, dict) else {}  # pyright: ignore[reportUnknownVariableType]
        origin = Element(LINE, {}, list(cells))
        made.append(Element("table-row", attrs, _cells(cells), None, origin))
    return Element("table", _held(rows[0]), made, None, Element(LINE, {}, list(rows)))


def _cells(rows: list[Element]) -> list[Node]:
    found: list[Node] = []
    for content in _blocks(rows, TABLE, ROW, CELL):
        assert isinstance(content, Element)
        assert content.origin is not None
        of_cell = content.origin.attrs.get(CELL)
        attrs: dict[str, Any] = of_cell if isinstance(of_cell, dict) else {}  # pyright: ignore[reportUnknownVariableType]
        kind = "table-header" if attrs.get("header") is True else "table-cell"
        attrs = {key: value for key, value in attrs.items() if key != "header"}
        found.append(Element(kind, attrs, [content], None, content.origin))
    return found


def _lists(rows: list[Element]) -> list[Node]:
    """Return lines as lists, one within another as they are indented."""
    found: list[Node] = []
    open_lists: list[tuple[int, Element]] = []
    for block in _blocks(rows, LIST, INDENT, IN_ITEM):
        assert isinstance(block, Element)
        assert block.origin is not None
        row = block.origin
        if row.attrs.get(IN_ITEM) is True and not list_type(row.attrs):
            _continue(block, open_lists, found)
            continue
        depth = row.attrs.get(INDENT, 0)
        depth = depth if isinstance(depth, int) else 0
        made = _list_of(row)
        while open_lists and open_lists[-1][0] > depth:
            open_lists.pop()
        if open_lists and open_lists[-1][0] == depth and _ends(open_lists[-1][1], made, row):
            open_lists.pop()
        if not open_lists or open_lists[-1][0] < depth:
            _last_item(open_lists, found).append(made)
            open_lists.append((depth, made))
        holder = open_lists[-1][1]
        assert holder.origin is not None
        holder.origin.children.append(row)
        attrs: dict[str, Any] = {}
        if block.type == names.PARAGRAPH:
            attrs, block.attrs = block.attrs, {}
        if depth != len(open_lists) - 1:
            attrs[INDENT] = depth
        kind = names.LIST_ITEM
        if holder.type == "task-list":
            kind = "task-item"
            attrs["checked"] = CHECKED[row.attrs[LIST]]
        holder.children.append(Element(kind, attrs, [block], None, row))
    return found


def _list_of(row: Element) -> Element:
    kind = row.attrs[LIST]
    made = Element("task-list" if kind in CHECKED else "list", dict(_held(row)))
    if kind == "ordered":
        made.attrs["ordered"] = True
    made.origin = Element(LINE)
    return made


def _ends(open_list: Element, made: Element, row: Element) -> bool:
    """Whether a line whose list would be *made* is no item of *open_list*."""
    ordered = open_list.attrs.get("ordered") is True, made.attrs.get("ordered") is True
    return HOLDER in row.attrs or open_list.type != made.type or ordered[0] != ordered[1]


def _last_item(open_lists: list[tuple[int, Element]], found: list[Node]) -> list[Node]:
    if not open_lists:
        return found
    item = open_lists[-1][1].children[-1]
    assert isinstance(item, Element)
    return item.children


def _continue(block: Element, open_lists: list[tuple[int, Element]], found: list[Node]) -> None:
    """Add *block* to the item that it is in: it is indented by one more than that."""
    assert block.origin is not None
    indent = block.origin.attrs.get(INDENT, 1)
    while len(open_lists) > 1 and isinstance(indent, int) and open_lists[-1][0] >= indent:
        open_lists.pop()
    _last_item(open_lists, found).append(block)


def inline(nodes: list[Node]) -> list[Node]:
    """Return what is in a line under our names."""
    found: list[Node] = []
    for node in nodes:
        if isinstance(node, Element):
            found.append(_embedded(node))
            continue
        holder: Any = node.marks.get(INLINE)
        leaf = Leaf(node.text, _marks(node.marks))
        if not isinstance(holder, dict) or not isinstance(holder.get("type"), str):  # pyright: ignore[reportUnknownMemberType]
            found.append(leaf)
            continue
        attrs: dict[str, Any] = dict(holder)  # pyright: ignore[reportUnknownArgumentType]
        kind = attrs.pop("type")
        last = found[-1] if found else None
        if isinstance(last, Element) and (last.type, last.attrs) == (kind, attrs):
            last.children.append(leaf)
        else:
            found.append(Element(kind, attrs, [leaf]))
    return joined(found)


def _marks(marks: dict[str, Any]) -> dict[str, Any]:
    if not marks:
        return marks
    found = {key: value for key, value in marks.items() if key not in (TITLE, INLINE)}
    for ours, theirs in MARKS:
        if theirs in found:
            found[ours] = found.pop(theirs)
    if isinstance(found.get("link"), str):
        title = {"title": marks[TITLE]} if TITLE in marks else {}
        found["link"] = {"href": found["link"]} | title
    return found


def _embedded(node: Element) -> Element:
    """Return pictures and films as what they are; other values stay embedded."""
    value = node.attrs.get("value")
    attributes = node.attrs.get("attributes", {})
    if node.type == EMBED and isinstance(value, dict) and len(value) == 1:  # pyright: ignore[reportUnknownArgumentType]
        kind, source = next(iter(value.items()))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        if kind in ("image", "video") and isinstance(source, str) and "src" not in attributes:
            return Element(kind, {"src": source} | attributes, [], None, node)  # pyright: ignore[reportUnknownArgumentType]
    return Element(node.type, node.attrs, node.children, None, node)
