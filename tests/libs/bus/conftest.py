"""Real NATS and PostgreSQL, without services."""

from collections.abc import AsyncIterator

import pytest
from faststream.nats import NatsBroker
from nats.aio.client import Client

from libs.bus import connect_broker
from tools.stack import Stack


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """PostgreSQL and NATS, shared by the tests of a module."""
    async with Stack(tmp_path_factory.mktemp("bus") / "data", replicas={}) as running:
        yield running


@pytest.fixture
async def answering(stack: Stack) -> AsyncIterator[tuple[NatsBroker, Client]]:
    """The broker and client of a service that answers, as the events user."""
    broker, client = await connect_broker(
        stack.nats_url("events"), service="events", replica="events-test"
    )
    yield broker, client
    await broker.stop()


@pytest.fixture
async def asking(stack: Stack) -> AsyncIterator[tuple[NatsBroker, Client]]:
    """The broker and client of a gateway that asks."""
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="gateway-test"
    )
    yield broker, client
    await broker.stop()
