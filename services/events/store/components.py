"""The rows of components: parts of aggregates with tables of their own."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

from libs.postgres import Connection
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.equality import same
from services.events.store.statements import SQL


def changes_components(
    spec: AggregateSpec, before: Mapping[UUID, Row | None], rows: Sequence[Row]
) -> bool:
    """Return whether the change may concern components."""
    known = [row for row in (*before.values(), *rows) if row]
    return any(part.belongs_to(row) for part in spec.components for row in known)


async def delete_components(
    connection: Connection,
    spec: AggregateSpec,
    before: Mapping[UUID, Row | None],
    rows: Sequence[Row],
) -> None:
    """Delete the components that *rows* no longer have; before the type that had them changes."""
    for part in spec.components:
        gone = [
            row["id"]
            for row in rows
            if (old := before.get(row["id"])) and part.belongs_to(old) and not part.belongs_to(row)
        ]
        if gone:
            query = _filled("delete_component", spec.kind, part.table or "", ())
            await connection.execute(query, gone)


async def write_components(
    connection: Connection,
    spec: AggregateSpec,
    before: Mapping[UUID, Row | None],
    rows: Sequence[Row],
) -> None:
    """Write the components that *rows* have, where they are new or have changed."""
    for part in spec.components:
        stored = [
            part.stored(spec.kind, row)
            for row in rows
            if part.belongs_to(row)
            and not ((old := before.get(row["id"])) and _same(part.columns.values(), old, row))
        ]
        if stored:
            query = _filled("put_component", spec.kind, part.table or "", tuple(stored[0]))
            await connection.execute(query, rows_to_json(stored))


def _same(names: Any, old: Row, new: Row) -> bool:
    return all(same(old[name], new[name]) for name in names)


@cache
def _filled(name: str, kind: str, table: str, columns: tuple[str, ...]) -> str:
    text: str = getattr(SQL, name)
    return text.format(
        table=table,
        key=f"{kind}_id",
        columns=", ".join(columns),
        new_columns=", ".join(f"excluded.{column}" for column in columns),
    )


def rows_to_json(rows: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    """Return one row, or several, as the JSON that `jsonb_populate_record` or `…set` reads."""
    return _ENCODER.encode(rows)


def _json(value: Any) -> str:
    match value:
        case UUID():
            return str(value)
        case date():
            return value.isoformat()
        case _:
            raise TypeError(f"a row holds {type(value).__name__}")


_ENCODER = json.JSONEncoder(separators=(",", ":"), default=_json)
