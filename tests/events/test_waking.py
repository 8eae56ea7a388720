"""The relay rests when there is nothing, and is woken by whoever commits."""

import asyncio
from uuid import UUID

import pytest
from nats.aio.client import Client

from libs.bus import Relay, relay
from libs.contracts.events.manuscript import Change
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.resources.commands import CommandHandlers
from services.events.store import Store
from tests.events.relaying import ARRIVAL_S_MAX, announced, arrived, relaying, scribble
from tests.events.support import World
from tests.support.waiting import until

RESTING_S = 3.0
RESTING_STATEMENTS_MAX = 300
"""Of everything in the database, the service itself included; a busy loop does thousands."""


async def test_a_relay_that_has_nothing_to_do_rests(
    pool: Pool, relay_client: Client, owner: Pool
) -> None:
    """Whether its service screens what it says or not: it is woken, and looks now and then."""
    statements = "SELECT sum(xact_commit) FROM pg_stat_database WHERE datname = current_database()"
    async with relaying(pool, relay_client):
        await asyncio.sleep(1.5)
        before = await owner.fetchval(statements)
        await asyncio.sleep(RESTING_S)
        assert await owner.fetchval(statements) - before < RESTING_STATEMENTS_MAX


async def test_every_commit_wakes_the_relay(  # noqa: PLR0917
    world: World,
    owner: Pool,
    pool: Pool,
    bus: Client,
    relay_client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also one that is made while it is being woken; its own look now and then is for crashes."""
    monkeypatch.setattr(relay, "POLL_INTERVAL_S", 10 * ARRIVAL_S_MAX)
    async with relaying(pool, relay_client):
        for _ in range(3):
            await scribble(world, 4, 3)
            await arrived(bus, owner, world.project_id)


async def test_relay_of_the_same_process_needs_no_word_of_the_database(
    world: World,
    owner: Pool,
    pool: Pool,
    relay_client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that stands by does not count: then the one elsewhere is told."""
    monkeypatch.setattr(relay, "POLL_INTERVAL_S", 10 * ARRIVAL_S_MAX)
    near, told = Relay(pool, relay_client, service="events"), list[object]()
    book = await world.book()
    commands = CommandHandlers(Store(pool, near))

    async def change(title: str) -> None:
        question = Change(
            kind="book", id=UUID(book["id"]), command_id=new_id(), fields={"title": title}
        )
        await commands.change(question, world.actor)

    def hear(*said: object) -> None:
        told.append(said)

    async with owner.acquire() as connection:
        await connection.add_listener("outbox", hear)
        await change("nobody is at work")
        await until(lambda: bool(told))
        running = asyncio.create_task(near.run())
        await until(near.wake)
        await announced(owner)
        told.clear()
        await change("it is at work")
        await announced(owner)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await connection.reset()

    assert told == []
