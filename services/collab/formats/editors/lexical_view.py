"""A document of Lexical as our blocks.

In `root` each element is a Y.XmlText with attributes such as `__type`. A text node is a Y.Map,
which says how the characters after it look; so is a line break. Decorators are Y.XmlElements.

What Lexical has no node for is kept in attributes that it ignores: `block` names the type of a
paragraph or quotation, `inline` that of a text node, which is `void` when its text only stands for
it, and `marks` those that have no bit.
"""

from typing import Any

from services.collab.formats import names
from services.collab.formats.layout import MAP
from services.collab.formats.tree import Element, Leaf, Node, elements, joined, text_of

TYPE, FORMAT, STYLE, MODE, DETAIL = "__type", "__format", "__style", "__mode", "__detail"
BLOCK, INLINE, MARKS = "block", "inline", "marks"
NODE = "node"
"""Mark under which the attributes of a text node of another type are shown."""
LINE = "lexical-line"
"""Type of the origin of a paragraph that is none in Lexical, such as the text of a list item."""
UNMERGEABLE = 2
"""Bit of `__detail` that keeps a text node apart from its neighbours."""
BITS = {
    name: 1 << at
    for at, name in enumerate(
        (
            "bold",
            "italic",
            "strikethrough",
            "underline",
            "code",
            "subscript",
            "superscript",
            "highlight",
            "lowercase",
            "uppercase",
            "capitalize",
        )
    )
}
HEADINGS = {f"h{level}": level for level in range(1, 7)}
LINKS = ("link", "autolink")
BETWEEN = "between"
"""The value of `block` for an empty paragraph that keeps two lists apart."""


def view(native: Element) -> Element:
    """Return the document *native* in our vocabulary."""
    return Element(None, {}, _blocks(native.children), None, native)


def kind(element: Element) -> str:
    """Return the type of a native element."""
    found = element.attrs.get(TYPE)
    return found if isinstance(found, str) else ""


def show(element: Element) -> Element:
    """Return the view of one native element."""
    match kind(element):
        case "":
            return view(element)
        case "listitem":
            return _item(element, tasks=False)
        case _:
            return block(element)


def _blocks(children: list[Node]) -> list[Node]:
    if _is_line(children):
        return [_line(children)] if children else []
    return [block(one) for one in elements(children) if not _is_between(one)]


def _is_between(element: Element) -> bool:
    return element.attrs.get(BLOCK) == BETWEEN and not element.children


def _is_line(children: list[Node]) -> bool:
    return not children or any(
        isinstance(one, Leaf) or one.type == MAP or kind(one) in LINKS for one in children
    )


def _line(children: list[Node]) -> Element:
    return Element(names.PARAGRAPH, {}, inline(children), None, Element(LINE, {}, list(children)))


def block(element: Element) -> Element:
    """Return the view of an element that stands where blocks do."""
    attrs = {key: value for key, value in element.attrs.items() if key[:2] != "__"}
    children: list[Node]
    match kind(element):
        case "paragraph":
            shown = names.PARAGRAPH
            children = inline(element.children)
        case "heading" if level := HEADINGS.get(str(element.attrs.get("__tag"))):
            shown = "heading"
            attrs["level"] = level
            children = inline(element.children)
        case "quote":
            shown = "quote"
            children = _blocks(element.children)
        case "list":
            return _list(element, attrs)
        case "code":
            shown = "code-block"
            if language := element.attrs.get("__language"):
                attrs["language"] = language
            children = _code(element.children)
        case "horizontalrule":
            shown, children = "divider", []
        case "table":
            shown, children = "table", _blocks(element.children)
        case "tablerow":
            shown, children = "table-row", _blocks(element.children)
        case "tablecell":
            shown, children = _cell(element, attrs), _blocks(element.children)
        case other:
            shown = other or element.type
            attrs = {key: value for key, value in element.attrs.items() if key != TYPE}
            line = _is_line(element.children)
            children = inline(element.children) if line else _blocks(element.children)
    if isinstance(named := attrs.get(BLOCK), str) and shown in (names.PARAGRAPH, "quote"):
        del attrs[BLOCK]
        shown = named
    return Element(shown, attrs, children, None, element)


def _cell(element: Element, attrs: dict[str, Any]) -> str:
    for ours, theirs in (("colspan", "__colSpan"), ("rowspan", "__rowSpan")):
        if element.attrs.get(theirs, 1) != 1:
            attrs[ours] = element.attrs[theirs]
    return "table-header" if element.attrs.get("__headerState") else "table-cell"


