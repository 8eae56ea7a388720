"""The editors that teams define for their projects; `editors` has those that are built in."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, PlainSerializer, TypeAdapter

from libs.contracts.editors import BuiltIn, EditorDefinition, EditorName
from libs.contracts.events.resources import Resource
from libs.contracts.values import JsonObject, Name
from libs.contracts.wire import Wire

_OBJECT = TypeAdapter[dict[str, Any]](JsonObject)


def _as_given(definition: EditorDefinition) -> dict[str, Any]:
    return definition.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _bounded(definition: EditorDefinition) -> EditorDefinition:
    _OBJECT.validate_python(_as_given(definition))
    return definition


def _own(name: str) -> str:
    if name.lower() in list(BuiltIn):
        raise ValueError("is the name of an editor that is built in")
    return name


Definition = Annotated[
    EditorDefinition,
    AfterValidator(_bounded),
    PlainSerializer(_as_given, return_type=dict[str, Any]),
]
"""A definition that is kept as it was given: with the names of JSON, without defaults."""
OwnName = Annotated[EditorName, AfterValidator(_own)]


class Editor(Resource):
    """An editor that a team defined for a project."""

    project_id: UUID
    name: str
    definition: EditorDefinition


class EditorCreate(Wire):
    """A new editor. Its name is unique in the project, without regard to case."""

    name: OwnName
    definition: Definition


class EditorPatch(Wire):
    """Fields to change. The name stays: scenes are written with the editor of that name.

    The version of a definition may be raised and never lowered or cleared.
    """

    definition: Definition = Field(
        default_factory=lambda: EditorDefinition(kind="text", root="content")
    )


class EditorFilter(Wire):
    """A filter for editors: every given member must match."""

    name: Name | None = None
    name_prefix: Name | None = None
    name_contains: Name | None = None
