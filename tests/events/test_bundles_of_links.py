"""Links in bundles with what they link: hidden with it, and back with it, within one action."""

from typing import Any

import pytest

from libs import errors
from libs.contracts.events.resources import Kind
from tests.events.bundling import Bundling, bundle_of, delete, put, restore
from tests.events.support import Json, World

LINKS: dict[Kind, tuple[Kind, str]] = {
    "relation": ("entity", "note"),
    "tagging": ("tag", ""),
    "appearance": ("scene", "notes"),
    "canon_fact": ("entity", "fact"),
}
"""What each hangs on, and a field of it that can be changed."""


@pytest.fixture
def bundling(world: World) -> Bundling:
    return Bundling(world)


async def linked(world: World, kind: Kind) -> tuple[Json, Json]:
    """Return something, and a link of a kind that hangs on it."""
    project = world.project_id
    hero = await world.create("entity", project, type="character", name="Walton")
    if kind == "canon_fact":
        return hero, await world.create(kind, project, entity_id=hero["id"], fact="x")
    if kind == "tagging":
        tag = await world.create("tag", project, name="sea")
        fields: Any = {"entity_id": hero["id"], "tag_id": tag["id"]}
        return tag, await world.create(kind, project, **fields)
    if kind == "appearance":
        scene = await world.scene()
        fields = {"entity_id": hero["id"], "scene_id": scene["id"], "role": "POV"}
        return scene, await world.create(kind, project, **fields)
    ship = await world.create("entity", project, type="item", name="ship")
    fields = {"source_entity_id": hero["id"], "target_entity_id": ship["id"], "type": "mentions"}
    return ship, await world.create(kind, project, **fields)


@pytest.mark.parametrize("kind", LINKS)
async def test_both_come_back_whichever_went_first(
    kind: Kind, world: World, bundling: Bundling
) -> None:
    """And go again: a redo is the same, the other way round."""
    owner, link = await linked(world, kind)
    of = LINKS[kind][0]
    done = bundle_of(await bundling.commit(delete(kind, link["id"]), delete(of, owner["id"])))

    for _ in range(2):
        await bundling.undo(done.id)
        assert (await world.read(kind, link["id"]))["id"] == link["id"]
        await bundling.redo(done.id)
        with pytest.raises(errors.NotFound):
            await world.read(kind, link["id"])
        with pytest.raises(errors.NotFound):
            await world.read(of, owner["id"])


@pytest.mark.parametrize("kind", [kind for kind, (_, field) in LINKS.items() if field])
async def test_a_link_is_hidden_from_the_next_operation_on(
    kind: Kind, world: World, bundling: Bundling
) -> None:
    owner, link = await linked(world, kind)
    of, field = LINKS[kind]

    with pytest.raises(errors.NotFound):
        await bundling.commit(delete(of, owner["id"]), put(kind, link["id"], field, "y"))

    await bundling.commit(delete(of, owner["id"]))
    await bundling.commit(restore(of, owner["id"]), put(kind, link["id"], field, "y"))
    assert (await world.read(kind, link["id"]))[field] == "y"


async def test_a_link_with_two_deleted_ends_needs_both(world: World, bundling: Bundling) -> None:
    ship, link = await linked(world, "relation")
    hero = link["sourceEntityId"]
    await bundling.commit(delete("entity", hero), delete("entity", ship["id"]))
    back = [restore("entity", hero), restore("entity", ship["id"])]
    change = put("relation", link["id"], "note", "y")

    for one in back:
        with pytest.raises(errors.NotFound):
            await bundling.commit(one, change)
    await bundling.commit(*back, change)

    assert (await world.read("relation", link["id"]))["note"] == "y"
