"""Blocks: Slate JSON, `[{type, ...attributes, children: [{text, ...marks}, ...]}, ...]`."""

import json
from typing import Any

from services.collab.formats import names, parsing
from services.collab.formats.tree import BadContent, Element, Leaf, Node, is_inline, joined, marks


def parse(body: bytes) -> Element:
    """Read Slate JSON: an array of blocks, or an object whose `blocks` is one.

    The older shorthand `{"type": ..., "text": ...}` is a block with one leaf.

    Raises:
        BadContent: It is not.
    """
    found = parsing.load(body)
    place = "content"
    if isinstance(found, dict) and "blocks" in found:
        found, place = parsing.mapping(found, place)["blocks"], "content.blocks"
    return Element(None, {}, _nodes(found, place, top=True))


def seen(root: Element) -> Element:
    """Return *root* as one reads it back who is sent `blocks`."""
    return Element(None, {}, _nodes(blocks(root), "content", top=True))


def _nodes(value: Any, place: str, *, top: bool = False) -> list[Node]:
    return joined(
        _node(one, f"{place}[{at}]", top=top) for at, one in enumerate(parsing.array(value, place))
    )


def _node(value: Any, place: str, *, top: bool) -> Node:
    found = parsing.mapping(value, place)
    if "children" not in found and "text" not in found:
        if "type" not in found:
            raise BadContent("Has neither children nor text.", place)
        return _element(found, [], place)
    if "children" in found:
        return _element(found, _nodes(found["children"], f"{place}.children"), place)
    text = parsing.string(found["text"], f"{place}.text")
    if "type" in found and (top or found["type"] in names.SHORT):
        # Deeper a leaf may well have a mark that is called `type`.
        return _element(found, [Leaf(text)] if text else [], place, "text")
    return Leaf(text, marks(_attributes(found, place, ("text",))))


def _element(found: dict[str, Any], children: list[Node], place: str, more: str = "") -> Element:
    kind = found.get("type")
    if "type" in found:
        parsing.string(kind, f"{place}.type")
    return Element(kind, _attributes(found, place, ("type", "children", more)), children)


def _attributes(found: dict[str, Any], place: str, without: tuple[str, ...]) -> dict[str, Any]:
    return {
        parsing.string(key, place): parsing.sound(value, f"{place}.{key}")
        for key, value in found.items()
        if key not in without
    }


def render(root: Element) -> bytes:
    """Write *root* as Slate JSON."""
    return json.dumps(blocks(root), ensure_ascii=False, separators=(",", ":")).encode()


def blocks(root: Element) -> list[dict[str, Any]]:
    """Return *root* as Slate JSON values; the order of members is always the same."""
    return [_value(child) for child in root.children]


def _value(node: Node) -> dict[str, Any]:
    if isinstance(node, Leaf):
        return {"text": node.text} | {key: node.marks[key] for key in sorted(node.marks)}
    found: dict[str, Any] = {} if node.type is None else {"type": node.type}
    for key in sorted(node.attrs):
        if key not in ("children", "type"):
            found[key] = node.attrs[key]
    found["children"] = [_value(child) for child in _padded(node.children)]
    return found


def _padded(children: list[Node]) -> list[Node]:
    """Put empty leaves where Slate wants them: in an empty element and around inline ones."""
    if not children:
        return [Leaf("")]
    has_text = any(isinstance(child, Leaf) for child in children)
    if not has_text and not all(is_inline(child, names.INLINE) for child in children):
        return children
    found: list[Node] = []
    for child in children:
        if isinstance(child, Element) and not (found and isinstance(found[-1], Leaf)):
            found.append(Leaf(""))
        found.append(child)
    if isinstance(found[-1], Element):
        found.append(Leaf(""))
    return found
