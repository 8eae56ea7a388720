"""Examples for the documentation: plausible values, found by the name of a field."""

import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any, TypeAliasType
from uuid import UUID

from pydantic import BaseModel

_ID = "0192f0c1-2f9a-7c3e-8f10-1a2b3c4d5e6f"
_TIME = "2026-03-14T09:26:53.589793Z"
_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_SHA256 = re.compile(r"\^?\[0-9a-f\]\{64\}\$?")
_BY_NAME: dict[str, Any] = {
    "email": "mary@example.org",
    "password": "correct horse battery",
    "displayName": "Mary",
    "name": "Frankenstein",
    "slug": "frankenstein",
    "title": "The letter",
    "kind": "novel",
    "role": "WRITER",
    "summary": "Walton writes home from the ice.",
    "scopes": ["read", "write"],
    "token": "scp_...",
    "accessToken": "eyJ...",
    "refreshToken": "kq3...",
    "expiresIn": 900,
    "version": 3,
    "baseVersion": 3,
    "wordCount": 1816,
    "schemaVersion": 3,
    "index": 0,
    "editor": "tiptap",
    "format": "text",
    "content": "It was a dark and stormy night.",
    "stateVector": "AcLJ...",
    "baseStateVector": "AcLJ...",
    "nextCursor": None,
    "deletedAt": None,
    "deletedBy": None,
    "lastUsedAt": None,
    "seq": 42,
    "changed": True,
    "everywhere": False,
    "status": "DRAFT",
    "pov": "FIRST",
    "tense": "PAST",
    "type": "character",
    "aliases": ["The Creature"],
    "traits": {"height": "eight feet", "eyes": "yellow"},
    "description": "Made, not born, and alone.",
    "preview": None,
    "file": None,
    "task": None,
    "arc": "From wonder to revenge.",
    "goals": ["To be loved"],
    "motivation": "Loneliness.",
    "conflict": "His maker will not own him.",
    "colour": "#8a2be2",
    "note": "Since the night of the storm.",
    "notes": "Only his hand is seen.",
    "fact": "Victor made the creature.",
    "revealState": "REVEALED",
    "confidence": 0.95,
    "snippet": "I collected the instruments of life around me.",
    "guide": {"spelling": "British", "chapters": "open on a place"},
    "prompt": "Write as a ship's captain of 1799 would.",
    "ragK": 8,
    "maxInputTokens": 16000,
    "modelProfileRef": "house-default",
    "constraints": {"maxWords": 400},
    "sceneTitle": "The letter",
}


_BY_MODEL: Mapping[str, Mapping[str, Any]] = {
    "Relation": {"type": "contains"},
    "RelationCreate": {"type": "contains"},
    "Witness": {"name": "Victor", "role": "POV"},
    "StoryFields": {"role": "antagonist"},
    "Appearance": {"role": "SPEAKING"},
    "AppearanceCreate": {"role": "SPEAKING"},
    "AppearanceChange": {"role": "SPEAKING"},
    "SceneAppearance": {"role": "SPEAKING"},
    **{
        f"{kind}{form}": {"name": name}
        for kind, name in (
            ("Entity", "The creature"),
            ("Tag", "needs research"),
            ("Persona", "Captain Walton"),
            ("StyleGuide", "House style"),
            ("ContextRule", "Chapter and canon"),
            ("PromptPreset", "Describe a storm"),
        )
        for form in ("", "Create", "Change")
    },
}
"""Values of fields that mean something else in these models."""


def example(model: type[BaseModel]) -> dict[str, Any]:
    """Return an example of *model* as JSON."""
    special = _BY_MODEL.get(model.__name__, {})
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        shape = _shape_of(field.annotation, field.metadata)
        found[key] = special[key] if key in special else _value(key, shape)
    return found


@dataclass(frozen=True, slots=True)
class _Shape:
    """The values of a field: its type without "or None", whether None, and a pattern of texts."""

    kind: Any
    optional: bool
    pattern: str | None


def _shape_of(annotation: Any, metadata: Iterable[Any] = ()) -> _Shape:
    """Return the shape below `Annotated`, aliases and "or None"."""
    # A `Field(...)` in a type keeps its rules a level below.
    rules = [rule for each in metadata for rule in (each, *getattr(each, "metadata", ()))]
    pattern = next((rule.pattern for rule in rules if getattr(rule, "pattern", None)), None)
    if isinstance(annotation, TypeAliasType):
        return _shape_of(annotation.__value__, metadata)
    if typing.get_origin(annotation) is typing.Annotated:
        inner, *more = typing.get_args(annotation)
        return _shape_of(inner, [*more, *metadata])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        options = [each for each in typing.get_args(annotation) if each is not types.NoneType]
        first = _shape_of(options[0], metadata)
        optional = len(options) < len(typing.get_args(annotation))
        return replace(first, optional=first.optional or optional)
    return _Shape(annotation, optional=False, pattern=pattern)


def _value(name: str, shape: _Shape) -> Any:
    kind, origin = shape.kind, typing.get_origin(shape.kind)
    if name in _BY_NAME and _fits(_BY_NAME[name], shape):
        return _BY_NAME[name]
    if origin is tuple and Ellipsis not in typing.get_args(kind):
        return [_value(name, _shape_of(each)) for each in typing.get_args(kind)]
    if origin in (list, tuple, frozenset, set):
        return [_value(name, _shape_of(typing.get_args(kind)[0]))]
    if origin is dict or kind is dict:
        return {}
    if origin is typing.Literal:
        return typing.get_args(kind)[0]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return example(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind)).value
    if shape.pattern and _SHA256.fullmatch(shape.pattern):
        return _DIGEST
    samples: dict[Any, Any] = {
        UUID: _ID,
        datetime: _TIME,
        int: 1,
        float: 0.5,
        bool: True,
        str: "text",
    }
    return samples.get(kind)


def _fits(value: Any, shape: _Shape) -> bool:
    """Whether a value that is plausible for a name may be held by this field of that name."""
    kind, origin = shape.kind, typing.get_origin(shape.kind)
    if value is None:
        return shape.optional
    if origin is typing.Literal:
        return value in typing.get_args(kind)
    if origin in (list, tuple, frozenset, set):
        return isinstance(value, list)
    if kind in (str, bytes):
        return isinstance(value, str) and bool(re.search(shape.pattern or "", value))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return value in [each.value for each in kind]
    if kind in (int, bool, float):
        return type(value) is kind
    return origin is dict and isinstance(value, dict)
