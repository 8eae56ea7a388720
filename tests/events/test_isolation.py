"""Tenant isolation: with another project's actor, nothing of ours exists."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Role
from libs.contracts.events.resources import Kind
from libs.contracts.ids import new_id
from tests.events.support import Json, World

ABOVE: dict[Kind, Kind] = {"book": "project", "chapter": "book", "scene": "chapter"}
KINDS: list[Kind] = ["project", "book", "chapter", "scene"]

type Attempt = Callable[[World, Kind, UUID], Awaitable[object]]
ATTEMPTS: dict[str, Attempt] = {
    "read": lambda w, kind, thing: w.read(kind, thing),
    "read deleted": lambda w, kind, thing: w.read(kind, thing, include_deleted=True),
    "change": lambda w, kind, thing: (
        w.change(kind, thing, name="X") if kind == "project" else w.change(kind, thing, title="X")
    ),
    "merge": lambda w, kind, thing: w.change(kind, thing, base=1),
    "remove": lambda w, kind, thing: w.remove(kind, thing),
    "restore": lambda w, kind, thing: w.restore(kind, thing),
    "move": lambda w, kind, thing: w.move(kind, thing, 0),
}


async def family(world: World) -> dict[Kind, Json]:
    scene = await world.scene(title="Mine")
    return {
        "project": {"id": str(world.project_id)},
        "book": {"id": scene["bookId"]},
        "chapter": {"id": scene["chapterId"]},
        "scene": scene,
    }


@pytest.mark.parametrize("attempt", ATTEMPTS)
@pytest.mark.parametrize("kind", KINDS)
async def test_things_of_another_project_do_not_exist(
    world: World, caller: Caller, kind: Kind, attempt: str
) -> None:
    if (kind, attempt) == ("project", "move"):
        pytest.skip("projects have no order")
    ours = await family(world)
    stranger = await World.begin(caller)
    thing = UUID(ours[kind]["id"])
    before = await world.read(kind, thing)

    with pytest.raises(errors.NotFound):
        await ATTEMPTS[attempt](stranger, kind, thing)

    assert await world.read(kind, thing) == before


@pytest.mark.parametrize("kind", list(ABOVE))
async def test_nothing_is_made_listed_or_put_under_another_projects_parent(
    world: World, caller: Caller, kind: Kind
) -> None:
    ours = await family(world)
    stranger = await World.begin(caller)
    theirs = await family(stranger)
    parent = ours[ABOVE[kind]]["id"]

    for attempt in (
        stranger.create(kind, parent, title="X"),
        stranger.page(kind, parent),
        stranger.page(kind, parent, include_deleted=True),
        stranger.move(kind, theirs[kind]["id"], 0, parent_id=parent),
    ):
        with pytest.raises(errors.NotFound):
            await attempt


async def test_members_are_of_the_actors_project(world: World, caller: Caller) -> None:
    stranger = await World.begin(caller)
    person = new_id()
    await world.put_member(person, Role.READER)

    with pytest.raises(errors.NotFound):
        await stranger.remove_member(person)
    await stranger.put_member(person, Role.OWNER)
    assert {each.project_id for each in await stranger.members()} == {stranger.project_id}
    assert [each.role for each in await world.members() if each.user_id == person] == ["READER"]
    nowhere = stranger.as_user(new_id())
    nowhere = World(caller, nowhere.actor.model_copy(update={"project_id": new_id()}))
    for attempt in (
        nowhere.members(),
        nowhere.put_member(person, Role.OWNER),
        nowhere.remove_member(person),
    ):
        with pytest.raises(errors.NotFound):
            await attempt


async def test_projects_of_others_are_not_listed(world: World, caller: Caller) -> None:
    stranger = await World.begin(caller)

    assert [each["id"] for each in await stranger.items("project")] == [str(stranger.project_id)]
    assert str(stranger.project_id) not in {each["id"] for each in await world.items("project")}


async def test_actor_without_a_project_gets_nowhere(world: World) -> None:
    outside = World(world.caller, world.actor.model_copy(update={"project_id": None}))
    scene = await world.scene()

    with pytest.raises(errors.Invalid):
        await outside.read("scene", scene["id"])
    with pytest.raises(errors.Invalid):
        await outside.change("scene", scene["id"], title="X")
