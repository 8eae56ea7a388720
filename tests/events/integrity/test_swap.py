"""Rebuilt rows in the place of live ones: under writers, in turns, whatever dies."""

import asyncio
import json
import os
import sys
from typing import Any

import pytest

from libs.bus import Caller
from libs.postgres import Pool
from services.events.rebuild import __main__ as rebuilding
from services.events.rebuild import swap as swapping
from services.events.rebuild.swap import NotSwapped
from tests.events.integrity.damage import Operator
from tests.events.integrity.rebuilding import run, spoil
from tests.events.support import Json, World
from tests.events.test_log import require_replayed
from tools.stack import Stack

WRITERS = 8
SLUG = "SELECT slug FROM projects WHERE id = $1"


async def test_swap_while_sixteen_times_written(
    world: World, owner: Pool, operator: Operator
) -> None:
    """Nothing is lost, no writer hears of it, and afterwards all is what the log says."""
    del operator
    one, two = await spoil(owner, world)
    book = await world.book()
    working = True

    async def write(number: int) -> int:
        done = 0
        while working:
            chapter = await world.chapter(book, title=f"W{number}")
            await world.scene(chapter, title=f"{number}.{done}")
            await world.change("chapter", chapter["id"], title=f"{number}.{done}")
            done += 1
        return done

    writers = [asyncio.create_task(write(number)) for number in range(WRITERS)]
    await asyncio.sleep(0.3)
    answers = [await run(owner, do_swap=True) for _ in range(2)]
    working = False
    done = await asyncio.gather(*writers)

    assert min(done) > 0
    assert not answers[0]["equal"]
    assert answers[1]["equal"], answers[1]["shown"]
    assert answers[0]["swapped"]["caughtUp"] > 0
    chapters = await world.items("chapter", book["id"])
    assert len(chapters) == min(sum(done), 500)
    await require_replayed(owner, world.project_id)
    items = await world.items("scene", (await world.read("scene", one))["chapterId"])
    assert [each["id"] for each in items] == [one, two]


async def test_a_value_that_is_held_refuses_the_whole_swap(world: World, owner: Pool) -> None:
    """A row written past the log in the meantime stands in the way: nothing is half done."""
    book = await world.book("Right")
    await owner.execute("UPDATE books SET title = 'Wrong' WHERE id = $1", book["id"])
    await owner.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE unique_violation; END $$;"
        "CREATE TRIGGER refuse BEFORE UPDATE ON books FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    try:
        with pytest.raises(NotSwapped, match="in the way"):
            await run(owner, do_swap=True)
    finally:
        await owner.execute("DROP FUNCTION refuse CASCADE")
    assert (await world.read("book", book["id"]))["title"] == "Wrong"
    assert (await run(owner, do_swap=True))["swapped"]["rows"] == 1


