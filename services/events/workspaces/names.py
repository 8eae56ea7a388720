"""What the things of a document call by its name: it is in the same document, or built in."""

from collections.abc import Mapping
from typing import Any

from services.events.common.references import unknown_name
from services.events.model.aggregate import AggregateSpec, Row


class KnownNames:
    """The names of the things of one document so far; what is called by a name comes first."""

    def __init__(self) -> None:
        """Begin with none."""
        self._there: set[tuple[str, str]] = set()

    def note(self, spec: AggregateSpec, fields: Mapping[str, Any]) -> None:
        """Note the name of a thing that has one."""
        if "name" in spec.fields:
            self._there.add((spec.kind, fields["name"]))

    def known(self, spec: AggregateSpec, row: Row) -> Row:
        """Return *row* without the names of what is not there: it was deleted."""
        missing = (field for field, kind, name in spec.names_in(row) if not self._has(kind, name))
        return row | dict.fromkeys(missing)

    def require(self, spec: AggregateSpec, fields: Mapping[str, Any]) -> None:
        """Return when everything that *fields* call by its name is there.

        Raises:
            errors.Invalid: Something is not.
        """
        for field, kind, name in spec.names_in(fields):
            if not self._has(kind, name):
                raise unknown_name(spec.path_of(field), kind, name)

    def _has(self, kind: str, name: str) -> bool:
        return (kind, name) in self._there
