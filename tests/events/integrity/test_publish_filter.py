"""What reaches subscribers: nothing corrupt, nothing out of order, and all of it a second time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeoutError
from prometheus_client import REGISTRY

from libs.bus import Relay, connect_broker, consumer_monitor, subscribe_facts
from libs.bus.declare import declare
from libs.contracts.events import integrity as c
from libs.contracts.events.event import Announcement
from libs.contracts.streams import EVENTS
from libs.postgres import Pool
from services.events.integrity.publish_filter import ChainPublishFilter
from services.events.store import events_from_rows
from tests.events.integrity.damage import Operator, flip, lose
from tests.events.integrity.test_archive import age, archive
from tests.events.relaying import announced
from tests.events.support import World
from tools.stack import Stack

WAIT_S_MAX = 20.0


@pytest.fixture
async def relay_client(stack: Stack) -> AsyncIterator[Client]:
    broker, client = await connect_broker(
        stack.nats_url("events"), service="events", replica="relay"
    )
    yield client
    await broker.stop()


@asynccontextmanager
async def relaying(pool: Pool, client: Client) -> AsyncGenerator[None]:
    relay = Relay(pool, client, service="events", screening=ChainPublishFilter(pool))
    task = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def heard(bus: Client, world: World) -> list[Announcement]:
    """Everything that the stream holds of a project now."""
    found: list[Announcement] = []
    subject = f"scriptorium.v1.events.*.*.{world.project_id}"
    subscription = await bus.jetstream().subscribe(subject, ordered_consumer=True)
    with suppress(NatsTimeoutError):
        while True:
            message = await subscription.next_msg(timeout=0.3)
            found.append(Announcement.model_validate_json(message.data))
    await subscription.unsubscribe()
    return found


def titles(found: list[Announcement], aggregate_id: Any) -> list[Any]:
    return [
        each.event.data.get("to", each.event.data.get("title"))
        for each in found
        if str(each.event.aggregate_id) == str(aggregate_id)
    ]


async def test_corrupt_event_is_withheld_with_what_follows_it(  # noqa: PLR0917
    world: World, owner: Pool, pool: Pool, bus: Client, relay_client: Client, operator: Operator
) -> None:
    """Others go on; after a decision all of it arrives in order, without a hole."""
    book, other = await world.book("A"), await world.book("X")
    await world.change("book", book["id"], title="B")
    await world.change("book", book["id"], title="C")
    original = await flip(owner, book["id"], 2)
    await owner.execute(
        "UPDATE outbox SET payload = jsonb_set(payload::jsonb, '{data,to}', '\"~\"') "
        "WHERE event_id = $1",
        original.id,
    )
    async with relaying(pool, relay_client):
        await announced(owner)
        await world.change("book", book["id"], title="D")
        await world.change("book", other["id"], title="Y")
        await announced(owner)
        before = await heard(bus, world)
        (listed,) = await operator.quarantine(world.project_id)

        await operator.decide(book["id"], 2, original)
        await world.change("book", book["id"], title="E")
        await announced(owner)
        after = await heard(bus, world)

    assert titles(before, book["id"]) == ["A"]
    assert titles(before, other["id"]) == ["X", "Y"]
    assert (listed.version, listed.found_by) == (2, "relay")
    assert titles(after, book["id"]) == ["A", "B", "C", "D", "E"]
    assert [e.event.version for e in after if str(e.event.aggregate_id) == book["id"]] == [
        1,
        2,
        3,
        4,
        5,
    ]
    positions = [each.position for each in after]
    assert positions == sorted(set(positions))


async def test_altered_announcement_is_replaced_by_the_log(  # noqa: PLR0917
    world: World, owner: Pool, pool: Pool, bus: Client, relay_client: Client, operator: Operator
) -> None:
    """The outbox is a copy; when only it is wrong, nobody has to decide anything."""
    book = await world.book("A")
    await owner.execute(
        "UPDATE outbox SET payload = jsonb_set(payload::jsonb, '{data,title}', '\"~\"') "
        "WHERE payload ->> 'aggregateId' = $1",
        book["id"],
    )

    async with relaying(pool, relay_client):
        await announced(owner)

    assert titles(await heard(bus, world), book["id"]) == ["A"]
    assert await operator.quarantine(world.project_id) == []


@pytest.mark.parametrize("spelled", ["as it was written", "with spaces and in another order"])
async def test_lost_row_is_still_announced(  # noqa: PLR0917
    spelled: str,
    world: World,
    owner: Pool,
    pool: Pool,
    bus: Client,
    relay_client: Client,
    operator: Operator,
) -> None:
    """Its announcement fits the chain; that its row is missing is the verifier's to find."""
    book = await world.book("A")
    await world.change("book", book["id"], title="B")
    if spelled != "as it was written":
        await owner.execute("UPDATE outbox SET payload = payload::jsonb")
    original = await lose(owner, book["id"], 2)

    async with relaying(pool, relay_client):
        await announced(owner)

    assert titles(await heard(bus, world), book["id"]) == ["A", "B"]
    assert [each.version for each in await operator.verify(world.project_id)] == [2]
    await operator.decide(book["id"], 2, original)


type Seen = dict[str, list[int]]


