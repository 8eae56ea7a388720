"""What is purged is gone from everywhere for ever, and all proofs about the rest still hold."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from libs import errors
from libs.contracts import lifecycle as c
from libs.contracts.actor import Role
from libs.contracts.ids import new_id
from libs.contracts.resources import Kind
from libs.postgres import Pool
from libs.stack import Stack
from services.events.lifecycle.orders import LASTING
from services.events.upkeep import Policy, Upkeep
from tests.events.bundling import Bundling, bundle_of, delete, put
from tests.events.lifecycle.support import (
    MARK,
    STEPS_MAX,
    Ending,
    finish,
    flaws,
    furnished,
    purger,
    require_equal,
    tables_with,
)
from tests.events.support import World
from tests.support.command import scriptorium


@pytest.fixture
def ending(world: World) -> Ending:
    return Ending(world)


async def stones(owner: Pool, project_id: UUID) -> list[asyncpg.Record]:
    return await owner.fetch("SELECT * FROM event_log WHERE project_id = $1", project_id)


async def test_a_project_leaves_nothing_but_tombstones(
    world: World, ending: Ending, owner: Pool, pool: Pool
) -> None:
    """No table of the database holds a word of it, the log of all its things still verifies."""
    stranger = await World.begin(world.caller)
    kept = await stranger.scene(title="Frühlingstraum")
    made = await furnished(world, "Wasserflut")
    await world.put_member(new_id(), Role.WRITER)
    await Bundling(world).commit(
        put("book", made["book"]["id"], "title", "Wasserflut 2"), label="Wasserflut"
    )
    await world.remove("relation", made["relation"]["id"])
    await world.remove("project", world.project_id)
    things = await owner.fetchval(
        "SELECT count(*) FROM aggregates WHERE project_id = $1", world.project_id
    )

    ordered = await ending.purge("project", world.project_id)
    await finish(pool, ordered.id)

    done = await ending.progress(ordered.id)
    assert (done.state, done.things, done.buried, done.erased) == ("done", things, things, things)
    assert await tables_with(owner, "Wasserflut") == {}
    left = await stones(owner, world.project_id)
    assert len(left) == things
    assert {row["event_type"].partition(".")[2] for row in left} == {"purged"}
    assert await flaws(owner, world.project_id) == []
    assert (await world.standing(world.actor.user_id, "project", world.project_id)).role is None
    assert (await stranger.read("scene", kept["id"]))["title"] == "Frühlingstraum"
    await require_equal(owner)


@pytest.mark.parametrize("kind", [about.kind for about in LASTING if about.kind != "project"])
async def test_a_thing_goes_with_all_below_it(
    kind: Kind, world: World, ending: Ending, owner: Pool, pool: Pool
) -> None:
    """Whatever it is: the rest stays, names it no more, and is the fold of its events."""
    made = await furnished(world)
    before = await owner.fetchval(
        "SELECT count(*) FROM aggregates WHERE project_id = $1", world.project_id
    )
    await world.remove(kind, made[kind]["id"])

    ordered = await ending.purge(kind, made[kind]["id"])
    await finish(pool, ordered.id)

    done = await ending.progress(ordered.id)
    rows = await stones(owner, world.project_id)
    gone = {row["aggregate_id"] for row in rows if row["event_type"].endswith(".purged")}
    assert UUID(made[kind]["id"]) in gone
    assert done.things == len(gone) == done.erased < before
    assert len([row for row in rows if row["aggregate_id"] in gone]) == len(gone)
    assert await flaws(owner, world.project_id) == []
    await require_equal(owner)


async def test_what_names_it_is_told_by_an_event(
    world: World, ending: Ending, owner: Pool, pool: Pool
) -> None:
    made = await furnished(world)
    chapter, fact = made["chapter"]["id"], made["canon_fact"]["id"]
    await world.remove("chapter", chapter)

    await finish(pool, (await ending.purge("chapter", chapter)).id)

    assert (await world.read("canon_fact", fact))["revealSceneId"] is None
    last = await owner.fetchrow(
        "SELECT * FROM event_log WHERE aggregate_id = $1 ORDER BY version DESC", UUID(fact)
    )
    assert last is not None
    assert last["event_type"] == "canon_fact.reveal_scene_id_changed"
    assert last["source"] == "system"
    with pytest.raises(errors.NotFound):
        await world.read("appearance", made["appearance"]["id"])
    assert [each["id"] for each in await world.items("book", world.project_id)] == [
        made["book"]["id"]
    ]


async def test_a_crash_between_any_two_steps_is_gone_on_from(
    world: World, ending: Ending, owner: Pool, pool: Pool
) -> None:
    """After each step the projections are the fold of the log, and another replica goes on."""
    await furnished(world)
    await world.remove("project", world.project_id)
    ordered = await ending.purge("project", world.project_id)

    seen = set[str]()
    for _ in range(STEPS_MAX):
        await purger(pool).step()
        await require_equal(owner)
        assert await flaws(owner, world.project_id) == []
        seen.add((await ending.progress(ordered.id)).state)
        if "done" in seen:
            break
        await owner.execute("UPDATE purges SET not_before = now()")

    assert seen == {"burying", "erasing", "done"}


async def test_a_step_that_dies_in_the_middle_did_nothing(
    world: World, ending: Ending, owner: Pool, pool: Pool
) -> None:
    """Its connection is killed again and again at any moment; nothing is left half done."""
    made = await furnished(world)
    for _ in range(30):
        await world.scene(made["chapter"], title=MARK)
    await world.remove("project", world.project_id)
    ordered = await ending.purge("project", world.project_id)
    killing = True

    async def kill() -> None:
        while killing:
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'tests' AND query LIKE '%tombstones%' AND state <> 'idle'"
            )
            await asyncio.sleep(0.002)

    killer = asyncio.create_task(kill())
    for _ in range(20):
        try:
            await purger(pool).step()
        except (errors.Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            continue
    killing = False
    await killer
    await owner.execute("UPDATE purges SET not_before = now()")
    await require_equal(owner)

    await finish(pool, ordered.id)

    assert await flaws(owner, world.project_id) == []
    await require_equal(owner)


async def test_two_replicas_do_it_once(
    world: World, ending: Ending, owner: Pool, pool: Pool
) -> None:
    await furnished(world)
    await world.remove("project", world.project_id)
    ordered = await ending.purge("project", world.project_id)

    await asyncio.gather(*(finish(pool, ordered.id) for _ in range(3)))

    rows = await stones(owner, world.project_id)
    assert len({row["aggregate_id"] for row in rows}) == len(rows)
    await require_equal(owner)


async def test_nothing_comes_back(world: World, ending: Ending, owner: Pool, pool: Pool) -> None:
    """From the order on it cannot be restored; later its id is refused, and undo finds nothing."""
    book = await world.book()
    chapter = await world.chapter(book)
    bundle = bundle_of(await Bundling(world).commit(delete("chapter", chapter["id"])))
    ordered = await ending.purge("chapter", chapter["id"])

    with pytest.raises(errors.Gone):
        await world.restore("chapter", chapter["id"])
    with pytest.raises(errors.Gone):
        await Bundling(world).undo(bundle.id)
    await finish(pool, ordered.id)
    with pytest.raises(errors.NotFound):
        await world.restore("chapter", chapter["id"])
    with pytest.raises(errors.NotFound):
        await Bundling(world).undo(bundle.id)
    with pytest.raises(errors.Gone):
        await world.create("chapter", book["id"], id=UUID(chapter["id"]), title="Again")
    again = await ending.purge("chapter", chapter["id"])

    assert (again.id, again.state) == (ordered.id, "done")
    await require_equal(owner)


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


async def test_archived_events_are_erased_and_their_neighbours_stay(
    world: World, ending: Ending, owner: Pool, pool: Pool
) -> None:
    """A chunk of the archive is made anew without them; every other event reads as before."""
    made = await furnished(world)
    await owner.execute(
        "UPDATE outbox SET published_at = now() WHERE published_at IS NULL AND position IS NOT NULL"
    )
    # The checksum covers the time, so that the chunk is made of what is young.
    moment = datetime.now(UTC)
    await owner.execute("ALTER FUNCTION archive_events(timestamptz, integer) RENAME TO archive_old")
    source = await owner.fetchval(
        "SELECT pg_get_functiondef('archive_old(timestamptz, integer)'::regprocedure)"
    )
    await owner.execute(
        source.replace("archive_old", "archive_events").replace("interval '1 hour'", "interval '0'")
    )
    while await owner.fetchval("SELECT archive_events($1, 1000)", moment):
        pass
    await owner.execute("DROP FUNCTION archive_events(timestamptz, integer)")
    await owner.execute("ALTER FUNCTION archive_old(timestamptz, integer) RENAME TO archive_events")
    before = await stones(owner, world.project_id)
    assert await owner.fetchval(
        "SELECT count(*) FROM event_archive WHERE project_id = $1", world.project_id
    )
    await world.remove("entity", made["entity"]["id"])

    await finish(pool, (await ending.purge("entity", made["entity"]["id"])).id)

    gone = {
        made["entity"]["id"],
        made["relation"]["id"],
        made["tagging"]["id"],
        made["appearance"]["id"],
    }
    after = {row["id"]: row for row in await stones(owner, world.project_id)}
    for row in before:
        if str(row["aggregate_id"]) in gone:
            assert row["id"] not in after
        else:
            assert after[row["id"]] == row
    assert await flaws(owner, world.project_id) == []
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


async def test_a_purge_that_cannot_be_done_waits_for_a_person(
    world: World, ending: Ending, owner: Pool, pool: Pool
) -> None:
    """It tries some times, says why, holds up no other, and goes on when it is asked for again."""
    scene, other = await world.scene(), await world.scene()
    for each in (scene, other):
        await world.remove("scene", each["id"])
    ordered = await ending.purge("scene", scene["id"])
    await owner.execute(
        "ALTER TABLE tombstones ADD CONSTRAINT stuck CHECK "
        f"(buried_at IS NULL OR aggregate_id <> '{scene['id']}')"
    )
    working = purger(pool)
    for _ in range(30):
        await owner.execute("UPDATE purges SET not_before = now() WHERE purge_id = $1", ordered.id)
        await working.step()
    stuck = await ending.progress(ordered.id)
    await finish(pool, (await ending.purge("scene", other["id"])).id)
    await require_equal(owner)
    await owner.execute("ALTER TABLE tombstones DROP CONSTRAINT stuck")
    again = await ending.purge("scene", scene["id"])
    await finish(pool, again.id)

    assert (stuck.state, bool(stuck.failure)) == ("failed", True)
    assert again.id == ordered.id
    assert (await ending.progress(again.id)).state == "done"
    await require_equal(owner)


async def test_who_writes_meanwhile_is_not_forgotten(
    world: World, ending: Ending, owner: Pool, pool: Pool
) -> None:
    """A scene that is committed below a deleted book after all was gathered goes with the rest."""
    book = await world.book()
    chapter = await world.chapter(book)
    await world.remove("book", book["id"])
    ordered = await ending.purge("book", book["id"])
    await purger(pool).step()
    late: Any = new_id()
    # As of a command that saw the book before it was deleted and commits only now.
    hide = "UPDATE books SET deleted_at = $2, deleted_by = $3 WHERE id = $1"
    row = await owner.fetchrow("SELECT * FROM books WHERE id = $1", UUID(book["id"]))
    assert row is not None
    await owner.execute(hide, row["id"], None, None)
    await world.create("scene", chapter["id"], id=late, title="Late")
    await owner.execute(hide, row["id"], row["deleted_at"], row["deleted_by"])

    await finish(pool, ordered.id)

    assert (
        await owner.fetchval("SELECT kind FROM tombstones WHERE aggregate_id = $1", late) == "scene"
    )
    assert await flaws(owner, world.project_id) == []
    await require_equal(owner)


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


async def test_upkeep_counts_and_forgets_beside_it(
    world: World, ending: Ending, pool: Pool, owner: Pool
) -> None:
    await furnished(world)
    await world.remove("project", world.project_id)
    ordered = await ending.purge("project", world.project_id)

    async def keep_up() -> None:
        for _ in range(5):
            await Upkeep(pool, Policy(archive_after_days=1)).once()

    await asyncio.gather(keep_up(), finish(pool, ordered.id))

    assert (await ending.progress(ordered.id)).state == "done"
    await require_equal(owner)


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
    assert "nothing is due" in nothing
    assert (await world.standing(world.actor.user_id, "scene", scene["id"])).project_id is None
