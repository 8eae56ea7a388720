"""The story's world and the walls around a project; what its tables refuse by themselves."""

import asyncpg
import pytest

from libs import errors
from libs.bus import Caller
from libs.contracts.events.resources import Kind
from libs.postgres import Pool
from tests.events.support import Json, World, entity
from tests.events.test_tables import undone
from tests.events.test_world import LASTING

REFERENCES: list[tuple[Kind, str, str]] = [
    ("relation", "source_entity_id", "entity"),
    ("relation", "target_entity_id", "entity"),
    ("tagging", "entity_id", "entity"),
    ("tagging", "tag_id", "tag"),
    ("appearance", "scene_id", "scene"),
    ("appearance", "entity_id", "entity"),
    ("canon_fact", "entity_id", "entity"),
    ("canon_fact", "reveal_scene_id", "scene"),
    ("canon_fact", "provenance.scene_id", "scene"),
    ("context_rule", "style_guide_id", "style_guide"),
    ("prompt_preset", "persona_id", "persona"),
    ("prompt_preset", "context_rule_id", "context_rule"),
]


async def cast(world: World) -> dict[str, Json]:
    """One of each thing that others refer to."""
    found: dict[str, Json] = {
        kind: await world.create(kind, world.project_id, **fields)
        for kind, fields in LASTING.items()
    }
    return {**found, "other": await entity(world, "Other"), "scene": await world.scene()}


def whole(kind: Kind, things: dict[str, Json]) -> Json:
    """What makes one of *kind* from *things*."""
    hero, other = things["entity"]["id"], things["other"]["id"]
    made: dict[str, Json] = {
        "relation": {"source_entity_id": hero, "target_entity_id": other, "type": "blocks"},
        "tagging": {"entity_id": hero, "tag_id": things["tag"]["id"]},
        "appearance": {"scene_id": things["scene"]["id"], "entity_id": hero, "role": "POV"},
        "canon_fact": {"entity_id": hero, "fact": "x"},
        "tag": {"name": "Another"},
        "editor_definition": LASTING["editor_definition"] | {"name": "Another"},
    }
    return made.get(kind) or LASTING[kind]


class TestIsolation:
    @pytest.mark.parametrize(("kind", "field", "what"), REFERENCES)
    async def test_nothing_refers_into_another_project(
        self, world: World, caller: Caller, kind: Kind, field: str, what: str
    ) -> None:
        stranger = await World.begin(caller)
        ours, theirs = await cast(world), await cast(stranger)
        part, _, name = field.rpartition(".")
        foreign: Json = {name: ours[what]["id"]}
        fields: Json = whole(kind, theirs) | ({part: foreign} if part else foreign)

        with pytest.raises(errors.NotFound):
            await stranger.create(kind, stranger.project_id, **fields)
        assert await stranger.create(kind, stranger.project_id, **whole(kind, theirs))

    @pytest.mark.parametrize("kind", [*LASTING, "relation", "tagging", "appearance", "canon_fact"])
    async def test_things_of_another_project_do_not_exist(
        self, world: World, caller: Caller, kind: Kind
    ) -> None:
        ours = await world.create(kind, world.project_id, **whole(kind, await cast(world)))
        stranger = await World.begin(caller)
        for attempt in (
            stranger.read(kind, ours["id"]),
            stranger.read(kind, ours["id"], include_deleted=True),
            stranger.remove(kind, ours["id"]),
            stranger.create(kind, world.project_id, **LASTING.get(kind, {"fact": "x"})),
            stranger.page(kind, world.project_id),
        ):
            with pytest.raises((errors.NotFound, errors.Invalid)) as refusal:
                await attempt
            assert refusal.type is errors.NotFound or kind not in LASTING
        assert await stranger.items(kind, stranger.project_id) == []
        assert await world.read(kind, ours["id"]) == ours

    @pytest.mark.parametrize(
        ("kind", "parent"),
        [
            ("appearance", "scene"),
            ("relation", "entity"),
            ("tag", "entity"),
            ("canon_fact", "entity"),
            ("scene", "project"),
        ],
    )
    async def test_lists_below_another_projects_things(
        self, world: World, caller: Caller, kind: Kind, parent: Kind
    ) -> None:
        ours = {**await cast(world), "project": {"id": world.project_id}}
        stranger = await World.begin(caller)

        with pytest.raises(errors.NotFound):
            await stranger.page(kind, ours[parent]["id"], parent_kind=parent)
        assert await world.page(kind, ours[parent]["id"], parent_kind=parent)


STORY = (
    "INSERT INTO story_details (entity_id, project_id, entity_type, goals)"
    " SELECT id, project_id, {}, '{{}}' FROM entities WHERE id = $1"
)


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        (
            "UPDATE task_details SET status = 'done' WHERE entity_id = $1",
            asyncpg.CheckViolationError,
        ),
        ("UPDATE task_details SET priority = 4 WHERE entity_id = $1", asyncpg.CheckViolationError),
        (
            "UPDATE task_details SET project_id = uuidv7() WHERE entity_id = $1",
            asyncpg.ForeignKeyViolationError,
        ),
        ("UPDATE entities SET type = 'note' WHERE id = $1", asyncpg.CheckViolationError),
        ("UPDATE entities SET aliases = '{NULL}' WHERE id = $1", asyncpg.CheckViolationError),
        ("UPDATE entities SET traits = '[]' WHERE id = $1", asyncpg.CheckViolationError),
        ("UPDATE entities SET file_path = 'x' WHERE id = $1", asyncpg.CheckViolationError),
        (
            "UPDATE entities SET preview = repeat('x', 201) WHERE id = $1",
            asyncpg.CheckViolationError,
        ),
        (
            STORY.format("'character'"),
            asyncpg.ForeignKeyViolationError,
        ),
        (
            STORY.format("type"),
            asyncpg.CheckViolationError,
        ),
    ],
)
async def test_wrong_rows_are_impossible(
    world: World, owner: Pool, statement: str, refusal: type[Exception]
) -> None:
    task = await entity(world, "Research", type="task")

    async with undone(owner) as connection:
        with pytest.raises(refusal):
            await connection.execute(statement, task["id"])


async def test_purging_takes_everything_below_along(world: World, owner: Pool) -> None:
    """A purge is for later; that nothing in the schema stands in its way is for now."""
    things = await cast(world)
    for kind in ("relation", "tagging", "appearance", "canon_fact"):
        await world.create(kind, world.project_id, **whole(kind, things))
    async with undone(owner) as connection:
        await connection.execute("DELETE FROM projects WHERE id = $1", world.project_id)

        for table in ("entities", "story_details", "relations", "taggings", "canon_facts"):
            query = f"SELECT count(*) FROM {table} WHERE project_id = $1"
            assert await connection.fetchval(query, world.project_id) == 0
