"""Followers read the log in commit order, and nothing that is kept from subscribers."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from faststream.nats import NatsBroker

from libs import errors
from libs.bus import Caller, Client, connect_broker
from libs.contracts.events.following import FOLLOW, PAGE_EVENTS_MAX, Follow, Followed
from libs.postgres import Pool, load_queries
from services.events.api import serve_following
from services.events.store import Store
from tests.events.integrity.damage import Operator, flip
from tests.events.integrity.test_archive import age, archive
from tests.events.integrity.test_publish_filter import relay_client, relaying
from tests.events.support import World
from tools.stack import Stack

__all__ = ["relay_client"]
WAIT_S_MAX = 20.0
DAYS = 30


@pytest.fixture(scope="module", autouse=True)
async def following(stack: Stack, pool: Pool) -> AsyncGenerator[NatsBroker]:
    broker, _ = await connect_broker(stack.nats_url("events"), service="events", replica="follow")
    serve_following(broker, Store(pool))
    await broker.start()
    yield broker
    await broker.stop()


async def follow(world: World, after: int | None, heard: int = 0) -> Followed:
    return await world.caller.ask(FOLLOW, Follow(after=after, heard=heard), world.actor)


async def all_after(world: World, after: int) -> list[str]:
    """Everything that a follower is shown behind a position: event types, in order."""
    found: list[str] = []
    while True:
        page = await follow(world, after)
        found += [each.event.event_type for each in page.items]
        after = page.upto
        if not page.more:
            return found


async def announced(world: World, count: int) -> list[str]:
    """Wait until a follower is shown so many."""
    async with asyncio.timeout(WAIT_S_MAX):
        while len(found := await all_after(world, 0)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return found


async def test_only_what_was_announced_is_shown(
    world: World, pool: Pool, relay_client: Client
) -> None:
    """What has its place and was not looked at yet waits; whoever heard of it need not."""
    unplaced = await all_after(world, 0)
    places = [row["position"] for row in await pool.fetch(load_queries("libs.bus").place, 1000)]
    placed = await follow(world, 0)
    heard = await follow(world, 0, heard=max(places))
    async with relaying(pool, relay_client):
        shown = await announced(world, 2)
    now = await follow(world, None)

    assert unplaced == placed.items == []
    assert placed.upto < min(places)
    assert heard.upto == max(places)
    assert [each.event.event_type for each in heard.items] == shown
    assert shown == ["project.created", "member.added"]
    assert now.items == (await follow(world, now.upto)).items == []


async def test_pages_end_where_the_next_one_begins(
    world: World, pool: Pool, relay_client: Client
) -> None:
    for number in range(PAGE_EVENTS_MAX + 20):
        await world.create("tag", world.project_id, name=f"tag {number}")
    async with relaying(pool, relay_client):
        await announced(world, PAGE_EVENTS_MAX + 22)
    first = await follow(world, 0)
    second = await follow(world, first.upto)
    positions = [each.position for each in (*first.items, *second.items)]

    assert first.more and not second.more
    assert len(first.items) == PAGE_EVENTS_MAX
    assert first.upto == first.items[-1].position
    assert positions == sorted(set(positions))
    assert len(positions) == PAGE_EVENTS_MAX + 22


async def test_a_position_that_never_was_is_gone(
    world: World, pool: Pool, relay_client: Client
) -> None:
    async with relaying(pool, relay_client):
        await announced(world, 2)
    last = await pool.fetchval("SELECT max(position) FROM sync_positions")
    for after in (last + 1, -2):
        with pytest.raises(errors.Gone):
            await follow(world, after)

    assert (await follow(world, last, heard=last + 5)).upto == last


async def test_withheld_facts_are_shown_once_where_they_are_announced_at_last(
    world: World, owner: Pool, pool: Pool, operator: Operator, relay_client: Client
) -> None:
    """Neither the corrupt event nor what follows it, however sound; in their order when decided."""
    scene = await world.scene(title="Ice")
    await world.change("scene", scene["id"], title="Corrupt")
    await world.change("scene", scene["id"], title="Sound")
    original = await flip(owner, scene["id"], 2)
    await owner.execute(
        "UPDATE outbox SET payload = jsonb_set(payload::jsonb, '{data,to}', '\"~\"') "
        "WHERE event_id = $1",
        original.id,
    )
    async with relaying(pool, relay_client):
        held = await announced(world, 5)
        await world.create("tag", world.project_id, name="goes on")
        held = await announced(world, len(held) + 1)
        before = (await follow(world, None)).upto
        await operator.decide(scene["id"], 2, original)
        whole = await announced(world, len(held) + 2)
    late = await all_after(world, before)

    assert held[-2:] == ["scene.created", "tag.created"]
    assert late == ["scene.title_changed", "scene.title_changed"]
    assert whole == [*held, *late]


async def test_archived_events_are_shown_as_before(
    world: World, owner: Pool, pool: Pool, relay_client: Client
) -> None:
    async with relaying(pool, relay_client):
        await world.scene()
        shown = await announced(world, 5)
    before = await follow(world, 0)
    await age(owner, world, DAYS)
    await owner.execute(
        """UPDATE sync_positions SET "timestamp" = "timestamp" - make_interval(days => $2)
        WHERE project_id = $1""",
        world.project_id,
        DAYS,
    )
    moved = await archive(pool)
    after = await follow(world, 0)

    assert moved >= len(shown) == len(before.items)
    assert [(each.position, each.event.id) for each in after.items] == [
        (each.position, each.event.id) for each in before.items
    ]


async def test_another_project_and_a_deleted_one_show_nothing(
    world: World, pool: Pool, relay_client: Client, caller: Caller
) -> None:
    other = await World.begin(caller)
    async with relaying(pool, relay_client):
        await other.book()
        await announced(other, 3)
        await announced(world, 2)
    page = await follow(world, 0)
    await world.remove("project", world.project_id)

    assert {each.event.project_id for each in page.items} == {world.project_id}
    with pytest.raises(errors.NotFound):
        await follow(world, 0)
