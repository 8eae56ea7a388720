"""References by name within a document: their targets are in the same document or built in."""

from collections.abc import Mapping
from typing import Any

from services.events.common.references import unknown_name
from services.events.model.aggregate import AggregateSpec, Row


class KnownNames:
    """The names in a document so far; the target of a reference comes before it."""

    def __init__(self) -> None:
        """Begin with no names."""
        self._there: set[tuple[str, str]] = set()

    def note(self, spec: AggregateSpec, fields: Mapping[str, Any]) -> None:
        """Note the name of a thing, if it has one."""
        if "name" in spec.fields:
            self._there.add((spec.kind, fields["name"]))

    def known(self, spec: AggregateSpec, row: Row) -> Row:
        """Return *row* without references by name whose targets were deleted."""
        missing = (field for field, kind, name in spec.names_in(row) if not self._has(kind, name))
        return row | dict.fromkeys(missing)

    def require(self, spec: AggregateSpec, fields: Mapping[str, Any]) -> None:
        """Return when the targets of all references by name in *fields* exist.

        Raises:
            errors.Invalid: A target does not exist.
        """
        for field, kind, name in spec.names_in(fields):
            if not self._has(kind, name):
                raise unknown_name(spec.path_of(field), kind, name)

    def _has(self, kind: str, name: str) -> bool:
        return (kind, name) in self._there
