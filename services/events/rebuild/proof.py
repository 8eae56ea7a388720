"""Comparison of the rebuilt tables with the live ones: row by row, by hash, in one snapshot."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.postgres import Connection
from services.events.rebuild.store import ProjectionTable, rebuild_statement
from services.events.rebuild.tables import PROVED

DIFFERENCES_SHOWN_MAX = 100

type Keys = Mapping[str, Sequence[UUID]]
"""Keys of rows, by table."""


async def note_differences(connection: Connection, schema: str) -> int:
    """Note in the shadow schema which rows differ; return how many.

    It needs a repeatable-read transaction and a shadow that is caught up with it.
    """
    for table in PROVED:
        await connection.execute(rebuild_statement("note_differences", schema, table))
    await connection.execute(rebuild_statement("index_differences", schema))
    return await connection.fetchval(rebuild_statement("count_differences", schema))


async def still_different(connection: Connection, schema: str, keys: Keys) -> dict[str, list[UUID]]:
    """Return which rows of some keys differ now, by table."""
    found: dict[str, list[UUID]] = {}
    for table in PROVED:
        if wanted := keys.get(table.name):
            rows = await connection.fetch(
                rebuild_statement("still_different", schema, table), wanted
            )
            if rows:
                found[table.name] = [row["key"] for row in rows]
    return found


async def compare_rows(connection: Connection, schema: str) -> list[dict[str, Any]]:
    """Return some of the noted differences, column by column, for a person."""
    by_name: dict[str, ProjectionTable] = {table.name: table for table in PROVED}
    shown: list[dict[str, Any]] = []
    noted = await connection.fetch(
        rebuild_statement("some_differences", schema), DIFFERENCES_SHOWN_MAX
    )
    for each in noted:
        members: dict[str, Any] = {}
        both = each["live"] and each["rebuilt"]
        if both:
            query = rebuild_statement("contrast", schema, by_name[each["table"]])
            for row in await connection.fetch(query, each["key"]):
                members[row["name"]] = {"live": row["live"], "rebuilt": row["rebuilt"]}
        what = "differs" if both else "extra" if each["live"] else "missing"
        shown.append(
            {"table": each["table"], "id": str(each["key"]), "what": what, "members": members}
        )
    return shown
