"""ProseMirror and Tiptap JSON: `{type: "doc", content: [{type, attrs, content, text, marks}]}`."""

import base64
import hashlib
import json
import re
from typing import Any

from services.collab.formats import parsing
from services.collab.formats.tree import BadContent, Element, Leaf, Node, joined, marks

DOC = "doc"

_HASHED = re.compile(r"(.*)(--[A-Za-z0-9+/=]{8})$", re.DOTALL)
"""How y-prosemirror names a mark that may overlap others of its own type."""


def parse(body: bytes) -> Element:
    """Read a document, or an array of its nodes, under Tiptap's names.

    Raises:
        BadContent: It is none.
    """
    found = parsing.load(body)
    if isinstance(found, list):
        return Element(None, {}, _nodes(parsing.array(found, "content"), "content"))
    doc = parsing.mapping(found, "content")
    if doc.get("type") != DOC:
        raise BadContent('The outermost node must be {"type":"doc"}.', "content.type")
    return Element(None, {}, _nodes(doc.get("content") or [], "content.content"))


def seen(root: Element) -> Element:
    """Return *root* as one reads it back who is sent what `render` writes."""
    return Element(None, {}, _nodes([_value(child) for child in root.children], "content"))


def _nodes(value: Any, place: str) -> list[Node]:
    return joined(
        _node(one, f"{place}[{at}]") for at, one in enumerate(parsing.array(value, place))
    )


def _node(value: Any, place: str) -> Node:
    found = parsing.mapping(value, place)
    kind = parsing.string(found.get("type"), f"{place}.type")
    if kind == "text":
        text = parsing.string(found.get("text"), f"{place}.text")
        given = parsing.array(found.get("marks") or [], f"{place}.marks")
        return Leaf(text, marks(_marks(given, f"{place}.marks")))
    if not kind:
        raise BadContent("Must not be empty.", f"{place}.type")
    attrs = parsing.mapping(found.get("attrs") or {}, f"{place}.attrs")
    parsing.sound(attrs, f"{place}.attrs")
    return Element(kind, dict(attrs), _nodes(found.get("content") or [], f"{place}.content"))


def _marks(values: list[Any], place: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for at, value in enumerate(values):
        mark = parsing.mapping(value, f"{place}[{at}]")
        name = parsing.string(mark.get("type"), f"{place}[{at}].type")
        attrs = parsing.mapping(mark.get("attrs") or {}, f"{place}[{at}].attrs")
        parsing.sound(attrs, f"{place}[{at}].attrs")
        if name in found:
            # Several of one type, as comments may be: told apart by a hash, as y-prosemirror does.
            digest = hashlib.sha256(json.dumps(attrs, sort_keys=True).encode()).digest()
            name = f"{name}--{base64.b64encode(digest[:6]).decode()}"
        found[name] = attrs
    return found


def render(root: Element) -> bytes:
    """Write *root*, whose names are Tiptap's, as a document."""
    found = {"type": DOC, "content": [_value(child) for child in root.children]}
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()


def _value(node: Node) -> dict[str, Any]:
    if isinstance(node, Leaf):
        found: dict[str, Any] = {"type": "text", "text": node.text}
        if node.marks:
            found["marks"] = [_mark(name, node.marks[name]) for name in sorted(node.marks)]
        return found
    found = {"type": node.type or "unknown"}
    if node.attrs:
        found["attrs"] = {key: node.attrs[key] for key in sorted(node.attrs)}
    if node.children:
        found["content"] = [_value(child) for child in node.children]
    return found


def _mark(name: str, value: Any) -> dict[str, Any]:
    hashed = _HASHED.match(name)
    found: dict[str, Any] = {"type": hashed[1] if hashed else name}
    if isinstance(value, dict):
        if value:
            found["attrs"] = value
    elif value is not True:
        found["attrs"] = {"value": value}
    return found
