"""The row that deleted events fold into, as it is kept in their place."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from services.events.model.aggregate import AggregateSpec, Row

_IDS = frozenset({"id", "project_id", "created_by", "updated_by", "deleted_by", "archived_by"})
_TIMES = frozenset({"created_at", "updated_at", "deleted_at", "archived_at"})


def row_to_json(row: Row) -> dict[str, Any]:
    """Return a complete row as JSON."""
    return {name: _plain(value) for name, value in row.items()}


def row_from_json(spec: AggregateSpec, said: Mapping[str, Any]) -> Row:
    """Return the row that `row_to_json` made JSON of."""
    return {name: _value(spec, name, value) for name, value in said.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _value(spec: AggregateSpec, name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _IDS or name == spec.parent_column:
        return UUID(value)
    return datetime.fromisoformat(value) if name in _TIMES else spec.value(name, value)
