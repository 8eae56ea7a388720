"""Operations as steps: the aggregate, the validated values, and the permission that is needed."""

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
from services.events.model.aggregate import AggregateSpec
from services.events.model.aggregates import AGGREGATES, PROJECT
from services.events.model.refusal import field_refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The common part of all steps: the aggregate, and its expected version before the bundle."""

    spec: AggregateSpec
    id: UUID
    expected: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStep(Step):
    """Set fields; values are as events hold them.

    Args:
        values: The new values.
        olds: The values before, as the author saw them; empty when they are not given.
        base: The version that the author had seen.
        exact: Whether these values win over the consequences of the change.
    """

    values: dict[str, Any]
    olds: dict[str, Any] = field(default_factory=dict[str, Any])
    base: int | None = None
    exact: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateStep(Step):
    """Create an aggregate with all its fields; *again* when a removed one is created again."""

    fields: dict[str, Any]
    parent_id: UUID | None
    index: int
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteStep(Step):
    """Delete an aggregate."""

    base: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreStep(Step):
    """Restore a deleted aggregate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveStep(Step):
    """Move an aggregate; *rank* is the exact place, when it had that place before."""

    parent_id: UUID | None
    index: int
    rank: str | None = None


_OWN = ("op", "path", "aggregate.kind", "parentId")
_DEEDS: dict[type[Step], str] = {
    SetStep: "update",
    CreateStep: "create",
    DeleteStep: "delete",
    RestoreStep: "restore",
    MoveStep: "reorder",
}


def permission_of(step: Step) -> str:
    """Return the permission that a step needs."""
    return f"{step.spec.kind}.{_DEEDS[type(step)]}"


def _taking_back(step: Step) -> str:
    deed = "delete" if isinstance(step, RestoreStep) else _DEEDS[type(step)]
    return f"{step.spec.kind}.{deed}"


def require_permitted(
    steps: Iterable[Step], may: frozenset[str], own: frozenset[UUID] = frozenset()
) -> None:
    """Return when the actor may do all steps.

    Args:
        steps: The steps.
        may: The permissions of the actor.
        own: Aggregates that the actor deleted: the permission to delete suffices to restore them.

    Raises:
        errors.Forbidden: A permission is missing; `action` names it.
    """
    needs = (_taking_back(step) if step.id in own else permission_of(step) for step in steps)
    for needed in dict.fromkeys(needs):
        if needed not in may:
            raise errors.Forbidden(f"Your role does not allow {needed}.", action=needed)


