"""Which editor schema a scene names: raised, never lowered, and told to whoever must know."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from libs import errors
from libs.contracts.events.event import Event, Source
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.model.aggregates import SCENE
from services.events.model.log import fold
from tests.events.support import World


async def test_it_rises_and_never_falls(world: World) -> None:
    """A text that holds what a newer editor wrote would lose it in an older one."""
    scene = await world.scene(schema_version=2)
    raised = await world.change("scene", scene["id"], schema_version=4)

    for lower in (3, None):
        with pytest.raises(errors.SchemaLowered) as refusal:
            await world.change("scene", scene["id"], schema_version=lower, title="not this either")
        assert refusal.value.data == {"current": 4, "wanted": lower}

    assert scene["schemaVersion"] == 2
    assert raised["schemaVersion"] == 4
    assert await world.change("scene", scene["id"], schema_version=4) == raised


@pytest.mark.parametrize("wrong", [0, -1, 2**31, 1.5, "3", True])
async def test_it_is_a_whole_number_from_one(world: World, wrong: Any) -> None:
    scene = await world.scene()

    with pytest.raises(errors.Invalid) as refusal:
        await world.change("scene", scene["id"], schema_version=wrong)

    assert refusal.value.data["errors"][0]["field"] == "schemaVersion"


async def test_a_scene_names_none_until_it_does(world: World, owner: Pool) -> None:
    """One event of its own, for those who must follow; and the standing tells the gateway."""
    scene = await world.scene()
    me = world.actor.user_id
    before = await world.standing(me, "scene", scene["id"])
    await world.change("scene", scene["id"], schema_version=7)
    after = await world.standing(me, "scene", scene["id"])
    above = await world.standing(me, "project", world.project_id)

    told = await owner.fetch(
        "SELECT event_type, data FROM events WHERE aggregate_id = $1 AND version > 1",
        UUID(scene["id"]),
    )

    assert scene["schemaVersion"] is None
    assert (before.schema_version, after.schema_version, above.schema_version) == (None, 7, None)
    assert [tuple(row) for row in told] == [
        ("scene.schema_version_changed", {"from": None, "to": 7})
    ]


async def test_conflicting_raises_show_both_sides(world: World) -> None:
    """Two people who raise it from the same version to different ones: the second is asked."""
    scene = await world.scene(schema_version=1)
    await world.change("scene", scene["id"], schema_version=2)

    with pytest.raises(errors.Conflict) as refusal:
        await world.change("scene", scene["id"], base=1, schema_version=3)

    field = refusal.value.data["conflicts"][0]["fields"][0]
    assert (field["base"], field["theirs"], field["yours"]) == (1, 2, 3)


def test_scenes_from_before_it_existed_name_none() -> None:
    """Their `created` events do not say so, and are never rewritten."""
    chapter_id, user_id = new_id(), new_id()
    created = {"title": "Old", "status": "DRAFT", "pov": None, "tense": None, "summary": None}
    event = Event(
        id=new_id(),
        aggregate_id=new_id(),
        aggregate_type="scene",
        event_type="scene.created",
        project_id=new_id(),
        user_id=user_id,
        data=created | {"wordCount": 0, "parentId": str(chapter_id), "rank": "V", "index": 0},
        metadata={},
        timestamp=datetime.now(UTC),
        version=1,
        causation_id=None,
        correlation_id="test",
        source=Source.API,
        bundle_id=new_id(),
        checksum="0" * 64,
    )

    row = fold(SCENE, None, event)

    assert row is not None
    assert row["schema_version"] is None
