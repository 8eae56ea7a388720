"""Facts through faults: none that was acknowledged is lost, none skipped, none out of order."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

import nats
import pytest
from nats.errors import TimeoutError as NatsTimeoutError

from libs.bus import Caller, connect_broker, subscribe_facts
from libs.contracts.events import bundles as b
from libs.contracts.events.event import Announcement
from libs.contracts.ids import new_id
from libs.contracts.streams import EVENTS
from libs.errors import Conflict, NotFound, Unavailable
from libs.postgres import Pool, connect
from libs.postgres.pool import UNREACHABLE
from services.events.model.aggregates import BOOK
from services.events.model.log import CommandContext, PendingEvent
from services.events.model.order import place_at
from services.events.store import Store, Transaction
from tests.events.bundling import ALL, create
from tests.events.bundling import OPERATIONS as OPERATION_LIST
from tests.events.integrity.test_order import Follower, insist
from tests.events.support import World
from tests.support.breakable import BreakableStack

SINGLE_WRITERS = 12
CHANGES = 6
BUNDLE_WRITERS = 4
BUNDLES = 3
OPERATIONS = 25
ANSWER_S = 3.0
DEADLINE_S = 120.0


@pytest.fixture
async def pool(stack: BreakableStack) -> AsyncIterator[Pool]:
    opened = await connect(
        stack.postgres_url("events", "events"),
        application="test",
        size_max=4,
        # A service's own transaction could not be held for as long.
        statement_timeout_s=DEADLINE_S * 4,
    )
    yield opened
    opened.terminate()


@pytest.fixture
async def caller(stack: BreakableStack) -> AsyncIterator[Caller]:
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="writers"
    )
    yield Caller(client)
    await broker.stop()


@pytest.fixture
async def world(stack: BreakableStack, caller: Caller) -> World:
    for part in stack.parts:
        await stack.wait_ready(part)
    return await World.begin(caller)


@pytest.fixture
async def follower(stack: BreakableStack, world: World) -> AsyncIterator[Follower]:
    """A durable subscriber, as other systems have them."""
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="follower"
    )
    follower = Follower(broker)
    subscribe_facts(
        broker,
        client,
        EVENTS,
        subject=f"scriptorium.v1.events.*.*.{world.project_id}",
        durable=f"faults-{world.project_id.hex}",
        on_fact=follower.hear,
    )
    await broker.start()
    yield follower
    await broker.stop()


class Held:
    """A transaction that drew its place in the outbox and commits when it is let go."""

    def __init__(self, pool: Pool, world: World) -> None:
        self.book_id = new_id()
        self._gate = asyncio.Event()
        context = CommandContext(
            project_id=world.project_id,
            user_id=world.actor.user_id,
            bundle_id=new_id(),
            correlation_id="held",
        )

        async def work(tx: Transaction) -> None:
            where = place_at(world.project_id, 99, f"z{self.book_id.hex}")
            data = {"title": "Late", "kind": "notes"} | where
            await tx.record([PendingEvent(BOOK, self.book_id, "created", data)])
            await self._gate.wait()

        self._task = asyncio.create_task(Store(pool).run_command(context, work))

    async def let_go(self) -> bool:
        """Commit; false when the database went away under it."""
        self._gate.set()
        with suppress(Unavailable, *UNREACHABLE):
            await self._task
            return True
        return False


async def commit(world: World, chapter: UUID) -> None:
    """Create many scenes with one bundle, and ask until it is answered that they are there."""
    scenes = [create("scene", new_id(), chapter, title=f"{n}") for n in range(OPERATIONS)]
    question = b.Commit(
        command_id=new_id(), operations=OPERATION_LIST.validate_python(scenes), may=ALL
    )
    while True:
        try:
            # What a killed service had in hand is asked again soon.
            await world.caller.ask(b.COMMIT, question, world.actor, deadline_s=ANSWER_S)
        except (Unavailable, Conflict, NotFound):
            await asyncio.sleep(0.05)
            continue
        return


async def stored(stack: BreakableStack, world: World) -> list[Announcement]:
    """What the stream holds of a project, as it lies there."""
    client = await nats.connect(stack.nats_url("admin"))
    found: list[Announcement] = []
    subject = f"scriptorium.v1.events.*.*.{world.project_id}"
    subscription = await client.jetstream().subscribe(subject, ordered_consumer=True)
    with suppress(NatsTimeoutError):
        while True:
            message = await subscription.next_msg(timeout=1.0)
            found.append(Announcement.model_validate_json(message.data))
    await client.close()
    return found


@pytest.mark.parametrize(
    "victims",
    [
        pytest.param(("events-1",), marks=pytest.mark.long, id="service"),
        pytest.param(("nats",), marks=pytest.mark.long, id="nats"),
        pytest.param(("postgres",), marks=pytest.mark.long, id="postgres"),
        # The held transaction outlives these two, and is the last to be announced.
        pytest.param(("events-1", "nats"), marks=pytest.mark.long, id="relay and stream"),
        pytest.param(("events-1", "nats", "postgres"), id="all"),
    ],
)
async def test_order_of_facts(
    victims: tuple[str, ...], stack: BreakableStack, world: World, pool: Pool, follower: Follower
) -> None:
    """Sixteen writers, single changes and bundles, beside a transaction held from first to last."""
    books = [UUID((await world.book(f"Book {n}"))["id"]) for n in range(4)]
    chapters = [UUID((await world.chapter())["id"]) for _ in range(BUNDLE_WRITERS)]
    held = Held(pool, world)

    async def write(number: int) -> None:
        for turn in range(CHANGES):
            await insist(world, books[number % len(books)], f"{number}.{turn}")

    async def bundle(chapter: UUID) -> None:
        for _ in range(BUNDLES):
            await commit(world, chapter)

    await asyncio.sleep(0.1)
    writing = asyncio.gather(*map(write, range(SINGLE_WRITERS)), *map(bundle, chapters))
    await asyncio.sleep(0.4)
    for part in victims:
        stack.kill(part)
    for part in victims:
        await stack.wait_ready(part)
    async with asyncio.timeout(DEADLINE_S):
        await writing
    came = await held.let_go()
    if came:
        await insist(world, held.book_id, "Later")

    rows = await pool.fetch(
        "SELECT aggregate_id, version FROM aggregates WHERE project_id = $1", world.project_id
    )
    expected = {row["aggregate_id"]: row["version"] for row in rows}
    async with asyncio.timeout(DEADLINE_S):
        while follower.versions != expected and not follower.wrong:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    lying = await stored(stack, world)

    assert follower.wrong == []
    assert follower.positions == sorted(set(follower.positions))
    assert came == ("postgres" not in victims)
    assert expected.get(held.book_id) == (2 if came else None)
    # What was acknowledged is there, and once.
    log = await pool.fetch(
        "SELECT id, event_type, data FROM events WHERE project_id = $1", world.project_id
    )
    titles = Counter(row["data"].get("to") for row in log if "title" in row["event_type"])
    turns = [f"{n}.{turn}" for n in range(SINGLE_WRITERS) for turn in range(CHANGES)]
    assert [titles[each] for each in turns] == [1] * len(turns)
    scenes = sum(row["event_type"] == "scene.created" for row in log)
    assert scenes == BUNDLE_WRITERS * BUNDLES * OPERATIONS
    # The stream holds the log: every event once, in the order of its positions.
    assert Counter(each.event.id for each in lying) == Counter(row["id"] for row in log)
    positions = [each.position for each in lying]
    assert positions == sorted(positions)