async def counted(stack: Stack, durable: str, world: World) -> tuple[NatsBroker, Seen]:
    """A consumer that applies each version once, as any idempotent one does, and counts both."""
    seen: Seen = {"heard": [], "applied": []}
    versions: dict[Any, int] = {}

    async def on_fact(fact: Announcement) -> None:
        seen["heard"].append(fact.position)
        if fact.event.version > versions.get(fact.event.aggregate_id, 0):
            assert fact.event.version == versions.get(fact.event.aggregate_id, 0) + 1
            versions[fact.event.aggregate_id] = fact.event.version
            seen["applied"].append(fact.position)

    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica=durable
    )
    subject = f"scriptorium.v1.events.*.*.{world.project_id}"
    subscribe_facts(broker, client, EVENTS, subject=subject, durable=durable, on_fact=on_fact)
    await broker.start()
    return broker, seen


@pytest.mark.parametrize("deleted", [False, True], ids=["emptied", "deleted"])
async def test_lost_stream_is_refilled_from_the_log(  # noqa: PLR0917
    deleted: bool,
    stack: Stack,
    world: World,
    owner: Pool,
    pool: Pool,
    bus: Client,
    relay_client: Client,
    operator: Operator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In their old places, while the server still knows their ids; none is applied twice.

    Consumers that were deleted with the stream are there again and go on.
    """
    monkeypatch.setattr(consumer_monitor, "MONITOR_INTERVAL_S", 0.2)
    for number in range(5):
        await world.book(f"B{number}")
    broker, seen = await counted(stack, f"test-count-{deleted}", world)
    try:
        async with relaying(pool, relay_client):
            await announced(owner)
            first = await heard(bus, world)
            if deleted:
                await bus.jetstream().delete_stream(EVENTS.name)
                await declare(bus)
            else:
                await bus.jetstream().purge_stream(EVENTS.name)
            assert await heard(bus, world) == []

            answer = await operator.caller.ask(c.REPUBLISH, c.Republish(), operator.actor)
            writing = [await world.book("meanwhile") for _ in range(3)]
            async with asyncio.timeout(WAIT_S_MAX):
                while await owner.fetchval("SELECT count(*) FROM refill"):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            await announced(owner)
            again = await heard(bus, world)
        async with asyncio.timeout(WAIT_S_MAX):
            while len(seen["heard"]) < 2 * len(first) + len(writing):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    finally:
        await broker.stop()

    old = {each.position: each.event for each in again}
    assert answer.queued >= len(first)
    assert {each.position: each.event for each in first}.items() <= old.items()
    assert len(again) == len(first) + len(writing)
    assert len(seen["applied"]) == len(first) + len(writing)
    assert len(seen["heard"]) == 2 * len(first) + len(writing)


async def test_refill_since_a_time_and_from_the_archive(  # noqa: PLR0917
    world: World, owner: Pool, pool: Pool, bus: Client, relay_client: Client, operator: Operator
) -> None:
    """Its words are those of the log, which has them in a chunk by now."""
    await world.book("Old")
    await age(owner, world, 10)
    async with relaying(pool, relay_client):
        await announced(owner)
    await owner.execute(
        """UPDATE sync_positions SET "timestamp" = "timestamp" - interval '10 days'
        WHERE project_id = $1""",
        world.project_id,
    )
    assert await archive(pool, datetime.now(UTC) - timedelta(days=7)) == 3
    first = await heard(bus, world)
    now = datetime.now(UTC)
    question = c.Republish(since=now + timedelta(hours=1))
    none = await operator.caller.ask(c.REPUBLISH, question, operator.actor)
    question = c.Republish(since=now - timedelta(days=11))
    some = await operator.caller.ask(c.REPUBLISH, question, operator.actor)
    async with relaying(pool, relay_client):
        async with asyncio.timeout(WAIT_S_MAX):
            while await owner.fetchval("SELECT count(*) FROM refill"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    assert none.queued == 0
    assert some.queued >= 3
    again = (await heard(bus, world))[3:]
    assert [each.position for each in again] == [each.position for each in first]
    rows = await owner.fetch("SELECT * FROM event_log WHERE project_id = $1", world.project_id)
    assert {each.event.id: each.event for each in again} == {
        e.id: e for e in events_from_rows(rows)
    }


async def test_delay_is_measured_from_the_commit(
    world: World, owner: Pool, pool: Pool, relay_client: Client
) -> None:
    """A transaction that was open for long is not a delay; a relay that was away is one."""
    labels = {"service": "events"}

    def sum_s() -> float:
        return REGISTRY.get_sample_value("scriptorium_outbox_delay_seconds_sum", labels) or 0.0

    def count() -> float:
        return REGISTRY.get_sample_value("scriptorium_outbox_delay_seconds_count", labels) or 0.0

    async with relaying(pool, relay_client):
        await announced(owner)
        before, counted_before = sum_s(), count()
        async with owner.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO outbox (event_id, subject, payload, headers) "
                "VALUES (uuidv7(), 'scriptorium.v1.events.test.held.x', '{}', '{}')"
            )
            await asyncio.sleep(1.0)
            await connection.execute("SELECT pg_notify('outbox', '')")
        await announced(owner)
        assert count() == counted_before + 1
        assert sum_s() - before < 0.5
    await world.book()
    await asyncio.sleep(1.0)
    async with relaying(pool, relay_client):
        await announced(owner)
    assert sum_s() - before > 1.0
