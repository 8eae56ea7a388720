"""Values are compared as JSON: in patches, merges, bundles, undo and sync alike."""

from typing import Any

import pytest

from libs import errors
from libs.postgres import Pool
from services.events.model.equality import same
from tests.events.bundling import Bundling, bundle_of, fields_in, put
from tests.events.support import Json, World
from tests.events.syncing import Peer

DIFFERENT: list[tuple[Any, Any]] = [
    (True, 1),
    (False, 0),
    ([True], [1]),
    ({"deep": {"er": 0}}, {"deep": {"er": False}}),
    ({"a": 1}, {"a": 1, "b": None}),
    ([1], [1, 1]),
    (1, "1"),
    (None, False),
    (2**53, 2**53 + 1),
]
SAME: list[tuple[Any, Any]] = [
    (1, 1.0),
    (10**300, 1e300),
    ({"a": [1e21]}, {"a": [10**21]}),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (-0.0, 0),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different(one: Any, other: Any) -> None:
    assert not same(one, other)
    assert not same(other, one)
    assert same(one, one)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same(one: Any, other: Any) -> None:
    assert same(one, other)
    assert same({"x": [other]}, {"x": [one]})


def test_too_large_for_a_double() -> None:
    assert not same(10**400, 1e300)


@pytest.fixture
def bundling(world: World) -> Bundling:
    return Bundling(world)


@pytest.fixture
async def entity(world: World) -> Json:
    return await world.create(
        "entity", world.project_id, type="item", name="n", traits={"x": True, "y": 0}
    )


def told(conflict: Json) -> tuple[str, str, str]:
    return tuple(repr(conflict[side]) for side in ("base", "theirs", "yours"))  # pyright: ignore[reportReturnType]


async def test_a_patch_stores_what_only_python_takes_for_equal(
    world: World, entity: Json, pool: Pool
) -> None:
    """In the row as well as in the log, and in each of many rows that are written together."""
    changed = await world.change("entity", entity["id"], traits={"x": 1, "y": False})

    assert changed["version"] == 2
    stored = await pool.fetchval("SELECT traits FROM entities WHERE id = $1", entity["id"])
    assert repr(stored) == repr({"x": 1, "y": False})


async def test_many_rows_at_once(world: World, bundling: Bundling) -> None:
    made = [
        await world.create("entity", world.project_id, type="item", name="n", traits={"x": True})
        for _ in range(3)
    ]
    await bundling.commit(*(put("entity", each["id"], "traits", {"x": 1}) for each in made))

    for each in made:
        assert repr((await world.read("entity", each["id"]))["traits"]) == repr({"x": 1})


async def test_a_merge_meets_the_other_one(world: World, entity: Json) -> None:
    await world.change("entity", entity["id"], traits={"x": 1, "y": 0})

    with pytest.raises(errors.Conflict) as refusal:
        await world.change("entity", entity["id"], base=1, traits={"x": False, "y": 0})

    [conflict] = fields_in(refusal.value.data["conflicts"])
    assert told(conflict) == (
        repr({"x": True, "y": 0}),
        repr({"x": 1, "y": 0}),
        repr({"x": False, "y": 0}),
    )


async def test_an_undo_takes_back_and_meets_the_other_one(
    world: World, entity: Json, bundling: Bundling
) -> None:
    path = entity["id"], "traits"
    one = await bundling.commit(put("entity", *path, {"x": 1}))
    undone = await bundling.undo(bundle_of(one).id)
    assert bundle_of(undone).operations == 1
    assert repr((await world.read("entity", entity["id"]))["traits"]["x"]) == "True"
    two = await bundling.commit(put("entity", *path, {"x": 0}))
    await bundling.commit(put("entity", *path, {"x": False}))
    with pytest.raises(errors.Conflict):
        await bundling.undo(bundle_of(two).id)


async def test_a_peer_that_saw_the_other_one_has_a_conflict(world: World, entity: Json) -> None:
    seen = {"x": 1, "y": 0}
    wanted = put("entity", entity["id"], "traits", {"x": 2, "y": 0}, oldValue=seen)

    pushed = await Peer(world).push(1, wanted)

    assert [each.status for each in pushed.results] == ["conflict"]


@pytest.mark.parametrize("value", [1, "yes", 0, "true"])
async def test_a_flag_is_true_or_false(world: World, value: Any) -> None:
    """What only resembles a flag was stored as one."""
    with pytest.raises(errors.Invalid) as refusal:
        await world.create("context_rule", world.project_id, name="r", enabled=value)

    assert refusal.value.data["errors"][0]["field"] == "enabled"