def _list(element: Element, attrs: dict[str, Any]) -> Element:
    list_type = element.attrs.get("__listType")
    tasks = list_type == "check"
    if list_type == "number":
        attrs["ordered"] = True
    if element.attrs.get("__start", 1) != 1:
        attrs["start"] = element.attrs["__start"]
    items: list[Node] = []
    for child in element.children:
        if isinstance(child, Leaf) or kind(child) != "listitem":
            items += _blocks([child])
            continue
        before = items[-1] if items else None
        if nests(child) and isinstance(before, Element):
            # A list within an item is beside it, in an item of its own.
            before.children += _blocks(child.children)
        else:
            items.append(_item(child, tasks=tasks))
    return Element("task-list" if tasks else "list", attrs, items, None, element)


def nests(item: Element) -> bool:
    """Whether a native list item is there only for the lists in it."""
    return bool(item.children) and all(
        isinstance(one, Element) and kind(one) == "list" for one in item.children
    )


def _item(item: Element, *, tasks: bool) -> Element:
    attrs = {key: value for key, value in item.attrs.items() if key[:2] != "__"}
    children = _blocks(item.children) or [_line([])]
    if tasks:
        attrs["checked"] = item.attrs.get("__checked") is True
    return Element("task-item" if tasks else names.LIST_ITEM, attrs, children, None, item)


def _code(children: list[Node]) -> list[Node]:
    found: list[Node] = []
    for node in inline(children):
        if isinstance(node, Leaf):
            # The colours of code are made from its text.
            found.append(Leaf(node.text))
        else:
            found.append(Leaf("\n") if node.type == names.HARD_BREAK else node)
    return joined(found)


def inline(children: list[Node]) -> list[Node]:
    """Return a line of text."""
    found: list[Node] = []
    look: dict[str, Any] = {}
    for child in children:
        if isinstance(child, Leaf):
            _add(_text(child, look), found)
        elif child.type == MAP and kind(child) == "linebreak":
            found.append(Element(names.HARD_BREAK, {}, [], None, child))
        elif child.type == MAP and kind(child):
            look = child.attrs
            continue
        elif kind(child) in LINKS:
            found += _link(child)
        else:
            found.append(block(child) if child.type != MAP else _kept(child))
        look = {}
    return joined(found)


def _add(node: Node, found: list[Node]) -> None:
    """Add *node*, which may go on with the element before it: each of its texts is a node."""
    last = found[-1] if found else None
    if (
        isinstance(node, Element)
        and node.children
        and isinstance(last, Element)
        and last.origin is None
        and (last.type, last.attrs) == (node.type, node.attrs)
    ):
        last.children += node.children
    else:
        found.append(node)


def _kept(element: Element) -> Element:
    return Element(element.type, element.attrs, element.children, None, element)


def _text(leaf: Leaf, look: dict[str, Any]) -> Node:
    held = look.get(INLINE)
    marks = marks_of(look) | leaf.marks
    if not isinstance(held, dict):
        return Leaf(leaf.text, marks)
    attrs: dict[str, Any] = {key: value for key, value in held.items() if key != "type"}  # pyright: ignore[reportUnknownVariableType]
    void = attrs.pop("void", False)
    return Element(str(held.get("type")), attrs, [] if void else [Leaf(leaf.text, marks)])  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]


def marks_of(look: dict[str, Any]) -> dict[str, Any]:
    """Return how a text node with the attributes *look* is marked."""
    if not look:
        return {}
    bits = look.get(FORMAT, 0)
    bits = bits if isinstance(bits, int) else 0
    found: dict[str, Any] = {name: True for name, bit in BITS.items() if bits & bit}
    if style := look.get(STYLE):
        found["style"] = style
    more = look.get(MARKS)
    node = {
        key: value
        for key, value in look.items()
        if key not in (FORMAT, STYLE, MARKS, INLINE) and value
    }
    if node.get(TYPE) == "text":
        del node[TYPE]
    if more or look.get(INLINE):
        node.pop(DETAIL, None)
    if node:
        found[NODE] = node
    return found | (more if isinstance(more, dict) else {})


def _link(element: Element) -> list[Node]:
    target = {"href": element.attrs.get("__url")}
    if title := element.attrs.get("__title"):
        target["title"] = title
    held = element.attrs.get(INLINE)
    if isinstance(held, dict) and isinstance(held.get("type"), str):  # pyright: ignore[reportUnknownMemberType]
        attrs: dict[str, Any] = dict(held)  # pyright: ignore[reportUnknownArgumentType]
        return [Element(attrs.pop("type"), attrs, [], None, element)]
    children = inline(element.children)
    if children and all(isinstance(one, Leaf) for one in children):
        return [Leaf(text_of(one), _linked(one, target)) for one in children]
    return [Element("link", target, children, None, element)]


def _linked(leaf: Node, target: dict[str, Any]) -> dict[str, Any]:
    assert isinstance(leaf, Leaf)
    return leaf.marks | {"link": target}
