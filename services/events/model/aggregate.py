"""A kind of aggregate as data: where its rows are, which fields it has, what it hangs under."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from libs import errors
from libs.contracts.resources import Resource
from libs.contracts.wire import Wire

type Row = dict[str, Any]
"""A row of a projection: ids are UUID, times datetime, all else is JSON."""

_STAMPS = ("version", "created_at", "updated_at", "created_by", "updated_by")
_DELETION = ("deleted_at", "deleted_by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One kind of aggregate.

    Args:
        kind: Its name in events, requests and subjects.
        table: Its projection; the view `<table>_read` is what reads it for clients.
        resource: What a client receives.
        create: What a client may set at first; its fields are the aggregate's.
        patch: What a client may change.
        parent: Kind of what it hangs under, among siblings in an order; null for none.
        derived: Fields that no client sets, with their first values.
        references: Fields whose values are ids.
        lasting: A deleted one stays, and can be restored.
        rising: Fields that may be raised, never lowered or cleared, with the refusal.
        later: Fields that the oldest `created` events do not name, with what those stand for.
    """

    kind: str
    table: str
    resource: type[Resource]
    create: type[Wire]
    patch: type[Wire] | None = None
    parent: str | None = None
    derived: Mapping[str, Any] = field(default_factory=dict[str, Any])
    references: frozenset[str] = frozenset()
    lasting: bool = True
    rising: Mapping[str, type[errors.AppError]] = field(
        default_factory=dict[str, type[errors.AppError]]
    )
    later: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def view(self) -> str:
        """The view that reads its projection."""
        return f"{self.table}_read"

    @property
    def parent_column(self) -> str | None:
        """The column that names its parent."""
        return f"{self.parent}_id" if self.parent else None

    @property
    def fields(self) -> tuple[str, ...]:
        """Its own fields, in snake_case."""
        return (*self.create.model_fields, *self.derived)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of its projection."""
        place = ("rank",) if self.parent else ()
        above = {"project_id": None} if self.kind != "project" else {}
        if self.parent_column:
            above[self.parent_column] = None
        deletion = _DELETION if self.lasting else ()
        return ("id", *above, *place, *self.fields, *_STAMPS, *deletion)

    def initial(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all first values from what a client sent, as JSON.

        Raises:
            errors.Invalid: A field is unknown, missing or wrong.
        """
        return _validated(self.create, given).model_dump(mode="json") | dict(self.derived)

    def wanted(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that a client wants to change, as JSON.

        Raises:
            errors.Invalid: A field is unknown or wrong, or may not be changed.
        """
        if self.patch is None:
            raise errors.Invalid(f"A {self.kind} has no fields to change.")
        return _validated(self.patch, given).model_dump(mode="json", exclude_unset=True)

    def value(self, name: str, stored: Any) -> Any:
        """Return a field's value from event data as it stands in a row."""
        return UUID(stored) if name in self.references and stored is not None else stored

    def plain(self, name: str, value: Any) -> Any:
        """Return a field's value of a row as event data holds it."""
        return str(value) if name in self.references and value is not None else value

    def document(self, row: Mapping[str, Any]) -> Resource:
        """Return what a client receives of *row*, which may hold more than that."""
        known = self.resource.model_fields
        return self.resource.model_validate({k: v for k, v in row.items() if k in known})


def _validated[M: Wire](model: type[M], given: Mapping[str, Any]) -> M:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        problems = [
            {"field": to_camel(str(found["loc"][0])), "detail": found["msg"]}
            for found in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        first = problems[0]
        raise errors.Invalid(f"{first['field']}: {first['detail']}", errors=problems) from error
