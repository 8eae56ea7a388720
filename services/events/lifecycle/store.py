"""The statements of purges, filled in for each kind of aggregate."""

from collections.abc import Mapping
from functools import cache
from uuid import UUID

from libs.postgres import Connection, load_queries
from services.events.model.aggregate import AggregateSpec
from services.events.model.aggregates import AGGREGATES
from services.events.store.statements import kind_order

SQL = load_queries("services.events.lifecycle")


@cache
def purge_statement(name: str, kind: str, column: str = "") -> str:
    """Return a statement about one kind."""
    text: str = getattr(SQL, name)
    return text.format(table=AGGREGATES[kind].table, column=column)


async def add_tombstones(
    connection: Connection, purge_id: UUID, project_id: UUID, things: Mapping[UUID, AggregateSpec]
) -> None:
    """Add aggregates to a purge; from now on they cannot be restored."""
    await connection.execute(
        SQL.lay,
        purge_id,
        project_id,
        list(things),
        [spec.kind for spec in things.values()],
        [kind_order(spec) for spec in things.values()],
    )
