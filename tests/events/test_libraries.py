"""A person's library, and copies there and back."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.events import workspaces as w
from libs.contracts.events.bundles import BundleType, Committed
from libs.contracts.ids import new_id
from libs.postgres import Pool
from tests.events.bundling import ALL, Bundling, bundle_of
from tests.events.support import Json, World
from tests.events.test_log import require_replayed
from tests.events.test_workspaces import novel
from tests.events.test_world_replay import KINDS as BUSY_KINDS
from tests.events.workspaces import (
    everything_of,
    ids_of,
    inside,
)

pytestmark = pytest.mark.usefixtures("worker")


async def library(world: World) -> World:
    actor = Actor(user_id=world.actor.user_id)
    found = await world.caller.ask(w.OPEN_LIBRARY, w.OpenLibrary(), actor)
    return inside(world, found.project_id)


def some(*things: tuple[str, Json]) -> list[w.Thing]:
    return [w.Thing.model_validate({"kind": kind, "id": row["id"]}) for kind, row in things]


async def save(world: World, *things: tuple[str, Json]) -> Committed:
    question = w.SaveToLibrary(command_id=new_id(), things=some(*things))
    return await world.caller.ask(w.SAVE_TO_LIBRARY, question, world.actor)


async def take_over(world: World, *things: tuple[str, Json], **more: Any) -> Committed:
    question = w.ImportFromLibrary(
        command_id=more.get("command_id") or new_id(),
        things=some(*things),
        may=more.get("may", ALL),
    )
    return await world.caller.ask(w.IMPORT_FROM_LIBRARY, question, world.actor)


async def test_a_person_has_one_library(world: World) -> None:
    """Also when asked for at once; it is in no list, and a new one follows a deleted one."""
    found = await asyncio.gather(*(library(world) for _ in range(5)))

    assert len({each.project_id for each in found}) == 1
    listed = await replace(world, actor=Actor(user_id=world.actor.user_id)).items("project")
    assert [each["id"] for each in listed] == [str(world.project_id)]
    await found[0].remove("project", found[0].project_id)
    assert (await library(world)).project_id != found[0].project_id


async def test_there_and_back(world: World, owner: Pool) -> None:
    """With what it refers to, its tags, and what connects it; as copies, to be undone at once."""
    old = await novel(world)
    await save(
        world, ("entity", old["hero"]), ("entity", old["ship"]), ("prompt_preset", old["preset"])
    )
    shelf = await library(world)
    kept = {kind: await shelf.items(kind, shelf.project_id) for kind in BUSY_KINDS}
    counts = {kind: len(rows) for kind, rows in kept.items() if rows}
    assert counts == {
        "entity": 2, "tag": 1, "tagging": 1, "relation": 1, "persona": 1, "context_rule": 1,
        "style_guide": 1, "prompt_preset": 1,
    }  # fmt: skip

    other = await another(world)
    theirs = await other.create("tag", other.project_id, name="COLD")
    taken = await other.create("entity", other.project_id, type="other", name="x", slug="victor")
    things = [("entity", each) for each in kept["entity"]]
    bundle = bundle_of(await take_over(other, *things))

    assert bundle.type is BundleType.IMPORT
    heroes = [
        each for each in await other.items("entity", other.project_id) if each["id"] != taken["id"]
    ]
    taggings = await other.items("tagging", other.project_id)
    assert {each["name"] for each in heroes} == {"Victor", "Ship"}
    assert {each["slug"] for each in heroes} == {None}
    assert [each["tagId"] for each in taggings] == [theirs["id"]]
    assert len(await other.items("relation", other.project_id)) == 1
    text = await everything_of(owner, other.project_id)
    others = await ids_of(owner, world.project_id) | await ids_of(owner, shelf.project_id)
    assert [each for each in others if each in text] == []

    await Bundling(other).undo(bundle.id)
    assert [each["id"] for each in await other.items("entity", other.project_id)] == [taken["id"]]
    assert [each["id"] for each in await other.items("tag", other.project_id)] == [theirs["id"]]
    await require_replayed(owner, other.project_id)
    await require_replayed(owner, shelf.project_id)


async def another(world: World) -> World:
    """A second project of the same person."""
    project_id = new_id()
    outside = replace(world, actor=Actor(user_id=world.actor.user_id))
    await outside.create("project", None, id=project_id, name="Other")
    return inside(world, project_id)


async def test_asked_twice_it_is_copied_once(world: World) -> None:
    persona = await world.create("persona", world.project_id, name="Mary", prompt="x")
    await save(world, ("persona", persona))
    shelf = await library(world)
    kept = (await shelf.items("persona", shelf.project_id))[0]
    command = new_id()

    first = await take_over(world, ("persona", kept), command_id=command)
    again = await take_over(world, ("persona", kept), command_id=command)

    assert first == again
    assert len(await world.items("persona", world.project_id)) == 2


async def test_nobody_takes_what_is_not_theirs(world: World, caller: Caller) -> None:
    """Things of another project are not there, and what a role may not make is not made."""
    other = await World.begin(caller)
    foreign = await other.create("persona", other.project_id, name="Theirs", prompt="x")
    persona = await world.create("persona", world.project_id, name="Mary", prompt="x")
    await save(world, ("persona", persona))
    shelf = await library(world)
    kept = (await shelf.items("persona", shelf.project_id))[0]

    with pytest.raises(errors.NotFound):
        await save(world, ("persona", foreign))
    with pytest.raises(errors.NotFound):
        await take_over(world, ("persona", persona))
    with pytest.raises(errors.Forbidden):
        await take_over(world, ("persona", kept), may=frozenset({"entity.create"}))
    with pytest.raises(errors.Conflict):
        await save(shelf, ("persona", kept))
    assert len(await world.items("persona", world.project_id)) == 1