async def test_projects_take_turns(
    world: World, owner: Pool, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that cannot be put in place holds up no other, and comes when its way is free."""
    monkeypatch.setattr(swapping, "HOLD_ROWS", 1)
    rename = "UPDATE projects SET slug = $2 WHERE id = $1"
    worlds = sorted(
        [world, *[await World.begin(caller) for _ in range(3)]], key=lambda each: each.project_id
    )
    right = [await owner.fetchval(SLUG, each.project_id) for each in worlds]
    # Each holds the slug of the next: only the last one can go first.
    for number, each in reversed(list(enumerate(worlds))):
        taken = right[number + 1] if number + 1 < len(worlds) else "somewhere-else"
        await owner.execute(rename, each.project_id, taken)
    answer = await run(owner, do_swap=True)

    assert (answer["differences"], answer["swapped"]["rows"]) == (4, 4)
    assert [await owner.fetchval(SLUG, each.project_id) for each in worlds] == right

    # Two that hold each other's cannot, and a third one that is wrong is put right.
    for each, slug in ((worlds[0], "parked"), (worlds[1], right[0]), (worlds[0], right[1])):
        await owner.execute(rename, each.project_id, slug)
    await owner.execute("UPDATE projects SET name = 'W' WHERE id = $1", worlds[2].project_id)
    with pytest.raises(NotSwapped, match="2 projects are as they were, 1 rows"):
        await run(owner, do_swap=True)
    await owner.execute(rename, worlds[0].project_id, "parked")
    assert (await run(owner, do_swap=True))["swapped"]["rows"] == 2
    assert (await run(owner))["equal"]


async def test_what_grows_between_two_turns_is_caught_up(
    world: World, owner: Pool, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers come in between projects; what they change in one that is still to come stays."""
    monkeypatch.setattr(swapping, "HOLD_ROWS", 1)
    first, last = sorted([world, await World.begin(caller)], key=lambda each: each.project_id)
    scenes = [await each.scene(title="Right") for each in (first, last)]
    for scene in scenes:
        await owner.execute("UPDATE scenes SET title = 'Wrong' WHERE id = $1", scene["id"])
    written: list[asyncio.Task[Json]] = []

    def say(**line: Any) -> None:
        if line["step"] == "swap" and not written:
            # From the middle of the swap: the first project is in place, the last one is not.
            work = last.change("scene", scenes[1]["id"], summary="New")
            written.append(asyncio.create_task(work))

    async def pause(_seconds: float) -> None:
        await asyncio.gather(*written)

    monkeypatch.setattr(rebuilding, "_say", say)
    monkeypatch.setattr(swapping, "_let_in", pause)
    answer = await run(owner, do_swap=True)

    assert answer["swapped"]["caughtUp"] == 1
    scene = await last.read("scene", scenes[1]["id"])
    assert (scene["title"], scene["summary"]) == ("Right", "New")
    assert (await run(owner))["equal"]


async def test_nothing_is_erased_between_proof_and_swap(world: World, owner: Pool) -> None:
    """A purge takes events of bundles away; those of a proof have to stay what they were."""
    await world.book("B")
    await owner.execute("DELETE FROM bundles WHERE project_id = $1", world.project_id)
    async with owner.acquire() as connection:
        # As who erases has it.
        await connection.execute("SELECT pg_advisory_lock(6111, 3)")
        work = asyncio.create_task(run(owner, do_swap=True))
        waits = (
            "SELECT count(*) FROM pg_locks "
            "WHERE locktype = 'advisory' AND objid = 3 AND NOT granted"
        )
        async with asyncio.timeout(20):
            while not await owner.fetchval(waits):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert not await owner.fetch("SELECT FROM bundles WHERE project_id = $1", world.project_id)
        await connection.execute("SELECT pg_advisory_unlock(6111, 3)")
    answer = await work

    assert answer["swapped"]["rows"] > 0
    assert (answer["swapped"]["holds"], answer["swapped"]["longestHoldS"]) == (0, 0)
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 3"
    assert await owner.fetchval(held) == 0


async def started(stack: Stack, *, swap: bool) -> asyncio.subprocess.Process:
    url = stack.postgres_url("events", "events_owner")
    order = json.dumps({"into": "killed", "swap": swap, "force": False})
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.events.rebuild",
        order,
        env={**os.environ, "SCRIPTORIUM_POSTGRES_OWNER_URL": url},
        stdout=asyncio.subprocess.PIPE,
    )


async def test_killed_in_the_middle_changes_nothing(
    stack: Stack, world: World, owner: Pool
) -> None:
    """At the replay, at the proof, and at the swap, which is held open here on purpose."""
    await spoil(owner, world)
    before = await owner.fetch("SELECT * FROM books WHERE project_id = $1", world.project_id)
    for wait_s in (0.0, 0.05):
        process = await started(stack, swap=True)
        assert process.stdout
        async with owner.acquire() as connection, connection.transaction():
            # Holds the writers' lock out, so that the swap waits until it is killed.
            await connection.execute("LOCK TABLE aggregates IN ROW EXCLUSIVE MODE")
            while b'"prove", "done": 1' not in await process.stdout.readline():
                pass
            await asyncio.sleep(wait_s)
            process.kill()
            await process.wait()

    process = await started(stack, swap=False)
    assert process.stdout
    await process.stdout.readline()
    process.kill()
    await process.wait()

    after = await owner.fetch("SELECT * FROM books WHERE project_id = $1", world.project_id)
    assert before == after
    assert (await run(owner, into="killed", do_swap=True))["swapped"]["rows"] > 0
    assert (await run(owner))["equal"]
    await owner.execute("DROP SCHEMA killed CASCADE")


async def test_killed_while_it_replaces_rows(stack: Stack, world: World, owner: Pool) -> None:
    """The transaction is whole or it was not: a row lock holds it up half-way, then it dies."""
    await spoil(owner, world)
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute(
            "SELECT FROM books WHERE title = 'Wrong' AND project_id = $1 FOR UPDATE",
            world.project_id,
        )
        process = await started(stack, swap=True)
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rebuild' "
            "AND wait_event_type = 'Lock' AND query LIKE '%UPDATE public.%' OR query LIKE "
            "'%DELETE FROM public.%' AND wait_event_type = 'Lock'"
        )
        async with asyncio.timeout(20):
            while not await owner.fetchval(waiting):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        process.kill()
        await process.wait()

    async with owner.acquire() as connection:
        await connection.execute("SET lock_timeout = '10s'")
        await connection.execute("LOCK TABLE aggregates IN EXCLUSIVE MODE; SELECT 1")
        await connection.execute("RESET lock_timeout")
    titles = await owner.fetch("SELECT title FROM books WHERE project_id = $1", world.project_id)
    assert "Wrong" in {row["title"] for row in titles}
    assert (await run(owner, do_swap=True))["swapped"]["rows"] > 0
    await owner.execute("DROP SCHEMA IF EXISTS killed CASCADE")
