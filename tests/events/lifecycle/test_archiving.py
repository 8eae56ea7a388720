"""The service itself refuses what would change an archived or deleted project, in one place."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from libs import errors
from libs.contracts.actor import Role
from libs.contracts.events import sync
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.model.log import canonical
from tests.events.bundling import Bundling, bundle_of, delete, put
from tests.events.lifecycle.support import Ending, furnished, require_equal
from tests.events.support import Json, World

type Deed = Callable[[World, dict[str, Json]], Awaitable[object]]


async def _push(world: World, made: dict[str, Json]) -> object:
    operations = [
        put("book", made["book"]["id"], "title", "No", oldValue=made["book"]["title"])
        | {"id": str(new_id())}
    ]
    question = sync.Push(
        session_id=new_id(),
        checkpoint=1,
        operations=operations,
        checksum=hashlib.sha256(canonical(operations)).hexdigest(),
        may=frozenset({"book.update"}),
    )
    return await world.caller.ask(sync.PUSH, question, world.actor)


async def _commit(world: World, made: dict[str, Json]) -> object:
    return await Bundling(world).commit(put("book", made["book"]["id"], "title", "No"))


async def _undo(world: World, made: dict[str, Json]) -> object:
    return await Bundling(world).undo(UUID(made["bundle"]["id"]))


async def _stage(world: World, made: dict[str, Json]) -> object:
    return await Bundling(world).stage(new_id(), 1, put("book", made["book"]["id"], "title", "No"))


DEEDS: dict[str, Deed] = {
    "create": lambda w, m: w.scene(m["chapter"], title="No"),
    "create beside": lambda w, _: w.create("tag", w.project_id, name="No"),
    "change": lambda w, m: w.change("scene", m["scene"]["id"], title="No"),
    "change the project": lambda w, _: w.change("project", w.project_id, name="No"),
    "remove": lambda w, m: w.remove("scene", m["scene"]["id"]),
    "remove a link": lambda w, m: w.remove("tagging", m["tagging"]["id"]),
    "restore": lambda w, m: w.restore("scene", m["deleted"]["id"]),
    "move": lambda w, m: w.move("scene", m["scene"]["id"], 1),
    "bundle": _commit,
    "undo": _undo,
    "push": _push,
    "stage": _stage,
    "purge": lambda w, m: Ending(w).purge("scene", m["deleted"]["id"]),
}


async def prepared(world: World) -> dict[str, Json]:
    made = await furnished(world)
    made["other"] = await world.scene(made["chapter"])
    made["deleted"] = await world.scene(made["chapter"])
    await world.remove("scene", made["deleted"]["id"])
    done = bundle_of(
        await Bundling(world).commit(put("chapter", made["chapter"]["id"], "title", "T"))
    )
    return made | {"bundle": {"id": str(done.id)}}


@pytest.mark.parametrize("deed", DEEDS)
async def test_nothing_changes_in_an_archived_project(deed: str, world: World, owner: Pool) -> None:
    """The whole of it is refused, also what would have been kept as a conflict."""
    made = await prepared(world)
    await Ending(world).archive()
    log = "SELECT count(*) FROM event_log WHERE project_id = $1"
    before = await owner.fetchval(log, world.project_id)

    with pytest.raises(errors.ProjectArchived):
        await DEEDS[deed](world, made)

    assert await owner.fetchval(log, world.project_id) == before
    await Ending(world).archive(archived=False)
    await DEEDS[deed](world, made)


async def test_who_may_come_in_and_the_project_itself_may_change(world: World, owner: Pool) -> None:
    await prepared(world)
    ending = Ending(world)
    shelved = await ending.archive()
    guest = new_id()
    await world.put_member(guest, Role.WRITER)
    await world.put_member(guest, Role.READER)
    await world.remove_member(guest)
    await world.remove("project", world.project_id)
    back = await world.restore("project", world.project_id)
    again = await ending.archive()
    opened = await ending.archive(archived=False)

    assert back["archivedAt"] == shelved["archivedAt"] is not None
    assert again["version"] == back["version"]
    assert opened["archivedAt"] is None
    await require_equal(owner)


async def test_standing_says_so(world: World) -> None:
    scene = await world.scene()
    await Ending(world).archive()

    assert (await world.standing(world.actor.user_id, "scene", scene["id"])).archived
    assert (await world.standing(world.actor.user_id, "project", world.project_id)).archived
    other = await World.begin(world.caller)
    assert not (await other.standing(other.actor.user_id, "project", other.project_id)).archived


async def test_a_writer_that_began_before_is_waited_for(
    world: World, owner: Pool, pool: Pool
) -> None:
    """However long a transaction stays open, nothing of it comes after `archived`."""
    scene = await world.scene(title="Once")
    async with pool.acquire() as connection:
        writing = connection.transaction()
        await writing.start()
        # As every command does before it appends.
        await connection.fetchrow(
            "SELECT FROM projects WHERE id = $1 FOR KEY SHARE", world.project_id
        )
        archiving = asyncio.create_task(Ending(world).archive())
        await asyncio.sleep(0.3)
        assert not archiving.done()
        await writing.commit()
    assert (await archiving)["archivedAt"] is not None
    async with owner.acquire() as connection:
        closing = connection.transaction()
        await closing.start()
        await connection.execute(
            "UPDATE projects SET archived_at = NULL, archived_by = NULL WHERE id = $1",
            world.project_id,
        )
        await connection.execute("SELECT FROM projects WHERE id = $1 FOR UPDATE", world.project_id)
        waiting = asyncio.create_task(world.change("scene", scene["id"], title="Twice"))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await closing.rollback()

    with pytest.raises(errors.ProjectArchived):
        await waiting


async def test_a_writer_may_take_back_their_own_deletion_and_no_other(world: World) -> None:
    """Restoring is for maintainers; to undo what one did oneself needs what doing it needed."""
    custom_events = ("create", "update", "delete", "reorder")
    may = frozenset(f"{kind}.{deed}" for kind in ("chapter", "scene") for deed in custom_events)
    one, other = await world.chapter(), await world.chapter()
    writer = world.as_user(new_id())
    own = bundle_of(await Bundling(writer).commit(delete("chapter", one["id"]), may=may))
    strange = bundle_of(await Bundling(world).commit(delete("chapter", other["id"])))

    with pytest.raises(errors.Forbidden):
        await Bundling(writer).undo(strange.id, may=may)
    with pytest.raises(errors.Forbidden):
        await Bundling(writer).undo(own.id, may=frozenset())
    await Bundling(writer).undo(own.id, may=may)

    assert (await world.read("chapter", one["id"]))["deletedAt"] is None


async def test_a_deleted_project_takes_nothing_more(world: World, owner: Pool) -> None:
    """A command that saw it before it was deleted and appends after that is refused, too."""
    chapter = await world.chapter()
    async with owner.acquire() as connection:
        deleting = connection.transaction()
        await deleting.start()
        await connection.execute("SELECT FROM projects WHERE id = $1 FOR UPDATE", world.project_id)
        writing = asyncio.create_task(world.scene(chapter, title="Late"))
        await asyncio.sleep(0.3)
        await connection.execute(
            "UPDATE projects SET deleted_at = now(), deleted_by = $2 WHERE id = $1",
            world.project_id,
            world.actor.user_id,
        )
        await deleting.commit()
    with pytest.raises(errors.NotFound):
        await writing
    await owner.execute(
        "UPDATE projects SET deleted_at = NULL, deleted_by = NULL WHERE id = $1", world.project_id
    )
