"""A document of Plate as our blocks.

Plate is Slate with names of its own. Lists come in two forms: today's, paragraphs that have
`indent` and `listStyleType`, and the classic one of `ul`, `ol`, `li` and `lic`. `inItem`, an
indent, marks a block that belongs to the list item before it; the mark `inline` keeps an element of
a line which Plate has no plugin for.
"""

from typing import Any

from services.collab.formats import names
from services.collab.formats.tree import Element, Leaf, Node, elements, joined, text_of

INDENT, STYLE, START, RESTART, POLITE, CHECKED = (
    "indent",
    "listStyleType",
    "listStart",
    "listRestart",
    "listRestartPolite",
    "checked",
)
IN_ITEM, INLINE = "inItem", "inline"
LINE = "plate-line"
"""Type of the origin of what shows the content of a list item, which is no element of its own."""
TODO, BULLET, NUMBER = "todo", "disc", "decimal"
BULLETS = (BULLET, "circle", "square", "disclosure-open", "disclosure-closed")
HEADINGS = {f"h{level}": level for level in range(1, 7)}
NAMES = {
    "p": names.PARAGRAPH,
    "blockquote": "quote",
    "code_block": "code-block",
    "hr": "divider",
    "img": "image",
    "tr": "table-row",
    "td": "table-cell",
    "th": "table-header",
    "lic": names.PARAGRAPH,
    "li": names.LIST_ITEM,
    "ul": "list",
    "ol": "list",
    "taskList": "task-list",
}
ATTRIBUTES = {
    "img": (("url", "src"),),
    "td": (("colSpan", "colspan"), ("rowSpan", "rowspan")),
    "th": (("colSpan", "colspan"), ("rowSpan", "rowspan")),
    "code_block": (("lang", "language"),),
}
"""By type: attributes that are called otherwise, theirs and ours."""


def view(native: Element) -> Element:
    """Return the document *native* in our vocabulary."""
    return Element(None, {}, _children(native), None, native)


def show(element: Element) -> Element:
    """Return the view of one native element, without what it is as an item of a list."""
    return view(element) if element.type is None and not element.attrs else block(element)


def is_item(node: Node) -> bool:
    """Whether *node* is an item of a list of today's form."""
    return (
        isinstance(node, Element)
        and isinstance(node.attrs.get(STYLE), str)
        and isinstance(node.attrs.get(INDENT), int)
    )


def _children(element: Element) -> list[Node]:
    if not any(is_item(one) for one in element.children):
        return inline(element.children)
    found: list[Node] = []
    open_lists: list[tuple[int, Element]] = []
    for child in element.children:
        if isinstance(child, Element) and is_item(child):
            _add_item(child, open_lists, found)
        elif isinstance(child, Element) and IN_ITEM in child.attrs and open_lists:
            _continue(child, open_lists)
        else:
            open_lists.clear()
            found += inline([child])
    return found


def _add_item(child: Element, open_lists: list[tuple[int, Element]], found: list[Node]) -> None:
    depth = child.attrs[INDENT]
    style = child.attrs[STYLE]
    while open_lists and open_lists[-1][0] > depth:
        open_lists.pop()
    if open_lists and open_lists[-1][0] == depth:
        before = open_lists[-1][1].children[-1]
        same = isinstance(before, Element) and before.origin and before.origin.attrs.get(STYLE)
        if same != style or RESTART in child.attrs:
            open_lists.pop()
    if not open_lists or open_lists[-1][0] < depth:
        made = _list(child, style)
        into = found
        if open_lists:
            item = open_lists[-1][1].children[-1]
            assert isinstance(item, Element)
            into = item.children
        into.append(made)
        open_lists.append((depth, made))
    holder = open_lists[-1][1]
    assert holder.origin is not None
    holder.origin.children.append(child)
    attrs: dict[str, Any] = {}
    if style == TODO:
        attrs[CHECKED] = child.attrs.get(CHECKED) is True
    if depth != len(open_lists):
        attrs[INDENT] = depth
    kind = "task-item" if style == TODO else names.LIST_ITEM
    hidden = (INDENT, STYLE, START, RESTART, POLITE, *([CHECKED] if style == TODO else []))
    holder.children.append(Element(kind, attrs, [_content(child, *hidden)], None, child))


