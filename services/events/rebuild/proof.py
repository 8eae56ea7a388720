"""Are the rebuilt tables equal to the live ones? Row by row, by hash, at one moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.postgres import Connection
from services.events.rebuild.tables import PROVED, Table, filled

DIFFERENCES_SHOWN_MAX = 100


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not the same; *live* or *rebuilt* is false where it is not there at all."""

    table: str
    key: UUID
    live: bool
    rebuilt: bool


async def differences(
    connection: Connection, schema: str, keys: Sequence[UUID] | None = None
) -> list[Difference]:
    """Return every row that differs, of some keys or of all.

    Needs a transaction that sees one moment and a shadow that is caught up with it.
    """
    found: list[Difference] = []
    for table in PROVED:
        rows = await connection.fetch(filled("differences", schema, table), keys)
        found += [Difference(table.name, row["key"], row["live"], row["rebuilt"]) for row in rows]
    return found


async def contrast(
    connection: Connection, schema: str, found: Sequence[Difference]
) -> list[dict[str, Any]]:
    """Return the first differences member by member, for a person."""
    by_name: dict[str, Table] = {table.name: table for table in PROVED}
    shown: list[dict[str, Any]] = []
    for each in found[:DIFFERENCES_SHOWN_MAX]:
        members: dict[str, Any] = {}
        if each.live and each.rebuilt:
            query = filled("contrast", schema, by_name[each.table])
            for row in await connection.fetch(query, each.key):
                members[row["name"]] = {"live": row["live"], "rebuilt": row["rebuilt"]}
        what = "differs" if each.live and each.rebuilt else "extra" if each.live else "missing"
        shown.append({"table": each.table, "id": str(each.key), "what": what, "members": members})
    return shown
