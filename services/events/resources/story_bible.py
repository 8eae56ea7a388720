"""Handlers about the story: appearances of entities, and the knowledge at a scene."""

from collections.abc import Sequence
from typing import Any

from libs.contracts.actor import Actor
from libs.contracts.events.story import (
    AppearancesOf,
    Knowledge,
    KnowledgeAt,
    KnownFact,
    SceneAppearance,
    SceneAppearances,
    SceneSummary,
)
from services.events.common.commands import require_visible
from services.events.model.aggregate import Row
from services.events.model.aggregates import APPEARANCE, CANON_FACT, ENTITY, SCENE
from services.events.model.listing import SortKey
from services.events.model.page import cursor_at, cursor_mark, fitting
from services.events.store import Reader, Store

_ORDER = "manuscript"
_KEY = SortKey("manuscript_key", "text")


class StoryHandlers:
    """Handlers that read several projections at once."""

    def __init__(self, store: Store) -> None:
        """Read from *store*."""
        self._store = store

    async def appearances_of(self, question: AppearancesOf, actor: Actor) -> SceneAppearances:
        """Show the scenes in which an entity appears, in manuscript order."""
        after = cursor_mark(question.cursor, _ORDER, _KEY)

        async def query_appearances_of(reader: Reader) -> list[Row]:
            require_visible(await reader.row(ENTITY, question.entity_id))
            return await reader.appearances_of(
                question.entity_id,
                role=question.role.value if question.role else None,
                after=after,
                limit=question.limit + 1,
            )

        rows = await self._store.run_read(query_appearances_of, project_id=actor.scope())
        items = [_appearance(row) for row in rows[: question.limit]]
        shown = fitting(len(item.to_wire()) for item in items)
        return SceneAppearances(items=items[:shown], next_cursor=_end(rows, shown))

    async def knowledge_at(self, question: KnowledgeAt, actor: Actor) -> Knowledge:
        """Show the facts revealed up to a scene, with the entities present at each reveal."""
        after = cursor_mark(question.cursor, _ORDER, _KEY)

        async def query_knowledge_at(reader: Reader) -> list[Row]:
            require_visible(await reader.row(SCENE, question.scene_id))
            if question.entity_id is not None:
                require_visible(await reader.row(ENTITY, question.entity_id))
            return await reader.knowledge_at(
                question.scene_id,
                entity_id=question.entity_id,
                after=after,
                limit=question.limit + 1,
            )

        rows = await self._store.run_read(query_knowledge_at, project_id=actor.scope())
        items = [_known(row) for row in rows[: question.limit]]
        shown = fitting(len(item.to_wire()) for item in items)
        return Knowledge(items=items[:shown], next_cursor=_end(rows, shown))


def _appearance(row: Row) -> SceneAppearance:
    own = dict(APPEARANCE.document(row))
    scene: dict[str, Any] = {
        name: row["scene_id"] if name == "id" else row[f"scene_{name}"]
        for name in SceneSummary.model_fields
    }
    return SceneAppearance(**own, scene=SceneSummary(**scene))


def _known(row: Row) -> KnownFact:
    own = dict(CANON_FACT.document(row))
    return KnownFact.model_validate(
        {**own, "scene_title": row["scene_title"], "known_by": row["known_by"]}
    )


def _end(rows: Sequence[Row], shown: int) -> str | None:
    if len(rows) == shown:
        return None
    last = rows[shown - 1]
    return cursor_at(_ORDER, last[_KEY.column], last["id"])
