"""From the log to the bus: everything arrives, in order per aggregate, whatever dies meanwhile."""

import asyncio
from uuid import UUID

from nats.aio.client import Client

from libs.contracts.ids import new_id
from libs.errors import Unavailable
from libs.postgres import Pool
from services.events.model.aggregates import BOOK
from services.events.model.log import CommandContext, PendingEvent
from services.events.model.order import place_at
from services.events.store import Store, Transaction
from tests.events.relaying import ARRIVAL_S_MAX, arrived, relaying, scribble
from tests.events.support import World
from tools.stack import Stack


async def connected(bus: Client) -> None:
    async with asyncio.timeout(ARRIVAL_S_MAX):
        while not bus.is_connected:  # noqa: ASYNC110 (the client offers no event)
            await asyncio.sleep(0.02)


async def test_everything_arrives_as_it_is_logged(
    world: World, owner: Pool, pool: Pool, bus: Client, relay_client: Client
) -> None:
    async with relaying(pool, relay_client):
        await scribble(world, 4, 5)

        found = await arrived(bus, owner, world.project_id)

    assert len(found) == 2 + 4 * 6
    unsettled = await owner.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL")
    assert unsettled in (0, *range(len(found)))


async def test_late_commit_is_not_skipped(
    world: World, owner: Pool, pool: Pool, bus: Client, relay_client: Client
) -> None:
    """A transaction drew its outbox rows first and commits last; others are announced before."""
    gate, recorded = asyncio.Event(), asyncio.Event()
    late_id, book = new_id(), await world.book()
    context = CommandContext(
        project_id=world.project_id,
        user_id=world.actor.user_id,
        bundle_id=new_id(),
        correlation_id="late",
    )

    async def hold(tx: Transaction) -> None:
        where = place_at(world.project_id, 1, "b00")
        data = {"title": "Late", "kind": "notes"} | where
        await tx.record([PendingEvent(BOOK, late_id, "created", data)])
        recorded.set()
        await gate.wait()

    async with relaying(pool, relay_client):
        late = asyncio.create_task(Store(pool).run_command(context, hold))
        await recorded.wait()
        for turn in range(20):
            await world.change("book", book["id"], title=f"T{turn}")
        before = await arrived(bus, owner, world.project_id)
        gate.set()
        await late
        await world.change("book", late_id, title="Later")

        after = await arrived(bus, owner, world.project_id)

    assert late_id not in {each.event.aggregate_id for each in before}
    assert after[: len(before)] == before
    assert [each.event.event_type for each in after[len(before) :]] == [
        "book.created",
        "book.title_changed",
    ]


async def test_relay_killed_again_and_again(
    world: World, owner: Pool, pool: Pool, bus: Client, relay_client: Client
) -> None:
    """Whatever was in flight is announced again; the server drops the repetition."""
    writing = asyncio.create_task(scribble(world, 8, 20))
    for _ in range(8):
        async with relaying(pool, relay_client):
            await asyncio.sleep(0.05)
    await writing

    async with relaying(pool, relay_client):
        await arrived(bus, owner, world.project_id)


async def test_batch_that_was_stored_without_our_knowing(
    world: World, owner: Pool, pool: Pool, bus: Client, relay_client: Client
) -> None:
    """The stream refuses it whole; what is new in it still comes, what is not comes no second time.

    As when the relay dies between the stream's acknowledgement and its own note of it.
    """
    async with relaying(pool, relay_client):
        await scribble(world, 2, 5)
        before = await arrived(bus, owner, world.project_id)
    await scribble(world, 2, 5)
    await owner.execute(
        """UPDATE outbox SET published_at = NULL WHERE event_id = ANY (
            SELECT id FROM events WHERE project_id = $1)""",
        world.project_id,
    )
    await owner.execute(
        """WITH n AS (SELECT seq, row_number() OVER (ORDER BY seq)
                + (SELECT max(position) FROM outbox) AS position
            FROM outbox WHERE position IS NULL)
        UPDATE outbox o SET position = n.position FROM n WHERE n.seq = o.seq"""
    )

    async with relaying(pool, relay_client):
        after = await arrived(bus, owner, world.project_id)

    assert after[: len(before)] == before
    assert len(after) == len(before) + 2 * 6


