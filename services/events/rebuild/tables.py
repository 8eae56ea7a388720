"""The tables that are folds of the log, generic over every kind of aggregate."""

import re
from collections.abc import Iterator

from libs.postgres import Connection
from services.events.model.aggregates import AGGREGATES
from services.events.rebuild.store import ProjectionTable, rebuild_statement

_SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAKEN = frozenset({"public", "information_schema"})


def _tables() -> Iterator[ProjectionTable]:
    """Yield the tables; owners come first, as in AGGREGATES."""
    for spec in AGGREGATES.values():
        yield ProjectionTable(spec.table, "id", spec.columns)
        for part in spec.components:
            key = f"{spec.kind}_id"
            own = (key, "project_id", f"{spec.kind}_{part.by}", *part.columns)
            yield ProjectionTable(part.table or "", key, own)


TABLES = tuple(_tables())
"""Folds of aggregates."""

BUNDLES = ProjectionTable(
    "bundles",
    "bundle_id",
    (
        *("bundle_id", "project_id", "user_id", "type", "label", "source", "operations"),
        *("created_at", "causation_id", "reverses"),
    ),
)
"""A fold of user actions; it is made in the proof, because bundles do not grow after commits."""

PROVED = (*TABLES, BUNDLES)


def tables_of(kind: str) -> list[str]:
    """Return the tables in which an aggregate of *kind* has rows, each under its own id."""
    spec = AGGREGATES[kind]
    return [spec.table, *(part.table or "" for part in spec.components)]


def require_schema(name: str) -> str:
    """Return *name* when it may be the name of a shadow schema.

    Raises:
        ValueError: The name is not a plain word, or belongs to another schema.
    """
    if not _SCHEMA.fullmatch(name) or name in _TAKEN or name.startswith("pg_"):
        raise ValueError(f"{name!r} cannot be the name of a shadow schema")
    return name


async def make_tables(connection: Connection, schema: str) -> None:
    """Create empty tables; those of an earlier rebuild are dropped."""
    await connection.execute(rebuild_statement("make_schema", schema))
    for table in PROVED:
        await connection.execute(rebuild_statement("make_table", schema, table))


async def make_keys(connection: Connection, schema: str) -> None:
    """Create the primary keys of the filled tables."""
    heads = ProjectionTable("folded_heads", "aggregate_id", ())
    for table in (heads, *PROVED):
        await connection.execute(rebuild_statement("make_keys", schema, table))
        await connection.execute(f"ANALYZE {schema}.{table.name}")
