"""The projections from the log alone: equal, or told where they are not, and made so."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from prometheus_client import REGISTRY

from libs.contracts.events import integrity as c
from libs.postgres import Pool
from services.events.integrity.verifier import ChainVerifier
from services.events.rebuild.__main__ import RebuildRefused
from tests.events.integrity.damage import Operator, event, flip
from tests.events.integrity.rebuilding import run, spoil
from tests.events.integrity.test_archive import age, archive
from tests.events.support import World

LAST = {"project_id": UUID(int=(1 << 128) - 1), "aggregate_id": UUID(int=(1 << 128) - 1)}
"""A place after everything."""


async def test_rebuilt_tables_are_equal(world: World, owner: Pool) -> None:
    chapter = await world.chapter()
    scenes = [await world.scene(chapter, title=f"S{n}") for n in range(5)]
    await world.move("scene", scenes[0]["id"], 3)
    await world.remove("scene", scenes[1]["id"])
    await world.create("entity", world.project_id, type="task", name="Write", aliases=["w"])

    answer = await run(owner)

    assert answer["equal"], answer["shown"]
    assert answer["flaws"] == []
    assert answer["events"] == await owner.fetchval("SELECT sum(version) FROM aggregates")
    assert not await owner.fetchval("SELECT to_regnamespace('shadow') IS NOT NULL")


async def test_differences_are_listed_and_the_shadow_is_kept(world: World, owner: Pool) -> None:
    """Looking at it changes nothing; a schema of a name can be looked into afterwards."""
    await spoil(owner, world)

    answer = await run(owner, into="look")

    assert not answer["equal"]
    what = {(each["table"], each["what"]) for each in answer["shown"]}
    assert what == {
        ("books", "differs"),
        ("books", "extra"),
        ("chapters", "missing"),
        ("scenes", "missing"),
        ("scenes", "differs"),
    }
    titles = [each["members"].get("title") for each in answer["shown"]]
    assert {"live": "Wrong", "rebuilt": "Right"} in titles
    assert await owner.fetchval("SELECT count(*) FROM look.scenes WHERE title = 'Lost'") == 1
    await owner.execute("DROP SCHEMA look CASCADE")
    assert (await run(owner, do_swap=True))["swapped"]["rows"] == answer["differences"]


async def test_bundles_are_rebuilt_too(world: World, owner: Pool) -> None:
    """One that is lost, one that lies, and one of which the log knows nothing."""
    for title in "ABC":
        await world.book(title)
    mine = "SELECT * FROM bundles WHERE project_id = $1 ORDER BY bundle_id"
    before = await owner.fetch(mine, world.project_id)
    lost, lying = before[-2]["bundle_id"], before[-1]["bundle_id"]
    await owner.execute("DELETE FROM bundles WHERE bundle_id = $1", lost)
    await owner.execute("UPDATE bundles SET label = 'Lie' WHERE bundle_id = $1", lying)
    await owner.execute(
        "INSERT INTO bundles SELECT (jsonb_populate_record(b, jsonb_build_object("
        "'bundle_id', uuidv7()))).* FROM bundles b WHERE bundle_id = $1",
        lying,
    )

    answer = await run(owner, do_swap=True)

    what = {(each["table"], each["what"]) for each in answer["shown"]}
    assert what == {("bundles", "missing"), ("bundles", "differs"), ("bundles", "extra")}
    assert await owner.fetch(mine, world.project_id) == before
    assert (await run(owner))["equal"]


async def test_bundles_are_those_of_what_was_recovered(
    world: World, owner: Pool, operator: Operator
) -> None:
    """A damaged row says who did what together with what, too; a person knew better."""
    book = await world.book("A")
    await world.change("book", book["id"], title="B")
    original = await event(owner, book["id"], 2)
    await owner.execute(
        "UPDATE events SET bundle_id = uuidv7(), user_id = uuidv7(), source = 'sync' WHERE id = $1",
        original.id,
    )
    await operator.verify(world.project_id)
    await operator.decide(book["id"], 2, original)

    answer = await run(owner)

    assert answer["equal"], answer["shown"]
    # One that was missing and is there again counts once.
    await owner.execute("DELETE FROM events WHERE id = $1", original.id)
    assert (await run(owner))["equal"]


async def test_flawed_log_is_not_swapped_in(world: World, owner: Pool, operator: Operator) -> None:
    """What was corrupted is left out, so the rebuilt row is not what people last saw."""
    book = await world.book("A")
    await world.change("book", book["id"], title="B")
    original = await flip(owner, book["id"], 2)

    answer = await run(owner)

    assert [(each["id"], each["version"]) for each in answer["flaws"]] == [(book["id"], 2)]
    assert [each["members"]["title"] for each in answer["shown"] if "title" in each["members"]] == [
        {"live": "B", "rebuilt": "A"}
    ]
    with pytest.raises(RebuildRefused, match="flawed"):
        await run(owner, do_swap=True)
    assert (await world.read("book", book["id"]))["title"] == "B"
    await operator.verify(world.project_id)
    await operator.decide(book["id"], 2, original)
    assert (await run(owner))["equal"]


@pytest.mark.parametrize("archived", [False, True])
async def test_lost_ends_of_chains_are_made_anew(
    world: World, owner: Pool, pool: Pool, operator: Operator, archived: bool
) -> None:
    """They are derived, too; without them no walk comes to the events."""
    book = await world.book("Kept")
    await world.change("book", book["id"], title="Kept still")
    if archived:
        await age(owner, world, 30)
        assert await archive(pool, datetime.now(UTC) - timedelta(days=7))
    heads = "SELECT * FROM aggregates WHERE aggregate_id = $1"
    before = await owner.fetchrow(heads, UUID(book["id"]))
    await owner.execute("DELETE FROM aggregates WHERE aggregate_id = $1", UUID(book["id"]))

    verifier = ChainVerifier(pool, share=1.0)
    while await verifier.step():
        pass
    assert REGISTRY.get_sample_value("scriptorium_events_lost_heads") == 1
    last = await operator.caller.ask(c.VERIFY, c.Walk(after=c.Place(**LAST)), operator.actor)
    assert (last.after, last.lost_heads) == (None, 1)
    looked = await run(owner)
    assert (looked["equal"], looked["lostHeads"]) == (False, 1)
    swapped = await run(owner, do_swap=True)
    assert (swapped["equal"], swapped["lostHeads"]) == (True, 1)
    assert await owner.fetchrow(heads, UUID(book["id"])) == before
    assert (await world.change("book", book["id"], title="And goes on"))["version"] == 3
    assert (await run(owner))["equal"]


async def test_one_rebuild_at_a_time(owner: Pool) -> None:
    async with owner.acquire() as connection:
        await connection.execute("SELECT pg_advisory_lock(6111, 4)")
        try:
            with pytest.raises(RebuildRefused, match="another"):
                await run(owner)
        finally:
            await connection.execute("SELECT pg_advisory_unlock(6111, 4)")


@pytest.mark.parametrize("name", ["public", "pg_x", 'a"b', "a b", "x" * 60])
async def test_only_a_schema_of_its_own_is_replaced(owner: Pool, name: str) -> None:
    with pytest.raises(ValueError, match="shadow schema"):
        await run(owner, into=name)
    assert await owner.fetchval("SELECT to_regclass('public.projects') IS NOT NULL")


async def test_service_role_cannot(pool: Pool) -> None:
    """Why it is a command of the owner's and no request to the service."""
    async with pool.acquire() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE SCHEMA shadow")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.execute("DELETE FROM books")
