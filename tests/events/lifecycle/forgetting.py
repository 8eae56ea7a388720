"""Words for tests of retention."""

from datetime import UTC, datetime
from typing import Any

from libs.postgres import Pool
from services.events.retention import forget
from tests.events.relaying import announced
from tests.events.support import World


async def forget_all(pool: Pool) -> datetime:
    """Forget all that happened so far; returns up to when."""
    await announced(pool)
    now = datetime.now(UTC)
    await forget(pool, now)
    return now


async def rows_of(owner: Pool, world: World) -> dict[str, list[Any]]:
    """All rows of a project in the tables that are folds of its log."""
    tables = await owner.fetch(
        "SELECT table_name FROM information_schema.columns JOIN information_schema.tables "
        "USING (table_schema, table_name) WHERE table_schema = 'public' "
        "AND column_name = 'project_id' AND table_type = 'BASE TABLE' AND table_name = ANY ($1)",
        [
            *("members", "books", "chapters", "scenes", "entities", "task_details"),
            *("story_details", "relations", "tags", "taggings", "appearances", "canon_facts"),
            *("style_guides", "context_rules", "personas", "prompt_presets"),
        ],
    )
    found: dict[str, list[Any]] = {}
    for row in tables:
        name = row["table_name"]
        query = f"SELECT t::text FROM {name} t WHERE project_id = $1 ORDER BY 1"
        found[name] = [each[0] for each in await owner.fetch(query, world.project_id)]
    return found
