"""Who may have what purged: on request, by retention, by an operator; and nobody what is not."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from libs import errors
from libs.contracts.events import lifecycle as c
from libs.contracts.ids import new_id
from libs.postgres import Pool
from tests.events.lifecycle.support import (
    Ending,
    finish,
    purger,
    require_equal,
)
from tests.events.support import World
from tests.support.command import scriptorium
from tools.stack import Stack


async def test_only_what_is_deleted_and_only_in_its_project(world: World, ending: Ending) -> None:
    scene = await world.scene()
    stranger = Ending(await World.begin(world.caller))
    with pytest.raises(errors.Conflict):
        await ending.purge("scene", scene["id"])
    gone = await world.remove("scene", scene["id"])
    with pytest.raises(errors.NotFound):
        await stranger.purge("scene", scene["id"])
    with pytest.raises(errors.NotFound):
        await stranger.purge("project", world.project_id)
    with pytest.raises(errors.PreconditionFailed):
        await ending.purge("scene", scene["id"], expected_version=gone["version"] - 1)
    ordered = await ending.purge("scene", scene["id"], expected_version=gone["version"])

    with pytest.raises(errors.NotFound):
        await stranger.progress(ordered.id)


async def test_retention_takes_what_was_deleted_long_ago_and_nothing_else(
    world: World, owner: Pool, pool: Pool
) -> None:
    """Not what was deleted lately, nor in an archived project, nor what lives."""
    shelf = await World.begin(world.caller)
    old, fresh, living = [await world.scene() for _ in range(3)]
    shelved = await shelf.scene()
    await world.remove("scene", old["id"])
    await world.remove("scene", fresh["id"])
    await shelf.remove("scene", shelved["id"])
    await Ending(shelf).archive()
    long_ago = datetime.now(UTC) - timedelta(days=31)
    await owner.execute(
        "UPDATE scenes SET deleted_at = $1 WHERE id = ANY ($2::uuid[])",
        long_ago,
        [UUID(old["id"]), UUID(shelved["id"])],
    )

    working = purger(pool, deleted_kept_days=30)
    assert await purger(pool).retire() == 0
    assert await working.retire() == 1
    assert await working.retire() == 0
    ordered = await owner.fetchrow("SELECT * FROM purges WHERE target_id = $1", UUID(old["id"]))
    assert ordered is not None
    await finish(pool, ordered["purge_id"])

    assert (ordered["reason"], ordered["requested_by"]) == ("retention", world.actor.user_id)
    for each, there in ((old, False), (fresh, True), (living, True)):
        standing = await world.standing(world.actor.user_id, "scene", each["id"])
        assert (standing.project_id is not None) == there
    assert (await shelf.read("scene", shelved["id"], include_deleted=True))["deletedAt"]
    # What was made older by hand is not what its events say.
    await owner.execute(
        "UPDATE scenes SET deleted_at = updated_at WHERE id = $1", UUID(shelved["id"])
    )
    await require_equal(owner)


async def test_the_service_can_erase_nothing_that_was_not_purged(
    world: World, pool: Pool, owner: Pool
) -> None:
    """The function that may delete events trusts the log alone, whoever calls it with what."""
    scene = await world.scene()
    purge_id = new_id()
    await pool.execute(
        "INSERT INTO purges (purge_id, project_id, kind, target_id, reason, requested_by, state, "
        "finished_at) VALUES ($1, $2, 'scene', $3, 'asked', $4, 'done', now())",
        purge_id,
        world.project_id,
        UUID(scene["id"]),
        world.actor.user_id,
    )
    await pool.execute(
        "INSERT INTO tombstones (aggregate_id, purge_id, project_id, kind, depth, buried_at) "
        "VALUES ($1, $2, $3, 'scene', 0, now())",
        UUID(scene["id"]),
        purge_id,
        world.project_id,
    )

    with pytest.raises(asyncpg.RaiseError):
        await pool.fetch("SELECT * FROM erase_purged($1, 10)", purge_id)
    with pytest.raises(asyncpg.RaiseError):
        await pool.fetch("SELECT forget_project($1)", purge_id)
    with pytest.raises(asyncpg.RaiseError):
        await pool.fetch("SELECT bury_row('scenes', $1)", UUID(scene["id"]))
    for statement in ("DELETE FROM tombstones", "DELETE FROM purges", "DELETE FROM events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)
    await owner.execute("DELETE FROM tombstones WHERE purge_id = $1", purge_id)
    await owner.execute("DELETE FROM purges WHERE purge_id = $1", purge_id)


async def test_operators_see_what_is_due_and_order_it(
    world: World, ending: Ending, owner: Pool, pool: Pool
) -> None:
    scene = await world.scene()
    await world.remove("scene", scene["id"])
    question = c.PurgeDue(dry_run=True, older_than_days=0, project_id=world.project_id)

    planned = await world.caller.ask(c.PURGE_DUE, question, world.actor)
    assert [(each.kind, str(each.id)) for each in planned.items] == [("scene", scene["id"])]
    assert not await owner.fetchval(
        "SELECT count(*) FROM purges WHERE project_id = $1", world.project_id
    )
    question = question.model_copy(update={"dry_run": False})
    await world.caller.ask(c.PURGE_DUE, question, world.actor)

    listed = await world.caller.ask(
        c.LIST_PURGES, c.ListPurges(project_id=world.project_id), world.actor
    )
    assert [(each.reason, str(each.target_id)) for each in listed.items] == [
        ("operator", scene["id"])
    ]
    await finish(pool, listed.items[0].id)
    assert (await ending.progress(listed.items[0].id)).state == "done"


async def test_the_command_plans_asks_and_orders(
    stack: Stack, world: World, owner: Pool, pool: Pool
) -> None:
    """A dry run orders nothing, nor does a person who says no."""
    scene = await world.scene()
    await world.remove("scene", scene["id"])
    mine = ("--project", world.project_id, "--data-dir", stack.data_dir)
    due = ("events", "purge", "--older-than", 0, *mine)
    orders = "SELECT count(*) FROM purges WHERE project_id = $1"

    planned, plan = await scriptorium(*due, "--dry-run")
    refused, _ = await scriptorium(*due)
    assert await owner.fetchval(orders, world.project_id) == 0
    ordered, order = await scriptorium(*due, "--yes")
    row = await owner.fetchrow("SELECT * FROM purges WHERE project_id = $1", world.project_id)
    assert row is not None
    await finish(pool, row["purge_id"])
    listed, list_of = await scriptorium("events", "purges", *mine)
    _, nothing = await scriptorium(*due, "--dry-run")

    assert (planned, refused, ordered, listed) == (0, 1, 0, 0)
    assert scene["id"] in plan
    assert "1 purges ordered" in order
    assert "done" in list_of
    assert "1 of 1 gone" in list_of
    assert "no thing is due" in nothing
    assert (await world.standing(world.actor.user_id, "scene", scene["id"])).project_id is None
