"""baseVersion: what merges, what conflicts, and what the conflict tells."""

from datetime import datetime

import pytest

from libs import errors
from libs.contracts.actor import Role
from libs.contracts.ids import new_id
from tests.events.support import Json, World

BASE: Json = {"title": "Old", "status": "DRAFT", "summary": None}


@pytest.mark.parametrize(
    ("theirs", "yours", "conflicting"),
    [
        ({"title": "T"}, {"status": "FINAL"}, []),
        ({"title": "T"}, {"title": "T"}, []),
        ({"title": "T"}, {"title": "Y"}, ["title"]),
        ({"title": "T"}, {"title": "Old"}, ["title"]),
        ({"title": "T", "status": "FINAL"}, {"title": "Y", "status": "FINAL"}, ["title"]),
        (
            {"title": "T", "status": "FINAL"},
            {"title": "Y", "status": "REVISED"},
            ["title", "status"],
        ),
        ({"summary": "S"}, {"summary": None, "title": "Y"}, ["summary"]),
        ({}, {"title": "Y"}, []),
    ],
)
async def test_matrix(world: World, theirs: Json, yours: Json, conflicting: list[str]) -> None:
    """A field conflicts when both sides gave it new values that differ."""
    scene = await world.scene(**BASE)
    base = scene["version"]
    current = await world.change("scene", scene["id"], **theirs)

    if not conflicting:
        merged = await world.change("scene", scene["id"], base=base, **yours)
        assert {name: merged[name] for name in BASE} == BASE | theirs | yours
        return
    with pytest.raises(errors.Conflict) as refusal:
        await world.change("scene", scene["id"], base=base, **yours)
    told = refusal.value.data
    assert (told["baseVersion"], told["currentVersion"]) == (base, current["version"])
    assert [each["field"] for each in told["conflicts"][0]["fields"]] == conflicting
    for each in told["conflicts"][0]["fields"]:
        name = each["field"]
        assert (each["base"], each["theirs"], each["yours"]) == (
            BASE[name],
            theirs[name],
            yours[name],
        )
    assert await world.read("scene", scene["id"]) == current


async def test_conflicts_are_grouped_by_bundle(world: World) -> None:
    """Each bundle says who made it, when, and which fields of yours it touches."""
    other = world.as_user(new_id())
    await world.put_member(other.actor.user_id, Role.WRITER)
    scene = await world.scene(**BASE)
    one, two = new_id(), new_id()
    await other.change("scene", scene["id"], command_id=one, title="T", summary="S")
    await world.change("scene", scene["id"], command_id=two, status="FINAL")

    with pytest.raises(errors.Conflict) as refusal:
        await world.change(
            "scene", scene["id"], base=1, title="Y", summary="Y", status="REVISED", tense="PAST"
        )

    conflicts = refusal.value.data["conflicts"]
    assert [(each["bundleId"], each["by"]) for each in conflicts] == [
        (str(one), str(other.actor.user_id)),
        (str(two), str(world.actor.user_id)),
    ]
    assert all(datetime.fromisoformat(each["at"]) for each in conflicts)
    assert [[f["field"] for f in each["fields"]] for each in conflicts] == [
        ["title", "summary"],
        ["status"],
    ]


async def test_changed_and_changed_back_is_no_conflict(world: World) -> None:
    scene = await world.scene(**BASE)
    await world.change("scene", scene["id"], title="T")
    await world.change("scene", scene["id"], title="Old")

    merged = await world.change("scene", scene["id"], base=1, title="Y")

    assert (merged["title"], merged["version"]) == ("Y", 4)


async def test_conflict_tells_the_first_base_and_the_last_change(world: World) -> None:
    scene, last = await world.scene(**BASE), new_id()
    for title in ("A", "B", "C"):
        await world.change("scene", scene["id"], title=title)
    await world.change("scene", scene["id"], command_id=last, title="D")

    with pytest.raises(errors.Conflict) as refusal:
        await world.change("scene", scene["id"], base=1, title="Y")

    (bundle,) = refusal.value.data["conflicts"]
    assert bundle["bundleId"] == str(last)
    assert bundle["fields"] == [{"field": "title", "base": "Old", "theirs": "D", "yours": "Y"}]


async def test_move_does_not_conflict_with_a_change(world: World) -> None:
    first = await world.scene(**BASE)
    await world.scene({"id": first["chapterId"]})
    await world.move("scene", first["id"], 1)

    merged = await world.change("scene", first["id"], base=1, title="Y")

    assert (merged["title"], merged["index"], merged["version"]) == ("Y", 1, 3)


@pytest.mark.parametrize("base", [-1, 0, 2, 99])
async def test_base_that_never_was_is_refused(world: World, base: int) -> None:
    scene = await world.scene()

    with pytest.raises(errors.Invalid) as refusal:
        await world.change("scene", scene["id"], base=base, title="Y")

    assert refusal.value.data["errors"][0]["field"] == "baseVersion"