async def test_bus_restarted_in_the_middle(  # noqa: PLR0917
    stack: Stack, world: World, owner: Pool, pool: Pool, bus: Client, relay_client: Client
) -> None:
    """Killed, not stopped: acknowledged facts are on disk, the rest is announced again."""
    store, book = Store(pool), await world.book()

    async def write(turns: int) -> None:
        # Not over the bus, which is away: a command that is durable here must arrive there.
        for turn in range(turns):
            context = CommandContext(
                project_id=world.project_id,
                user_id=world.actor.user_id,
                bundle_id=new_id(),
                correlation_id="restart",
            )

            async def change(tx: Transaction, title: str = f"T{turn}") -> None:
                row = await tx.lock(BOOK, UUID(book["id"]))
                assert row is not None
                data = {"from": row["title"], "to": title}
                await tx.record([PendingEvent(BOOK, row["id"], "title_changed", data)])

            await store.run_command(context, change)

    async with relaying(pool, relay_client):
        for _ in range(2):
            writing = asyncio.create_task(write(60))
            await asyncio.sleep(0.05)
            stack.kill("nats")
            await stack.wait_ready("nats")
            await writing
        await connected(bus)

        found = await arrived(bus, owner, world.project_id)

    assert len(found) == 3 + 120


async def test_of_two_relays_one_works_and_one_stands_by(
    world: World, owner: Pool, pool: Pool, bus: Client, relay_client: Client
) -> None:
    locks = (
        "SELECT count(*) FILTER (WHERE granted) AS held, "
        "count(*) FILTER (WHERE NOT granted) AS waiting FROM pg_locks "
        "WHERE locktype = 'advisory' AND classid = 6111 AND objid = 1"
    )

    async def expect(held: int, waiting: int) -> None:
        async with asyncio.timeout(10):
            while tuple(await owner.fetchrow(locks) or ()) != (held, waiting):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async with relaying(pool, relay_client):
        await expect(1, 0)
        async with relaying(pool, relay_client) as second:
            await expect(1, 1)
            await scribble(world, 2, 5)
            await arrived(bus, owner, world.project_id)
            assert not second.done()
    async with relaying(pool, relay_client) as first, relaying(pool, relay_client):
        await expect(1, 1)
        first.cancel()
        await scribble(world, 2, 5)
        await arrived(bus, owner, world.project_id)


async def test_cancelled_relay_leaves_no_lock_behind(
    owner: Pool, pool: Pool, relay_client: Client
) -> None:
    """Wherever it is interrupted: a lock in an idle connection would hold up every relay."""
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 6111"
    for turn in range(20):
        async with relaying(pool, relay_client), relaying(pool, relay_client):
            await asyncio.sleep(turn / 2000)

        async with asyncio.timeout(1):
            while await owner.fetchval(held):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_service_killed_while_it_works(
    stack: Stack, world: World, owner: Pool, bus: Client
) -> None:
    """Callers that repeat their command get it done once; every fact of it arrives."""
    part = await stack.add("events")
    try:

        async def insist(number: int) -> None:
            book_id, command_id = new_id(), new_id()
            while True:
                try:
                    await world.create(
                        "book",
                        world.project_id,
                        id=book_id,
                        command_id=command_id,
                        deadline_s=1.0,
                        title=f"Book {number}",
                    )
                except Unavailable:
                    continue
                return

        writing = asyncio.gather(*map(insist, range(60)))
        await asyncio.sleep(0.1)
        stack.kill(part)
        await stack.wait_ready(part)
        await writing

        assert len(await world.items("book", world.project_id)) == 60
        await arrived(bus, owner, world.project_id)
    finally:
        await stack.remove(part)


async def test_stopped_replica_answers_what_it_was_asked(stack: Stack, world: World) -> None:
    """A rolling restart under load fails no request."""
    book = await world.book()
    part = await stack.add("events")
    working = True

    async def work() -> int:
        done = 0
        while working:
            await world.change("book", book["id"], title=f"{new_id()}")
            await world.read("book", book["id"])
            done += 2
        return done

    workers = [asyncio.create_task(work()) for _ in range(6)]
    await asyncio.sleep(0.3)
    await stack.remove(part)
    working = False

    assert sum(await asyncio.gather(*workers)) > 6
