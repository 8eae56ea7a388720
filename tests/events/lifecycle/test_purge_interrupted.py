"""A purge that is killed, done twice, stuck or raced ends as one that was left alone."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.upkeep import LogPolicy, LogUpkeep
from tests.events.lifecycle.support import (
    MARK,
    STEPS_MAX,
    Ending,
    events_of_project,
    finish,
    flaws,
    furnished,
    purger,
    require_equal,
)
from tests.events.support import World


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

    rows = await events_of_project(owner, world.project_id)
    assert len({row["aggregate_id"] for row in rows}) == len(rows)
    await require_equal(owner)


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


async def test_upkeep_counts_and_forgets_beside_it(
    world: World, ending: Ending, pool: Pool, owner: Pool
) -> None:
    await furnished(world)
    await world.remove("project", world.project_id)
    ordered = await ending.purge("project", world.project_id)

    async def keep_up() -> None:
        for _ in range(5):
            await LogUpkeep(pool, LogPolicy(archive_after_days=1)).once()

    await asyncio.gather(keep_up(), finish(pool, ordered.id))

    assert (await ending.progress(ordered.id)).state == "done"
    await require_equal(owner)