def parse_operations(
    operations: Sequence[OneOperation], project_id: UUID, *, at: str
) -> list[Step]:
    """Return operations as steps.

    Args:
        operations: The operations that were sent.
        project_id: The project.
        at: When, as JSON.

    Raises:
        errors.Invalid: An operation has an unknown kind or field, a wrong value, or cannot be
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
    spec = _spec_of(operation)
    target = own_id(operation.aggregate.id)
    expected = operation.expected_version
    match operation:
        case SetField():
            values = spec.wanted(_nested(spec, operation.path, operation.value))
            given = "old_value" in operation.model_fields_set
            return SetStep(
                spec=spec,
                id=target,
                expected=expected,
                values=values,
                olds=_olds(spec, operation, values) if given else {},
                base=operation.base_version,
            )
        case CreateOne():
            return CreateStep(
                spec=spec,
                id=target,
                expected=expected,
                fields=spec.initial(operation.fields, at=at),
                parent_id=_parent(spec, operation.parent_id, project_id),
                index=INDEX_MAX if operation.index is None else operation.index,
            )
        case DeleteOne():
            return DeleteStep(spec=spec, id=target, expected=expected, base=operation.base_version)
        case RestoreOne():
            if not spec.keeps_deleted:
                raise field_refusal("op", f"a removed {spec.kind} cannot be restored")
            return RestoreStep(spec=spec, id=target, expected=expected)
        case MoveOne():
            if spec.parent is None or not spec.ordered:
                raise field_refusal("op", f"a {spec.kind} has no order and cannot be moved")
            return MoveStep(
                spec=spec,
                id=target,
                expected=expected,
                parent_id=operation.parent_id,
                index=operation.index,
            )
        case _:
            raise field_refusal("op", "is not known")


def _spec_of(operation: OneOperation) -> AggregateSpec:
    spec = AGGREGATES.get(operation.aggregate.kind)
    if spec is None:
        raise errors.Unknown(
            "aggregate.kind: is not known",
            errors=[{"field": "aggregate.kind", "detail": "is not known"}],
        )
    if spec is PROJECT and not isinstance(operation, SetField):
        raise field_refusal("op", "a project cannot be created, deleted or restored by a bundle")
    if spec.parent is None and spec is not PROJECT:
        raise field_refusal("aggregate.kind", f"a {spec.kind} cannot be changed by a bundle")
    return spec


def _parent(spec: AggregateSpec, given: UUID | None, project_id: UUID) -> UUID | None:
    if spec.parent is None:
        return None
    if spec.parent == PROJECT.kind:
        given = given or project_id
    if given is None:
        raise field_refusal("parentId", "is required")
    return own_id(given)


def _nested(spec: AggregateSpec, path: str, value: Any) -> dict[str, Any]:
    """Return the fields that a change of *path* sets: `task.status` is `status` of the part `task`.

    Raises:
        errors.Invalid: The path leads into a field that is one value, such as free JSON: taken as
            a change of that field it would replace all of it.
    """
    first, dot, rest = path.partition(".")
    if not dot:
        return {first: value}
    if _is_one_value(spec, first):
        raise field_refusal(
            "path", f"{first} is a single value; set {first} as a whole instead of {path}"
        )
    return {first: {rest: value}}


def _is_one_value(spec: AggregateSpec, name: str) -> bool:
    """Return whether the name of a field, as clients may write it, has no members of its own."""
    parts = {part.name for part in spec.parts}
    fields = spec.patch.model_fields if spec.patch else ()
    return any(name in (own, to_camel(own)) for own in fields if own not in parts)


def _olds(spec: AggregateSpec, operation: SetField, values: dict[str, Any]) -> dict[str, Any]:
    if operation.old_value is None:
        return dict.fromkeys(values)
    try:
        # Parsed like the new value, so that two spellings of a time are the same time.
        olds = spec.wanted(_nested(spec, operation.path, operation.old_value))
    except errors.Invalid:
        # A value that the field cannot have was not its value.
        olds = dict.fromkeys(values, operation.old_value)
    return {name: olds.get(name) for name in values}


def _placed(error: errors.Invalid, number: int, operation: OneOperation) -> errors.Invalid:
    """Return a refusal whose fields are named from the whole request."""
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
    """Return the ids that steps refer to, with their kinds, besides their own aggregates."""
    found: dict[UUID, str] = {}
    for step in steps:
        fields = _fields_of(step)
        for name, kind in step.spec.references.items():
            if fields.get(name) is not None and kind in AGGREGATES:
                found[UUID(fields[name])] = kind
    return found


def names_in_steps(steps: Iterable[Step]) -> dict[str, set[str]]:
    """Return the names that steps refer to, by kind."""
    found: dict[str, set[str]] = {}
    for step in steps:
        for _, kind, name in step.spec.names_in(_fields_of(step)):
            found.setdefault(kind, set()).add(name)
    return found


def _fields_of(step: Step) -> Mapping[str, Any]:
    match step:
        case CreateStep():
            return step.fields
        case SetStep():
            return step.values
        case _:
            return {}


def snake_name(spec: AggregateSpec, name: str) -> str | None:
    """Return an aggregate's own name of a field as clients write it; None when it has none."""
    return next((own for own in spec.fields if to_camel(own) == name), None)
