"""A stack of its own, because these proofs are about the whole log; a relay announces."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import nats
import pytest

from libs.bus import Caller, Relay, connect_broker
from libs.contracts.subjects import OPERATOR, inbox
from libs.postgres import Pool, connect, migrate
from services.events.api import (
    serve_bundles,
    serve_following,
    serve_lifecycle,
    serve_operators,
    serve_resources,
    serve_sync,
)
from services.events.integrity.publish_filter import ChainPublishFilter
from services.events.store import Store
from services.events.upkeep import PARTITION_MONTHS_AHEAD
from tests.events.impatience import impatience
from tests.events.lifecycle.support import Ending
from tests.events.support import World
from tools.stack import Stack


@pytest.fixture(scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with Stack(tmp_path_factory.mktemp("lifecycle") / "data", replicas={}) as running:
        url = running.postgres_url("events", "events_owner")
        await migrate(url, "services.events", role="events")
        yield running


@pytest.fixture(scope="package")
async def pool(stack: Stack) -> AsyncIterator[Pool]:
    url = stack.postgres_url("events", "events")
    opened = await connect(url, application="tests", size_max=16)
    await opened.fetchval("SELECT ensure_event_partitions($1)", PARTITION_MONTHS_AHEAD)
    yield opened
    await opened.close()


@pytest.fixture(scope="package")
async def owner(stack: Stack) -> AsyncIterator[Pool]:
    url = stack.postgres_url("events", "events_owner")
    opened = await connect(url, application="tests-owner", size_max=6)
    yield opened
    await opened.close()


@pytest.fixture(scope="package")
async def served(stack: Stack, pool: Pool) -> AsyncGenerator[None]:
    broker, client = await connect_broker(
        stack.nats_url("events"), service="events", replica="test"
    )
    store = Store(pool)
    serve_resources(broker, store, pool)
    serve_bundles(broker, store)
    serve_sync(broker, store)
    serve_following(broker, store)
    serve_lifecycle(broker, store, pool)
    serve_operators(broker, pool)
    await broker.start()
    relay = asyncio.create_task(
        Relay(pool, client, service="events", screening=ChainPublishFilter(pool)).run()
    )
    yield
    relay.cancel()
    await asyncio.wait([relay])
    await broker.stop()


@pytest.fixture(scope="package")
async def caller(stack: Stack, served: None) -> AsyncGenerator[Caller]:  # noqa: ARG001
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="test"
    )
    yield Caller(client)
    await broker.stop()


@pytest.fixture(scope="package")
async def operator(stack: Stack, served: None) -> AsyncGenerator[Caller]:  # noqa: ARG001
    """Who operates the installation asks by a connection of their own."""
    client = await nats.connect(stack.nats_url(OPERATOR), inbox_prefix=inbox(OPERATOR).encode())
    yield Caller(client)
    await client.close()


@pytest.fixture
async def world(caller: Caller) -> World:
    return await World.begin(caller)


@pytest.fixture
def ending(world: World) -> Ending:
    return Ending(world)


@pytest.fixture
async def impatient(owner: Pool) -> AsyncGenerator[None]:
    async with impatience(owner):
        yield
