"""The tables that are a fold of the log, generic over every kind of aggregate."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from libs.postgres import Connection, load_queries
from services.events.model.aggregates import AGGREGATES

SQL = load_queries("services.events.rebuild")

_SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAKEN = frozenset({"public", "information_schema"})


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its name, what identifies a row, and its columns."""

    name: str
    key: str
    columns: tuple[str, ...]

    @property
    def ranked(self) -> bool:
        """Whether its rows stand in an order that is unique among siblings."""
        return "rank" in self.columns

    @property
    def project(self) -> str:
        """The column that names a row's project."""
        return "project_id" if "project_id" in self.columns else self.key


def _tables() -> Iterator[Table]:
    """What others hang under comes first, as in AGGREGATES."""
    for about in AGGREGATES.values():
        yield Table(about.table, "id", about.columns)
        for part in about.components:
            key = f"{about.kind}_id"
            own = (key, "project_id", f"{about.kind}_{part.by}", *part.columns)
            yield Table(part.table or "", key, own)


TABLES = tuple(_tables())
"""Folds of aggregates."""

BUNDLES = Table(
    "bundles",
    "bundle_id",
    (
        *("bundle_id", "project_id", "user_id", "type", "label", "source", "operations"),
        *("created_at", "causation_id", "reverses"),
    ),
)
"""A fold of user actions, made where it is proved: a bundle does not grow after its commit."""

PROVED = (*TABLES, BUNDLES)


def tables_of(kind: str) -> list[str]:
    """Return the tables in which an aggregate of *kind* has rows, each under its own id."""
    about = AGGREGATES[kind]
    return [about.table, *(part.table or "" for part in about.components)]


def require_schema(name: str) -> str:
    """Return *name* when it may be a schema of ours.

    Raises:
        ValueError: It is not a plain word, or a schema of somebody else.
    """
    if not _SCHEMA.fullmatch(name) or name in _TAKEN or name.startswith("pg_"):
        raise ValueError(f"{name!r} cannot be the name of a shadow schema")
    return name


def filled(name: str, schema: str, table: Table | None = None) -> str:
    """Return a statement with its names filled in."""
    text: str = getattr(SQL, name)
    if table is None:
        return text.replace("{schema}", schema)
    return (
        text.replace("{schema}", schema)
        .replace("{table}", table.name)
        .replace("{key}", table.key)
        .replace("{project}", table.project)
        .replace("{columns}", ", ".join(table.columns))
        .replace("{ours}", ", ".join(f"l.{name}" for name in table.columns))
        .replace("{theirs}", ", ".join(f"s.{name}" for name in table.columns))
    )


async def make(connection: Connection, schema: str) -> None:
    """Make fresh tables; what an earlier rebuild left there goes."""
    await connection.execute(filled("make_schema", schema))
    for table in PROVED:
        await connection.execute(filled("make_table", schema, table))


async def make_keys(connection: Connection, schema: str) -> None:
    """Give the filled tables their keys."""
    heads = Table("folded_heads", "aggregate_id", ())
    for table in (heads, *PROVED):
        await connection.execute(filled("make_keys", schema, table))
        await connection.execute(f"ANALYZE {schema}.{table.name}")
