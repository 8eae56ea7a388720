"""What connects entities: relations between them, tags on them."""

import asyncio
from uuid import UUID

import pytest

from libs import errors
from libs.bus import Caller
from libs.contracts.events import manuscript as m
from libs.contracts.ids import new_id
from libs.postgres import Pool
from tests.events.support import Json, World, entity
from tests.events.test_log import require_replayed


async def related(world: World, source: Json, target: Json, kind: str = "contains") -> Json:
    return await world.create(
        "relation",
        world.project_id,
        source_entity_id=source["id"],
        target_entity_id=target["id"],
        type=kind,
    )


class TestRelations:
    async def test_one_of_each_type_between_two(self, world: World) -> None:
        a, b = await entity(world, "A"), await entity(world, "B")
        await related(world, a, b)

        with pytest.raises(errors.AlreadyExists):
            await related(world, a, b)
        assert (await related(world, a, b, "blocks"))["type"] == "blocks"
        with pytest.raises(errors.RelationCycle):
            await related(world, a, a, "relates_to")

    async def test_removed_ones_are_gone_and_can_be_made_again(
        self, world: World, owner: Pool
    ) -> None:
        a, b = await entity(world, "A"), await entity(world, "B")
        first = await related(world, a, b)
        last = await world.remove("relation", first["id"], expected=1)

        assert last["id"] == first["id"]
        with pytest.raises(errors.NotFound):
            await world.read("relation", first["id"], include_deleted=True)
        with pytest.raises(errors.NotFound):
            await world.remove("relation", first["id"])
        with pytest.raises(errors.Invalid):
            await world.restore("relation", first["id"])
        assert (await related(world, a, b))["id"] != first["id"]
        await require_replayed(owner, world.project_id)

    async def test_a_retried_removal_happened_once(self, world: World, caller: Caller) -> None:
        a, b = await entity(world, "A"), await entity(world, "B")
        made = await related(world, a, b)
        question = m.Remove(kind="relation", id=UUID(made["id"]), command_id=new_id())

        first = await caller.ask(m.REMOVE, question, world.actor)
        again = await caller.ask(m.REMOVE, question, world.actor)

        assert (first.resource["id"], again.resource) == (made["id"], {})

    async def test_containment_never_runs_in_a_circle(self, world: World) -> None:
        a, b, c = [await entity(world, name) for name in "ABC"]
        await related(world, a, b)
        await related(world, b, c)

        with pytest.raises(errors.RelationCycle):
            await related(world, c, a)
        assert await related(world, c, a, "mentions")
        await world.remove("entity", b["id"])
        with pytest.raises(errors.RelationCycle):
            await related(world, c, a)

    async def test_two_halves_of_a_circle_at_once(self, world: World) -> None:
        """Neither writer can see the other's row; one of them is refused all the same."""
        for _ in range(5):
            ring = [await entity(world, f"R{number}") for number in range(4)]
            pairs = zip(ring, [*ring[1:], ring[0]], strict=True)
            outcomes = await asyncio.gather(
                *(related(world, one, two) for one, two in pairs), return_exceptions=True
            )

            refused = [each for each in outcomes if isinstance(each, BaseException)]
            assert [type(each) for each in refused] == [errors.RelationCycle]

    async def test_relations_of_deleted_entities_are_hidden(self, world: World) -> None:
        a, b = await entity(world, "A"), await entity(world, "B")
        made = await related(world, a, b)
        await world.remove("entity", b["id"])

        with pytest.raises(errors.NotFound):
            await world.read("relation", made["id"])
        assert await world.items("relation", world.project_id) == []
        with pytest.raises(errors.NotFound, match="targetEntityId"):
            await related(world, a, b, "blocks")
        await world.restore("entity", b["id"])
        assert await world.items("relation", world.project_id) == [made]


class TestTags:
    async def test_names_differ_in_more_than_case(self, world: World) -> None:
        first = await world.create("tag", world.project_id, name="Gothic", colour="#aa00ff")
        with pytest.raises(errors.AlreadyExists):
            await world.create("tag", world.project_id, name="gothic")
        await world.remove("tag", first["id"])
        second = await world.create("tag", world.project_id, name="GOTHIC")

        with pytest.raises(errors.AlreadyExists):
            await world.restore("tag", first["id"])
        await world.change("tag", second["id"], name="Romantic")
        assert (await world.restore("tag", first["id"]))["name"] == "Gothic"

    async def test_many_of_one_name_at_once(self, world: World) -> None:
        outcomes = await asyncio.gather(
            *(world.create("tag", world.project_id, name=name) for name in ("ice", "Ice", "ICE")),
            return_exceptions=True,
        )

        refused = [each for each in outcomes if isinstance(each, BaseException)]
        assert [type(each) for each in refused] == [errors.AlreadyExists] * 2

    async def test_taggings(self, world: World, owner: Pool) -> None:
        hero, place = await entity(world), await entity(world, "Ingolstadt", type="location")
        tag = await world.create("tag", world.project_id, name="dark")
        pair = {"entity_id": hero["id"], "tag_id": tag["id"]}
        made = await world.create("tagging", world.project_id, **pair)

        with pytest.raises(errors.AlreadyExists):
            await world.create("tagging", world.project_id, **pair)
        tagged = await world.items("entity", world.project_id, filters={"tag_id": tag["id"]})
        assert [each["id"] for each in tagged] == [hero["id"]]
        of_hero = await world.items("tag", hero["id"], parent_kind="entity")
        assert [each["id"] for each in of_hero] == [tag["id"]]
        assert await world.items("tag", place["id"], parent_kind="entity") == []
        await world.remove("tag", tag["id"])
        assert await world.items("tagging", world.project_id) == []
        filters = {"tag_id": tag["id"]}
        assert await world.items("entity", world.project_id, filters=filters) == []
        await world.restore("tag", tag["id"])
        await world.remove("tagging", made["id"])
        assert await world.items("tag", hero["id"], parent_kind="entity") == []
        await require_replayed(owner, world.project_id)
