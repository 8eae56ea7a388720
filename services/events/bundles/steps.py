"""Operations, read: what each is about, its values validated, and which permission it needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic.alias_generators import to_camel

from libs import errors
from libs.contracts.events.bundles import (
    CreateOne,
    DeleteOne,
    MoveOne,
    OneOperation,
    RestoreOne,
    SetField,
)
from libs.contracts.events.resources import INDEX_MAX
from libs.postgres import own_id
from services.events.model.aggregate import Aggregate
from services.events.model.aggregates import AGGREGATES, PROJECT
from services.events.model.refusal import refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What all steps have: the aggregate, and the version that it must have before the bundle."""

    about: Aggregate
    id: UUID
    expected: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Set(Step):
    """Give fields values, both as events hold them.

    Args:
        values: The new ones.
        olds: What is said to have been there; empty when nothing is said.
        base: The version that the author had seen.
        exact: Whether these values win over what would follow from them.
    """

    values: dict[str, Any]
    olds: dict[str, Any] = field(default_factory=dict[str, Any])
    base: int | None = None
    exact: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Create(Step):
    """Begin an aggregate with all its fields; *again* when one that is gone comes back."""

    fields: dict[str, Any]
    parent_id: UUID | None
    index: int
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(Step):
    """Delete."""

    base: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore(Step):
    """Bring back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move(Step):
    """Put elsewhere; *rank* is the place itself, when it is one that was left before."""

    parent_id: UUID | None
    index: int
    rank: str | None = None


_OWN = ("op", "path", "aggregate.kind", "parentId")
_DEEDS: dict[type[Step], str] = {
    Set: "update",
    Create: "create",
    Delete: "delete",
    Restore: "restore",
    Move: "reorder",
}


def permission_of(step: Step) -> str:
    """Return the permission that a step needs."""
    return f"{step.about.kind}.{_DEEDS[type(step)]}"


def _taking_back(step: Step) -> str:
    deed = "delete" if isinstance(step, Restore) else _DEEDS[type(step)]
    return f"{step.about.kind}.{deed}"


def require_permitted(
    steps: Iterable[Step], may: frozenset[str], own: frozenset[UUID] = frozenset()
) -> None:
    """Return when the actor may do all of it.

    Args:
        steps: What is to be done.
        may: What they may do.
        own: What they deleted themselves: who may delete may take that back.

    Raises:
        errors.Forbidden: They may not.
    """
    needs = (_taking_back(step) if step.id in own else permission_of(step) for step in steps)
    for needed in dict.fromkeys(needs):
        if needed not in may:
            raise errors.Forbidden(f"Your role does not allow {needed}.", action=needed)


def read(operations: Sequence[OneOperation], project_id: UUID, *, at: str) -> list[Step]:
    """Return operations as steps.

    Args:
        operations: What was sent.
        project_id: Where.
        at: When, as JSON.

    Raises:
        errors.Invalid: One is about an unknown kind or field, has a wrong value, or cannot be
            done by a bundle; the field is named with the operation's number, from 0.
    """
    steps: list[Step] = []
    for number, operation in enumerate(operations):
        try:
            steps.append(_step(operation, project_id, at))
        except errors.Invalid as error:
            raise _placed(error, number, operation) from None
    return steps


def _step(operation: OneOperation, project_id: UUID, at: str) -> Step:
    about = _about(operation)
    target = own_id(operation.aggregate.id)
    expected = operation.expected_version
    match operation:
        case SetField():
            values = about.wanted(_nested(about, operation.path, operation.value))
            given = "old_value" in operation.model_fields_set
            return Set(
                about=about,
                id=target,
                expected=expected,
                values=values,
                olds=_olds(about, operation, values) if given else {},
                base=operation.base_version,
            )
        case CreateOne():
            return Create(
                about=about,
                id=target,
                expected=expected,
                fields=about.initial(operation.fields, at=at),
                parent_id=_parent(about, operation.parent_id, project_id),
                index=INDEX_MAX if operation.index is None else operation.index,
            )
        case DeleteOne():
            return Delete(about=about, id=target, expected=expected, base=operation.base_version)
        case RestoreOne():
            if not about.lasting:
                raise refused("op", f"a {about.kind} that was removed is gone")
            return Restore(about=about, id=target, expected=expected)
        case MoveOne():
            if about.parent is None or not about.ordered:
                raise refused("op", f"a {about.kind} has no place to move from")
            return Move(
                about=about,
                id=target,
                expected=expected,
                parent_id=operation.parent_id,
                index=operation.index,
            )
        case _:
            raise refused("op", "is not known")


def _about(operation: OneOperation) -> Aggregate:
    about = AGGREGATES.get(operation.aggregate.kind)
    if about is None:
        raise errors.Unknown(
            "aggregate.kind: is not known",
            errors=[{"field": "aggregate.kind", "detail": "is not known"}],
        )
    if about is PROJECT and not isinstance(operation, SetField):
        raise refused("op", "a project is created, deleted and restored by itself")
    if about.parent is None and about is not PROJECT:
        raise refused("aggregate.kind", f"a {about.kind} is not changed by bundles")
    return about


def _parent(about: Aggregate, given: UUID | None, project_id: UUID) -> UUID | None:
    if about.parent is None:
        return None
    if about.parent == PROJECT.kind:
        given = given or project_id
    if given is None:
        raise refused("parentId", "is required")
    return own_id(given)


def _nested(about: Aggregate, path: str, value: Any) -> dict[str, Any]:
    """Return what a change of *path* says: `task.status` is a member of the part `task`.

    Raises:
        errors.Invalid: The path leads into a field that is one value, such as free JSON: taken as
            a change of that field it would replace all of it.
    """
    first, dot, rest = path.partition(".")
    if not dot:
        return {first: value}
    if _is_one_value(about, first):
        raise refused("path", f"{first} is one value: set it whole, {path} is no field")
    return {first: {rest: value}}


def _is_one_value(about: Aggregate, name: str) -> bool:
    """Return whether a name, as clients may write it, is a field without members of its own."""
    parts = {part.name for part in about.parts}
    fields = about.patch.model_fields if about.patch else ()
    return any(name in (own, to_camel(own)) for own in fields if own not in parts)


def _olds(about: Aggregate, operation: SetField, values: dict[str, Any]) -> dict[str, Any]:
    if operation.old_value is None:
        return dict.fromkeys(values)
    try:
        # Read like the new one, so that two spellings of a time are the same time.
        olds = about.wanted(_nested(about, operation.path, operation.old_value))
    except errors.Invalid:
        # What no field can hold is not there.
        olds = dict.fromkeys(values, operation.old_value)
    return {name: olds.get(name) for name in values}


def _placed(error: errors.Invalid, number: int, operation: OneOperation) -> errors.Invalid:
    """Return a refusal with its fields named from the whole request."""
    where = f"operations.{number}"
    problems = [
        each | {"field": f"{where}.{_within(operation, error, each['field'])}"}
        for each in error.data.get("errors", [{"field": "op", "detail": error.detail}])
    ]
    first = problems[0]
    return type(error)(f"{first['field']}: {first['detail']}", errors=problems)


def _within(operation: OneOperation, error: errors.Invalid, field: str) -> str:
    match operation:
        case SetField() if field not in _OWN:
            return "path" if isinstance(error, errors.Unknown) else "value"
        case CreateOne() if field not in _OWN:
            return f"fields.{field}"
        case _:
            return field


def references_of(steps: Iterable[Step]) -> dict[UUID, str]:
    """Return what steps refer to, besides what they are about: ids and their kinds."""
    found: dict[UUID, str] = {}
    for step in steps:
        fields = _fields_of(step)
        for name, kind in step.about.references.items():
            if fields.get(name) is not None and kind in AGGREGATES:
                found[UUID(fields[name])] = kind
    return found


def names_in(steps: Iterable[Step]) -> dict[str, set[str]]:
    """Return what steps call by its name, by kind."""
    found: dict[str, set[str]] = {}
    for step in steps:
        for _, kind, name in step.about.names_in(_fields_of(step)):
            found.setdefault(kind, set()).add(name)
    return found


def _fields_of(step: Step) -> Mapping[str, Any]:
    match step:
        case Create():
            return step.fields
        case Set():
            return step.values
        case _:
            return {}


def snake_of(about: Aggregate, name: str) -> str | None:
    """Return an aggregate's own name of a field as clients write it; None when it has none."""
    return next((own for own in about.fields if to_camel(own) == name), None)
