"""One rule for all ways: what a PATCH refuses no bundle, job, push or undo does."""

import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import ValidationError

from libs import errors
from libs.contracts.events.sync import RESOLVE, Resolve
from libs.contracts.ids import new_id
from tests.events.bundling import ALL, OPERATIONS, Bundling, bundle_of, fields_in, put
from tests.events.support import Json, World
from tests.events.syncing import Peer

TRAITS = {"height": "eight feet", "hands": {"left": 1}}
INTO_JSON = [
    ("entity", "traits", "traits.height"),
    ("entity", "traits", "traits.hands.left"),
    ("entity", "traits", "traits."),
    ("style_guide", "guide", "guide.tone"),
    ("prompt_preset", "constraints", "constraints.max"),
    ("entity", "name", "name.first"),
    ("entity", "aliases", "aliases.0"),
]


@pytest.fixture
def bundling(world: World) -> Bundling:
    return Bundling(world)


async def made(world: World, kind: Any, field: str) -> Json:
    fields: Json = {"name": "n"}
    if kind == "entity":
        fields |= {"type": "character", "traits": TRAITS}
    elif field in ("guide", "constraints"):
        fields |= {field: TRAITS}
    return await world.create(kind, world.project_id, **fields)


type Way = Callable[[World, Json], Awaitable[Any]]


async def by_bundle(world: World, operation: Json) -> Any:
    return await Bundling(world).commit(operation)


async def by_job(world: World, operation: Json) -> Any:
    job = new_id()
    await Bundling(world).stage(job, 1, operation)
    return await Bundling(world).commit_job(job, 1)


async def by_push(world: World, operation: Json) -> Any:
    return await Peer(world).push(1, operation | {"oldValue": None})


@pytest.mark.parametrize("way", [by_bundle, by_job, by_push])
@pytest.mark.parametrize(("kind", "field", "path"), INTO_JSON)
async def test_a_path_into_one_value_is_refused(
    world: World, way: Way, kind: Any, field: str, path: str
) -> None:
    """It was taken for the value itself, and everything else in there was gone."""
    thing = await made(world, kind, field)

    with pytest.raises(errors.Invalid) as refusal:
        await way(world, put(kind, thing["id"], path, "x"))

    assert refusal.value.code == "VALIDATION_FAILED"
    [mistake] = refusal.value.data["errors"]
    assert mistake["field"] == "operations.0.path"
    assert path in mistake["detail"]
    assert await world.read(kind, thing["id"]) == thing


async def test_what_has_members_is_changed_by_member(world: World, bundling: Bundling) -> None:
    entity = await made(world, "entity", "traits")

    await bundling.commit(put("entity", entity["id"], "story.role", "The one who flees"))

    assert (await world.read("entity", entity["id"]))["story"]["role"] == "The one who flees"


async def test_an_unknown_path_stays_unknown(world: World, bundling: Bundling) -> None:
    entity = await made(world, "entity", "traits")
    for path in ("nothing", "nothing.here", "story.nothing"):
        with pytest.raises(errors.Unknown):
            await bundling.commit(put("entity", entity["id"], path, "x"))


@pytest.mark.parametrize("lower", [1, None])
async def test_a_schema_version_only_rises(
    world: World, bundling: Bundling, lower: int | None
) -> None:
    scene = await world.scene(schema_version=5)
    operation = put("scene", scene["id"], "schemaVersion", lower)

    with pytest.raises(errors.SchemaLowered) as refusal:
        await bundling.commit(put("scene", scene["id"], "title", "T"), operation)
    job = new_id()
    await bundling.stage(job, 1, operation)
    with pytest.raises(errors.SchemaLowered):
        await bundling.commit_job(job, 1)
    pushed = await Peer(world).push(1, operation | {"oldValue": 5})

    assert (refusal.value.data["current"], refusal.value.data["wanted"]) == (5, lower)
    assert [each.status for each in pushed.results] == ["conflict"]
    [conflict] = fields_in(pushed.conflicts)
    assert (conflict["reason"], conflict["field"]) == ("refused", "SCHEMA_LOWERED")
    assert await world.read("scene", scene["id"]) == scene


async def test_an_undo_does_not_lower_it_either(world: World, bundling: Bundling) -> None:
    """What else the bundle did is undone once somebody says that the version stays."""
    scene = await world.scene(title="Old", schema_version=5)
    done = await bundling.commit(
        put("scene", scene["id"], "schemaVersion", 7), put("scene", scene["id"], "title", "New")
    )
    bundle_id = bundle_of(done).id

    with pytest.raises(errors.Conflict) as refusal:
        await bundling.undo(bundle_id)

    [conflict] = fields_in(refusal.value.data["conflicts"])
    assert (conflict["field"], conflict["reason"]) == ("schemaVersion", "refused")
    assert (conflict["theirs"], conflict["yours"]) == (7, 5)
    about = {"aggregate": conflict["aggregate"], "field": "schemaVersion"}
    with pytest.raises(errors.Conflict):
        await bundling.undo(bundle_id, resolutions=[about | {"take": "mine"}])
    await bundling.undo(bundle_id, resolutions=[about | {"take": "theirs"}])
    now = await world.read("scene", scene["id"])
    assert (now["title"], now["schemaVersion"]) == ("Old", 7)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, "a\0b", {"deep": [math.inf]}])
