"""Scenes, entities and facts of any project, in PostgreSQL."""

from typing import Any
from uuid import UUID

from libs.contracts.events.things import TAGGED_MAX
from libs.contracts.things import ThingKind
from libs.postgres import load_queries
from services.events.model.aggregate import Row
from services.events.store import Reader

SQL = load_queries("services.events.things")

type Rows = list[Row]

_DESCRIBE = {
    ThingKind.SCENE: SQL.scenes,
    ThingKind.ENTITY: SQL.entities,
    ThingKind.FACT: SQL.facts,
}
_LIST = {
    ThingKind.SCENE: SQL.list_scenes,
    ThingKind.ENTITY: SQL.list_entities,
    ThingKind.FACT: SQL.list_facts,
}


async def describe(reader: Reader, kind: ThingKind, ids: list[UUID], *, texts: bool) -> Rows:
    """Return the rows of those of *ids* that exist, with *texts* to be searched if wanted."""
    return await _rows(reader, _DESCRIBE[kind], ids, texts)


async def listed(reader: Reader, kind: ThingKind, *page: Any) -> Rows:
    """Return ids of a page: its project, the id before it, and the limit."""
    return await _rows(reader, _LIST[kind], *page)


async def tagged(reader: Reader, project: UUID, tag: UUID) -> list[UUID]:
    """Return ids of the entities and facts of a project that a tag marks."""
    rows = await _rows(reader, SQL.list_tagged, project, tag, TAGGED_MAX)
    return [row["id"] for row in rows]


async def _rows(reader: Reader, query: str, *arguments: Any) -> Rows:
    return [dict(row) for row in await reader.connection.fetch(query, *arguments)]
