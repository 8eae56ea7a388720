"""A stack of its own: these proofs are about the whole log, and other tests tamper with it."""

from collections.abc import AsyncGenerator, AsyncIterator

import nats
import pytest
from nats.aio.client import Client

from libs.bus import Caller, connect_broker
from libs.contracts.actor import Actor
from libs.contracts.ids import new_id
from libs.contracts.subjects import OPERATOR, inbox
from libs.postgres import Pool, connect, migrate
from services.events.api import serve_audit, serve_operators, serve_resources
from services.events.store import Store
from services.events.upkeep import PARTITION_MONTHS_AHEAD
from tests.events.integrity.damage import Operator
from tests.events.support import World
from tools.stack import Stack


@pytest.fixture(scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with Stack(tmp_path_factory.mktemp("integrity") / "data", replicas={}) as running:
        url = running.postgres_url("events", "events_owner")
        await migrate(url, "services.events", role="events")
        yield running


@pytest.fixture(scope="package")
async def pool(stack: Stack) -> AsyncIterator[Pool]:
    url = stack.postgres_url("events", "events")
    opened = await connect(url, application="tests", size_max=24)
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
async def bus(stack: Stack) -> AsyncIterator[Client]:
    client = await nats.connect(
        stack.nats_url("admin"), max_reconnect_attempts=-1, error_cb=_ignore
    )
    yield client
    await client.close()


async def _ignore(_: Exception) -> None:
    """Restarts of the server are part of these tests."""


@pytest.fixture(scope="package")
async def served(stack: Stack, pool: Pool) -> AsyncGenerator[None]:
    broker, _ = await connect_broker(stack.nats_url("events"), service="events", replica="test")
    serve_resources(broker, Store(pool), pool)
    serve_operators(broker, pool)
    serve_audit(broker, Store(pool))
    await broker.start()
    yield
    await broker.stop()


@pytest.fixture(scope="package")
async def caller(stack: Stack, served: None) -> AsyncGenerator[Caller]:  # noqa: ARG001
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="test"
    )
    yield Caller(client)
    await broker.stop()


@pytest.fixture(scope="package")
async def operator(stack: Stack, served: None) -> AsyncGenerator[Operator]:  # noqa: ARG001
    """Ask as an operator does, with no more rights than they have."""
    client = await nats.connect(
        stack.nats_url(OPERATOR),
        inbox_prefix=inbox(OPERATOR).encode(),
        max_reconnect_attempts=-1,
        reconnect_time_wait=0,
        error_cb=_ignore,
    )
    yield Operator(Caller(client), Actor(user_id=new_id()))
    await client.close()


@pytest.fixture
async def world(caller: Caller) -> World:
    return await World.begin(caller)
