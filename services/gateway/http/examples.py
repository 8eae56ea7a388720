"""Examples for the documentation: plausible values, found by the name of a field."""

import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeAliasType
from uuid import UUID

from pydantic import BaseModel

_ID = "0192f0c1-2f9a-7c3e-8f10-1a2b3c4d5e6f"
_TIME = "2026-03-14T09:26:53.589793Z"
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
    return {
        (key := field.alias or name): special.get(key) or _value(key, field.annotation)
        for name, field in model.model_fields.items()
    }


def _value(name: str, annotation: Any) -> Any:
    if name in _BY_NAME:
        return _BY_NAME[name]
    kind = _core(annotation)
    if typing.get_origin(kind) in (list, tuple, frozenset):
        return [_value(name, typing.get_args(kind)[0])]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return example(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind)).value
    if kind is UUID:
        return _ID
    samples: dict[Any, Any] = {int: 1, bool: True, str: "text"}
    return samples.get(kind, _TIME)


def _core(annotation: Any) -> Any:
    """Return the type below `Annotated`, aliases, and "or None"."""
    if isinstance(annotation, TypeAliasType):
        return _core(annotation.__value__)
    if typing.get_origin(annotation) is typing.Annotated:
        return _core(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return _core(typing.get_args(annotation)[0])
    return annotation
