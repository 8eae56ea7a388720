"""Order: a subscriber never misses and never reorders an event of an aggregate, whatever dies."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from faststream.nats import NatsBroker

from libs.bus import QueuedFact, Relay, connect_broker, subscribe_facts
from libs.contracts.events.event import Announcement
from libs.contracts.ids import new_id
from libs.contracts.streams import EVENTS
from libs.errors import Conflict, NotFound, Unavailable
from libs.postgres import Connection, Pool
from libs.postgres.pool import UNREACHABLE
from services.events.model.aggregates import BOOK
from services.events.model.log import CommandContext, PendingEvent
from services.events.model.order import place_at
from services.events.store import Store, Transaction
from tests.events.support import World
from tools.stack import Stack

WRITERS = 16
TURNS = 6
DEADLINE_S = 90.0
FORGOTTEN_VERSION = 3


@dataclass
class Follower:
    """A durable subscriber that accepts the next version of an aggregate and nothing else."""

    broker: NatsBroker
    versions: dict[UUID, int] = field(default_factory=dict[UUID, int])
    positions: list[int] = field(default_factory=list[int])
    wrong: list[str] = field(default_factory=list[str])

    async def hear(self, fact: Announcement) -> None:
        known = self.versions.get(fact.event.aggregate_id, 0)
        if fact.event.version <= known:
            return  # at least once
        if fact.event.version != known + 1:
            self.wrong.append(f"{fact.event.version} after {known}")
        self.versions[fact.event.aggregate_id] = fact.event.version
        self.positions.append(fact.position)


@pytest.fixture
async def follower(stack: Stack, world: World) -> AsyncIterator[Follower]:
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="follower"
    )
    follower = Follower(broker)
    subscribe_facts(
        broker,
        client,
        EVENTS,
        subject=f"scriptorium.v1.events.*.*.{world.project_id}",
        durable=f"follower-{world.project_id.hex}",
        on_fact=follower.hear,
    )
    await broker.start()
    yield follower
    await broker.stop()


async def insist(world: World, book_id: UUID, title: str) -> None:
    """Change a title until it is answered that it is changed."""
    command_id = new_id()
    while True:
        try:
            await world.change("book", book_id, command_id=command_id, title=title)
        except (Unavailable, Conflict, NotFound):
            await asyncio.sleep(0.05)
            continue
        return


class Forgetful(Relay):
    """Takes some facts for announced that it never announced."""

    async def _announce(
        self, connection: Connection, due: Sequence[QueuedFact], *, once_more: bool = False
    ) -> bool:
        kept = [each for each in due if json.loads(each.payload)["version"] != FORGOTTEN_VERSION]
        forgotten = [each for each in due if each not in kept]
        await self._settle(connection, [each.position for each in forgotten], forgotten)
        return await super()._announce(connection, kept, once_more=once_more)


class Hasty(Relay):
    """Announces what came last first."""

    async def _announce(
        self, connection: Connection, due: Sequence[QueuedFact], *, once_more: bool = False
    ) -> bool:
        return await super()._announce(connection, [*due][::-1], once_more=once_more)


@pytest.mark.parametrize("made", [Relay, Forgetful, Hasty])
async def test_the_counter_counts(  # noqa: PLR0917
    made: type[Relay], stack: Stack, world: World, owner: Pool, pool: Pool, follower: Follower
) -> None:
    """What a relay that is broken on purpose skips or reorders; or all zeros would mean nothing."""
    book = UUID((await world.book("1"))["id"])
    for turn in range(2, 2 * FORGOTTEN_VERSION):
        await insist(world, book, f"{turn}")
    query = "SELECT aggregate_id, version FROM aggregates WHERE project_id = $1"
    expected = {row[0]: row[1] for row in await owner.fetch(query, world.project_id)}
    broker, client = await connect_broker(
        stack.nats_url("events"), service="events", replica="broken"
    )
    relaying = asyncio.create_task(made(pool, client, service="events").run())
    async with asyncio.timeout(DEADLINE_S):
        while follower.versions != expected and not follower.wrong:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    relaying.cancel()
    await asyncio.gather(relaying, return_exceptions=True)
    await broker.stop()

    assert (follower.wrong == []) is (made is Relay)


async def test_held_transaction_sixteen_writers_and_restarts_of_everything(
    stack: Stack, world: World, owner: Pool, pool: Pool, follower: Follower
) -> None:
    """The transaction that is held open drew its place in the outbox before all others.

    The relay is killed, then NATS, then PostgreSQL, which takes the held transaction with it; a
    second one is held through what remains and committed last.
    """
    part = await stack.add("events")
    books = [UUID((await world.book(f"Book {n}"))["id"]) for n in range(4)]
    late_id = new_id()
    gate = asyncio.Event()

    async def hold(tx: Transaction, book_id: UUID = late_id) -> None:
        data = {"title": "Late", "kind": "notes"} | place_at(
            world.project_id, 99, f"z{book_id.hex}"
        )
        await tx.record([PendingEvent(BOOK, book_id, "created", data)])
        await gate.wait()

    def held(book_id: UUID) -> "asyncio.Task[None]":
        context = CommandContext(
            project_id=world.project_id,
            user_id=world.actor.user_id,
            bundle_id=new_id(),
            correlation_id="held",
        )
        return asyncio.create_task(Store(pool).run_command(context, lambda tx: hold(tx, book_id)))

    async def write(number: int) -> None:
        for turn in range(TURNS):
            await insist(world, books[number % len(books)], f"{number}.{turn}")

    try:
        lost = held(new_id())
        await asyncio.sleep(0.1)
        writing = asyncio.gather(*map(write, range(WRITERS)))
        await asyncio.sleep(0.3)
        stack.kill(part)
        await stack.wait_ready(part)
        stack.kill("nats")
        await stack.wait_ready("nats")
        await asyncio.sleep(0.2)
        stack.kill("postgres")
        with suppress(Unavailable, *UNREACHABLE):
            gate.set()
            await lost
        await stack.wait_ready("postgres")
        gate.clear()
        late = held(late_id)
        async with asyncio.timeout(DEADLINE_S):
            await writing
        gate.set()
        await late
        await insist(world, late_id, "Later")

        rows = await owner.fetch(
            "SELECT aggregate_id, version FROM aggregates WHERE project_id = $1", world.project_id
        )
        expected = {row["aggregate_id"]: row["version"] for row in rows}
        async with asyncio.timeout(DEADLINE_S):
            while follower.versions != expected and not follower.wrong:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        await stack.remove(part)

    assert follower.wrong == []
    assert follower.versions[late_id] == 2
    assert sum(expected[book] for book in books) >= len(books) + WRITERS * TURNS
    assert follower.positions == sorted(set(follower.positions))
