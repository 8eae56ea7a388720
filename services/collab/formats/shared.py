"""Shared types where JSON is expected, in attributes and among embedded values, as their JSON.

The same state reads the same each time: members of a map are in the order of their names.
"""

from typing import Any

from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from services.collab.formats.tree import number

type Holder = XmlText | XmlElement | Map[Any]

_JSON = (str, bool, int, float, dict, list, tuple, bytes, type(None))


def attribute(holder: Holder, value: Any) -> Any:
    """Return *value*, read from an attribute of *holder*, as JSON in normal form."""
    return number(value if isinstance(value, _JSON) else as_json(_typed(holder, value)))


def inside(holder: Holder, key: str) -> Any:
    """Return the shared type in attribute *key* of *holder*; None when plain JSON is there."""
    value = holder.get(key) if isinstance(holder, Map) else holder.attributes.get(key)
    return None if isinstance(value, _JSON) else _typed(holder, value)


def members(value: Map[Any]) -> dict[str, Any]:
    """Return what *value* holds, as JSON in normal form."""
    return {key: number(as_json(value[key])) for key in sorted(value.keys())}


def as_json(value: Any) -> Any:
    """Return *value*, JSON or a shared type, as JSON; a subdocument is its identifier."""
    match value:
        case Map():
            return {key: as_json(value[key]) for key in sorted(value.keys())}  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        case Array():
            return [as_json(inner) for inner in value]  # pyright: ignore[reportUnknownVariableType]
        case Text() | XmlText():
            return _text(value)
        case XmlElement():
            return _named(value) | {"type": value.tag, "children": _children(value)}
        case XmlFragment():
            return _children(value)
        case Doc():
            return value.guid  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        case _:
            return value


def _text(text: Text | XmlText) -> Any:
    """A text reads as its characters; one that has elements or attributes, as an element."""
    pieces = text.diff()
    attributes = _named(text) if isinstance(text, XmlText) else {}
    if not attributes and all(isinstance(value, str) for value, _ in pieces):
        return "".join(value for value, _ in pieces)
    return attributes | {
        "children": [
            {"text": value} | (marks or {}) if isinstance(value, str) else as_json(value)
            for value, marks in pieces
        ]
    }


def _named(element: XmlText | XmlElement) -> dict[str, Any]:
    found: Any = element.attributes
    return {key: attribute(element, value) for key, value in sorted(found, key=_name)}


def _name(entry: tuple[str, Any]) -> str:
    return entry[0]


def _children(parent: XmlFragment | XmlElement) -> list[Any]:
    return [as_json(child) for child in parent.children]


def _typed(holder: Holder, value: Any) -> Any:
    # Attributes come as the inner types of pycrdt; only its base class knows the outer ones.
    return holder._maybe_as_type_or_doc(value)  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001
