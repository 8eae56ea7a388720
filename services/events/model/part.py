"""Parts: groups of fields that clients see as one object; some have a table of their own.

Internally and in events a field of a part is a field of the aggregate like any other, named
`<part>_<field>`: the status of an entity's task is `task_status`, and its change is
`entity.task_status_changed`. Merging, undo and replay need know nothing of parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from libs.contracts.wire import Wire
from services.events.model.refusal import field_refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One group of fields.

    Args:
        name: Its name for clients; the prefix of its fields.
        given: The model of the fields that a client may set, with their defaults; None for none.
        derived: Fields that no client sets, with their first values.
        table: Its own table, which makes it a component: `<kind>_id` refers to the aggregate.
        by: The field that decides whether an aggregate has this component.
        of: The values of that field with which it has.
    """

    name: str
    given: type[Wire] | None = None
    derived: Mapping[str, Any] = field(default_factory=dict[str, Any])
    table: str | None = None
    by: str = "type"
    of: frozenset[str] = frozenset()

    @property
    def columns(self) -> dict[str, str]:
        """Its own names of its fields, and the aggregate's names of them."""
        own = (*(self.given.model_fields if self.given else ()), *self.derived)
        return {name: f"{self.name}_{name}" for name in own}

    @property
    def absent(self) -> dict[str, Any]:
        """The values of its fields in an aggregate that does not have it."""
        return dict.fromkeys(self.columns.values())

    @property
    def defaults(self) -> dict[str, Any]:
        """The first values of its fields, as JSON."""
        given = self.given().model_dump(mode="json") if self.given else {}
        return self._prefixed(given | dict(self.derived))

    def belongs_to(self, row: Mapping[str, Any]) -> bool:
        """Return whether an aggregate with these fields has it."""
        return row[self.by] in self.of if self.table else True

    def initial(self, sent: Mapping[str, Any] | None, beside: Mapping[str, Any]) -> dict[str, Any]:
        """Return its first values, from the fields *sent* for it and the fields *beside* it.

        Raises:
            errors.Invalid: Something was sent to an aggregate that does not have it.
        """
        if not self.belongs_to(beside):
            if sent is not None:
                raise field_refusal(self.name, f"a {beside[self.by]} does not have this component")
            return self.absent
        if sent is None:
            return self.defaults if self.table else self.absent
        return self.defaults | self._prefixed(sent)

    def wanted(self, sent: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the fields that a client wants to change; None clears all of them."""
        if sent is not None:
            return self._prefixed(sent)
        names = self.given.model_fields if self.given else ()
        return {self.columns[name]: None for name in names}

    def stored(self, kind: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the row of its own table that belongs to the aggregate in *row*."""
        return {
            f"{kind}_id": row["id"],
            "project_id": row["project_id"],
            f"{kind}_{self.by}": row[self.by],
            **{own: row[name] for own, name in self.columns.items()},
        }

    def document(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the object that a client sees; None when the aggregate does not have the part."""
        if not self.belongs_to(row):
            return None
        shown = {own: row[name] for own, name in self.columns.items()}
        if not self.table and all(value is None for value in shown.values()):
            return None
        return shown

    def _prefixed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        columns = self.columns
        return {columns[name]: value for name, value in values.items()}
