"""A stack of its own: these proofs are about the whole log, which is archived while it is young."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import nats
import pytest

from libs.bus import Caller, Relay, connect_broker
from libs.postgres import Pool, connect, migrate
from services.events.api import serve_bundles, serve_resources
from services.events.integrity.publish_filter import ChainPublishFilter
from services.events.store import Store
from services.events.upkeep import PARTITION_MONTHS_AHEAD
from tests.events.impatience import impatience
from tests.events.log_model.desk import Desk
from tools.stack import Stack


@pytest.fixture(scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with Stack(tmp_path_factory.mktemp("log_model") / "data", replicas={}) as running:
        url = running.postgres_url("events", "events_owner")
        await migrate(url, "services.events", role="events")
        yield running


@pytest.fixture(scope="package")
async def owner(stack: Stack) -> AsyncIterator[Pool]:
    url = stack.postgres_url("events", "events_owner")
    opened = await connect(url, application="tests-owner", size_max=4)
    async with impatience(opened):
        yield opened
    await opened.close()


@pytest.fixture(scope="package")
async def desk(stack: Stack, owner: Pool) -> AsyncGenerator[Desk]:
    """The service in this process, its relay, and somebody who asks through the bus."""
    url = stack.postgres_url("events", "events")
    pool = await connect(url, application="tests", size_max=8)
    await pool.fetchval("SELECT ensure_event_partitions($1)", PARTITION_MONTHS_AHEAD)
    serving, client = await connect_broker(
        stack.nats_url("events"), service="events", replica="test"
    )
    serve_resources(serving, Store(pool), pool)
    serve_bundles(serving, Store(pool))
    await serving.start()
    relay = asyncio.create_task(
        Relay(pool, client, service="events", screening=ChainPublishFilter(pool)).run()
    )
    asking, gateway = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="test"
    )
    bus = await nats.connect(stack.nats_url("admin"))
    yield Desk(Caller(gateway), pool, owner, bus, asyncio.get_running_loop())
    relay.cancel()
    await asyncio.wait([relay])
    await bus.close()
    await asking.stop()
    await serving.stop()
    await pool.close()
