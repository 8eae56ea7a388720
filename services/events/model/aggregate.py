"""A kind of aggregate as data: its tables, its fields, and the kind that it belongs to."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from libs import errors
from libs.contracts.events.resources import Resource
from libs.contracts.wire import Wire, camel
from services.events.model.custom_event import CustomEvent
from services.events.model.listing import Listing
from services.events.model.part import Part
from services.events.model.refusal import field_refusal

type Row = dict[str, Any]
"""A row of a projection: ids are UUID, times datetime, all else is JSON."""

_STAMPS = ("version", "created_at", "updated_at", "created_by", "updated_by")
_DELETION = ("deleted_at", "deleted_by")
_ARCHIVAL = ("archived_at", "archived_by")
_UNKNOWN = frozenset({"extra_forbidden"})
_MOMENT = TypeAdapter(datetime)


def _nothing_follows(_: Mapping[str, Any], wanted: Mapping[str, Any], __: str) -> dict[str, Any]:
    return dict(wanted)


@dataclass(frozen=True, slots=True)
class MonotonicField:
    """A field whose level never falls.

    Args:
        refusal: The error that answers a change which lowers or clears the level.
        level: The level of a value of the field; by default the value itself.
    """

    refusal: type[errors.AppError]
    level: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True, slots=True)
class NameReference:
    """A reference by name: to an aggregate of a kind, or to one of the names that are built in.

    Aggregates that are referred to by name never change it, and no two in a project that are not
    deleted have the same name.
    """

    kind: str
    built_in: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AggregateSpec:
    """One kind of aggregate.

    Args:
        kind: Its name in events, requests and subjects.
        table: Its projection; clients read the view `<table>_read`.
        resource: The model that a client receives.
        create: The fields that a client may set at first; they are the fields of the aggregate.
        patch: The fields that a client may change.
        parent: The kind of its parent; None for no parent.
        ordered: Whether siblings have an order.
        derived: Fields that no client sets, with their first values.
        figures: Members of the resource whose values its view reads from beside the projection,
            each with the view's column. They are no part of the log and do not raise the version;
            a row that was not read through the view has none, and shows 0.
        references: Fields whose values are ids, with the kinds that they refer to; a kind that is
            not in AGGREGATES (`anchor`, `person`) is not looked up, and `member` is a person.
        named: Fields whose values are names, with the references that they are.
        hidden_with: References that hide the aggregate when their target is deleted.
        times: Fields whose values are times.
        parts: Groups of fields that clients see as one object; some have a table of their own.
        keeps_deleted: Whether a deleted aggregate stays and can be restored.
        archivable: Whether it can be closed against changes, with all that belongs to it.
        grants_access: Whether it gives access to a project; then it may change in an archived one.
        monotonic: Fields whose level may be raised, but never lowered or cleared.
        custom_events: Actions besides the generic ones, by name. The fields that they change do
            not change in any other way.
        historic: Fields whose `_changed` is promised to subscribers although it no longer occurs.
        later: Fields that the oldest `created` events do not name, with their values there.
        listing: The filters and sort keys of its lists.
        follows: Adds the consequences of a change: from the row as it is (empty before the first
            event), the fields wanted and the time as JSON, to all fields that change.
    """

    kind: str
    table: str
    resource: type[Resource]
    create: type[Wire]
    patch: type[Wire] | None = None
    parent: str | None = None
    ordered: bool = True
    derived: Mapping[str, Any] = field(default_factory=dict[str, Any])
    figures: Mapping[str, str] = field(default_factory=dict[str, str])
    references: Mapping[str, str] = field(default_factory=dict[str, str])
    named: Mapping[str, "NameReference"] = field(default_factory=dict[str, "NameReference"])
    hidden_with: tuple[str, ...] = ()
    times: frozenset[str] = frozenset()
    parts: tuple[Part, ...] = ()
    keeps_deleted: bool = True
    archivable: bool = False
    grants_access: bool = False
    monotonic: Mapping[str, "MonotonicField"] = field(default_factory=dict[str, "MonotonicField"])
    custom_events: Mapping[str, CustomEvent] = field(default_factory=dict[str, CustomEvent])
    historic: frozenset[str] = frozenset()
    later: Mapping[str, Any] = field(default_factory=dict[str, Any])
    listing: Listing = field(default_factory=Listing)
    follows: Callable[[Mapping[str, Any], Mapping[str, Any], str], dict[str, Any]] = (
        _nothing_follows
    )
    fields: tuple[str, ...] = field(init=False)
    """Its own fields, in snake_case; those of a part as `<part>_<field>`."""
    guarded: frozenset[str] = field(init=False)
    """Fields that only custom events change."""
    components: tuple[Part, ...] = field(init=False)
    """The parts that have a table of their own."""
    columns: tuple[str, ...] = field(init=False)
    """All columns of its projection's own table."""

    def __post_init__(self) -> None:
        """Compute once what every fold and every write needs."""
        grouped = {part.name: part for part in self.parts}
        own = [name for name in self.create.model_fields if name not in grouped]
        of_parts = [name for part in self.parts for name in part.columns.values()]
        object.__setattr__(self, "fields", (*own, *of_parts, *self.derived))
        guarded = frozenset(
            name for deed in self.custom_events.values() for name in deed.fields.values()
        )
        object.__setattr__(self, "guarded", guarded)
        components = tuple(part for part in self.parts if part.table)
        object.__setattr__(self, "components", components)
        object.__setattr__(self, "columns", self._columns())

    @property
    def view(self) -> str:
        """The view that reads its projection."""
        return f"{self.table}_read"

    @property
    def parent_column(self) -> str | None:
        """The column that names its parent."""
        return f"{self.parent}_id" if self.parent else None

    def _columns(self) -> tuple[str, ...]:
        place = ("rank",) if self.parent and self.ordered else ()
        above = {"project_id": None} if self.kind != "project" else {}
        if self.parent_column:
            above[self.parent_column] = None
        deletion = _DELETION if self.keeps_deleted else ()
        archival = _ARCHIVAL if self.archivable else ()
        elsewhere = {name for part in self.components for name in part.columns.values()}
        own = (name for name in self.fields if name not in elsewhere)
        return ("id", *above, *place, *own, *_STAMPS, *deletion, *archival)

    def stored(self, row: Row) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the rows that a fold of events has in each table; the kind's own table first."""
        yield self.table, {name: row[name] for name in self.columns}
        for part in self.components:
            if part.belongs_to(row):
                yield part.table or "", part.stored(self.kind, row)

    def initial(self, given: Mapping[str, Any], *, at: str) -> dict[str, Any]:
        """Return all first values from what a client sent, as JSON.

        Args:
            given: The fields that the client sent.
            at: The time, as JSON.

        Raises:
            errors.Invalid: A field is unknown, missing or wrong.
        """
        sent = _validated(self.create, given).model_dump(mode="json")
        first: dict[str, Any] = {
            name: value for name, value in sent.items() if name in self.fields
        } | dict(self.derived)
        for part in self.parts:
            first |= part.initial(sent.get(part.name), sent)
        return self.follows({}, first, at)

    def wanted(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that a client wants to change, as JSON.

        Raises:
            errors.Invalid: A field is unknown or wrong, or may not be changed.
        """
        if self.patch is None:
            raise errors.Invalid(f"A {self.kind} has no fields that can be changed.")
        sent = _validated(self.patch, given).model_dump(mode="json", exclude_unset=True)
        for part in self.parts:
            if part.name in sent:
                sent |= part.wanted(sent.pop(part.name))
        return sent

    def names_in(self, fields: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        """Yield the fields that refer to an aggregate by name: field, kind and name."""
        for name, named in self.named.items():
            value = fields.get(name)
            if value is not None and value not in named.built_in:
                yield name, named.kind, value

    def completed(self, row: Row, wanted: Mapping[str, Any], *, at: str) -> dict[str, Any]:
        """Return *wanted* with all consequences for *row*."""
        full = dict(wanted)
        for part in self.components:
            after = row | full
            if part.belongs_to(row) and not part.belongs_to(after):
                full |= part.absent
            elif part.belongs_to(after) and not part.belongs_to(row):
                full = part.defaults | full
        return self.follows(row, full, at)

    def require_whole(self, row: Row) -> None:
        """Return when *row* has no value of a component that its type does not have.

        Raises:
            errors.Invalid: It has such a value.
        """
        for part in self.components:
            if not part.belongs_to(row) and any(
                row[name] is not None for name in part.columns.values()
            ):
                raise field_refusal(part.name, f"a {row[part.by]} does not have this component")

    def born(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return fields as `created` and `removed` events hold them, without absent components."""
        missing = {
            name
            for part in self.components
            if not part.belongs_to(row)
            for name in part.columns.values()
        }
        return {
            camel(name): self.plain(name, row[name]) for name in self.fields if name not in missing
        }

    def value(self, name: str, stored: Any) -> Any:
        """Return a field's value from event data as it stands in a row."""
        if stored is None:
            return None
        if name in self.references:
            return UUID(stored)
        return datetime.fromisoformat(stored) if name in self.times else stored

    def plain(self, name: str, value: Any) -> Any:
        """Return a field's value of a row as event data holds it."""
        if isinstance(value, UUID):
            return str(value)
        if name in self.times and isinstance(value, datetime):
            return _MOMENT.dump_python(value, mode="json")
        return value

    def path_of(self, name: str) -> str:
        """Return the name of a field for clients: `task.dueDate` for `task_due_date`."""
        for part in self.parts:
            for own, whole in part.columns.items():
                if whole == name:
                    return f"{part.name}.{to_camel(own)}"
        return to_camel(name)

    def document(self, row: Mapping[str, Any]) -> Resource:
        """Return the resource that a client receives; *row* may have more columns."""
        known = self.resource.model_fields
        shown = {name: value for name, value in row.items() if name in known}
        shown |= {name: row.get(column, 0) for name, column in self.figures.items()}
        for part in self.parts:
            shown[part.name] = part.document(row)
        return self.resource.model_validate(shown)


def _validated[M: Wire](model: type[M], given: Mapping[str, Any]) -> M:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        problems = [
            {
                "field": ".".join(to_camel(str(place)) for place in each["loc"]),
                "detail": each["msg"],
            }
            for each in found
        ]
        first = problems[0]
        sort = errors.Unknown if found[0]["type"] in _UNKNOWN else errors.Invalid
        raise sort(f"{first['field']}: {first['detail']}", errors=problems) from error