@pytest.mark.parametrize("member", ["value", "oldValue"])
def test_a_value_that_would_arrive_as_another_is_refused(value: Any, member: str) -> None:
    """`1e400` was read as infinite, sent on as null, and stored as that."""
    operation = put("entity", new_id(), "traits", {}) | {member: {"x": value}}

    with pytest.raises(ValidationError):
        OPERATIONS.validate_python([operation])


class TestBlockedUndo:
    """It answers what stands in its way, and is done when that is gone."""

    async def _removed_tagging(self, world: World, bundling: Bundling) -> tuple[Json, Any]:
        entity = await made(world, "entity", "traits")
        tag = await world.create("tag", world.project_id, name="red")
        link = {"entity_id": entity["id"], "tag_id": tag["id"]}
        tagging = await world.create("tagging", world.project_id, **link)
        await world.remove("tagging", tagging["id"])
        return entity, (await bundling.list(limit=1)).items[0].id

    async def test_something_that_it_needs_is_deleted(
        self, world: World, bundling: Bundling
    ) -> None:
        entity, bundle_id = await self._removed_tagging(world, bundling)
        await world.remove("entity", entity["id"])

        with pytest.raises(errors.Conflict) as refusal:
            await bundling.undo(bundle_id)

        assert refusal.value.code == "CONFLICT"
        [conflict] = fields_in(refusal.value.data["conflicts"])
        assert (conflict["reason"], conflict["field"]) == ("reference", "entityId")
        assert conflict["yours"] == entity["id"]
        await world.restore("entity", entity["id"])
        assert (await bundling.undo(bundle_id)).bundle is not None

    async def test_a_rule_of_the_data_is_told_as_a_conflict(
        self, world: World, bundling: Bundling
    ) -> None:
        tags = [await world.create("tag", world.project_id, name=name) for name in ("one", "red")]
        done = await bundling.commit(
            *(put("tag", tag["id"], "name", f"{tag['name']} 2") for tag in tags)
        )
        taken = await world.create("tag", world.project_id, name="red")

        with pytest.raises(errors.AlreadyExists) as refusal:
            await bundling.undo(bundle_of(done).id)

        [conflict] = fields_in(refusal.value.data["conflicts"])
        assert conflict["aggregate"]["id"] == tags[1]["id"]
        assert (conflict["reason"], conflict["field"]) == ("refused", "ALREADY_EXISTS")
        assert (await world.read("tag", tags[0]["id"]))["name"] == "one 2"
        await world.remove("tag", taken["id"])
        await bundling.undo(bundle_of(done).id)
        assert (await world.read("tag", tags[1]["id"]))["name"] == "red"

    async def test_of_many_steps_it_finds_the_one(self, world: World, bundling: Bundling) -> None:
        """Without trying each of them alone."""
        tags = [await world.create("tag", world.project_id, name=f"{n}") for n in range(250)]
        done = await bundling.commit(*(put("tag", t["id"], "name", f"x{t['name']}") for t in tags))
        await world.create("tag", world.project_id, name="200")

        with pytest.raises(errors.AlreadyExists) as refusal:
            await bundling.undo(bundle_of(done).id)

        [conflict] = fields_in(refusal.value.data["conflicts"])
        assert conflict["aggregate"]["id"] == tags[200]["id"]
        assert (await world.read("tag", tags[0]["id"]))["name"] == "x0"

    async def test_a_kept_conflict_whose_thing_is_gone(self, world: World) -> None:
        """Nobody who resolves it has sent an operation 0, and the conflict is there."""
        scene = await world.scene(title="A")
        peer = Peer(world)
        await world.change("scene", scene["id"], title="B")
        pushed = await peer.push(1, put("scene", scene["id"], "title", "C", oldValue="A"))
        await world.remove("scene", scene["id"])
        question = Resolve(
            command_id=new_id(),
            conflict_id=pushed.results[0].conflict_id or new_id(),
            take="mine",
            may=ALL,
        )

        with pytest.raises(errors.Conflict) as refusal:
            await world.caller.ask(RESOLVE, question, world.actor)

        [conflict] = fields_in(refusal.value.data["conflicts"])
        assert conflict["reason"] == "gone"
