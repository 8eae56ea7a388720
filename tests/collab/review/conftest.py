"""The real stack with two replicas of collab, and a scene that two people write in."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from libs.bus import Caller, connect_broker
from tests.support.people import People, Person
from tests.support.stack import real_stack
from tools.stack import Stack


@pytest.fixture(scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with real_stack(
        tmp_path_factory.mktemp("review"), replicas={"gateway": 1, "collab": 2, "events": 1}
    ) as running:
        yield running


@pytest.fixture(scope="package")
async def people(stack: Stack) -> AsyncIterator[People]:
    async with People(stack.url) as joined:
        yield joined


@pytest.fixture(scope="package")
async def ada(people: People) -> Person:
    return await people.join("Ada")


@pytest.fixture(scope="package")
async def ben(people: People) -> Person:
    return await people.join("Ben")


@pytest.fixture(scope="package")
async def caller(stack: Stack) -> AsyncIterator[Caller]:
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="desk"
    )
    yield Caller(client)
    await broker.stop()


@pytest.fixture(scope="package")
async def owner(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """The database as its owner, to look at and to break what no service may."""
    connection = await asyncpg.connect(stack.postgres_url("collab", "collab_owner"))
    yield connection
    await connection.close()