def _list(child: Element, style: str) -> Element:
    attrs: dict[str, Any] = {}
    if style not in (TODO, *BULLETS):
        attrs["ordered"] = True
        if (start := child.attrs.get(START, 1)) != 1:
            attrs["start"] = start
    if style not in (TODO, BULLET, NUMBER):
        attrs[STYLE] = style
    return Element("task-list" if style == TODO else "list", attrs, [], None, Element(LINE))


def _content(child: Element, *hidden: str) -> Element:
    """Return what an item holds, without what makes it one."""
    attrs = {key: value for key, value in child.attrs.items() if key not in hidden}
    found = block(Element(child.type, attrs, child.children))
    found.origin = Element(LINE, child.attrs, child.children)
    return found


def _continue(child: Element, open_lists: list[tuple[int, Element]]) -> None:
    depth = child.attrs[IN_ITEM]
    while len(open_lists) > 1 and isinstance(depth, int) and open_lists[-1][0] > depth:
        open_lists.pop()
    item = open_lists[-1][1].children[-1]
    assert isinstance(item, Element)
    item.children.append(_content(child, INDENT, IN_ITEM))


def block(element: Element) -> Element:
    """Return the view of an element."""
    kind = element.type or ""
    attrs = dict(element.attrs)
    for theirs, ours in ATTRIBUTES.get(kind, ()):
        if theirs in attrs and ours not in attrs:
            attrs[ours] = attrs.pop(theirs)
    if kind in HEADINGS and "level" not in attrs:
        return Element(
            "heading", attrs | {"level": HEADINGS[kind]}, _children(element), None, element
        )
    match kind:
        case "code_block" if all(one.type == "code_line" for one in elements(element.children)):
            return Element("code-block", attrs, _code(element.children), None, element)
        case "ol":
            attrs["ordered"] = True
        case "taskList":
            return _tasks(element, attrs)
        case "action_item":
            checked = {CHECKED: attrs.pop(CHECKED, False) is True}
            content = Element(names.PARAGRAPH, attrs, inline(element.children))
            content.origin = Element(LINE, element.attrs, element.children)
            item = Element("task-item", checked, [content], None, element)
            return Element("task-list", {}, [item], None, Element(LINE, {}, [element]))
        case _:
            pass
    return Element(NAMES.get(kind, element.type), attrs, _children(element), None, element)


def _tasks(element: Element, attrs: dict[str, Any]) -> Element:
    items = _children(element)
    for item in elements(items):
        if item.type == names.LIST_ITEM:
            item.type = "task-item"
            item.attrs[CHECKED] = item.attrs.get(CHECKED) is True
    return Element("task-list", attrs, items, None, element)


def _code(rows: list[Node]) -> list[Node]:
    found: list[Node] = []
    for at, row in enumerate(rows):
        found += [
            *([Leaf("\n")] if at else []),
            *([row] if isinstance(row, Leaf) else row.children),
        ]
    return joined(found)


def inline(children: list[Node]) -> list[Node]:
    """Return children that are no items: a line of text, or other blocks."""
    found: list[Node] = []
    for child in children:
        if isinstance(child, Leaf):
            _add(child, found)
        elif child.type == "a" and isinstance(child.attrs.get("url"), str) and _only_text(child):
            target = {"href" if key == "url" else key: value for key, value in child.attrs.items()}
            found += [Leaf(text_of(one), _marks(one) | {"link": target}) for one in child.children]
        elif child.type == "a":
            found.append(Element("link", child.attrs, inline(child.children), None, child))
        else:
            found.append(block(child))
    return joined(found)


def _only_text(link: Element) -> bool:
    return bool(link.children) and all(isinstance(one, Leaf) for one in link.children)


def _marks(node: Node) -> dict[str, Any]:
    return node.marks if isinstance(node, Leaf) else {}


def _add(leaf: Leaf, found: list[Node]) -> None:
    held = leaf.marks.get(INLINE)
    if not isinstance(held, dict) or not isinstance(held.get("type"), str):  # pyright: ignore[reportUnknownMemberType]
        found.append(leaf)
        return
    attrs: dict[str, Any] = dict(held)  # pyright: ignore[reportUnknownArgumentType]
    kind = attrs.pop("type")
    inner = Leaf(leaf.text, {key: value for key, value in leaf.marks.items() if key != INLINE})
    last = found[-1] if found else None
    if (
        isinstance(last, Element)
        and last.origin is None
        and (last.type, last.attrs) == (kind, attrs)
    ):
        last.children.append(inner)
    else:
        found.append(Element(kind, attrs, [inner]))
