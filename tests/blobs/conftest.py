"""One PostgreSQL, one NATS and one blobs service for all tests of the room."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable

import httpx
import pytest

from libs.bus import Caller, connect_broker
from libs.contracts.actor import Actor
from libs.contracts.ids import new_id
from libs.postgres import Pool, connect
from libs.stack import Stack
from tests.blobs.support import Desk


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with Stack(
        tmp_path_factory.mktemp("stack") / "data", replicas={"blobs": 1}, log_format="json"
    ) as running:
        yield running


@pytest.fixture(scope="session")
async def owner(stack: Stack) -> AsyncIterator[Pool]:
    """The database as its owner, to look behind the scenes."""
    url = stack.postgres_url("blobs", "blobs_owner")
    opened = await connect(url, application="tests-owner", size_max=4)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
async def pool(stack: Stack) -> AsyncIterator[Pool]:
    """The database as the run-time role."""
    opened = await connect(stack.postgres_url("blobs", "blobs"), application="tests", size_max=8)
    yield opened
    await opened.close()


@pytest.fixture
def somebody(caller: Caller, http: httpx.AsyncClient) -> Callable[[], Desk]:
    """Make people, each in a project of their own."""
    return lambda: Desk(caller, http, Actor(user_id=new_id(), project_id=new_id()))


@pytest.fixture(scope="session")
async def caller(stack: Stack) -> AsyncGenerator[Caller]:
    """Ask as the gateway does."""
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="test"
    )
    yield Caller(client)
    await broker.stop()


@pytest.fixture(scope="session")
async def http() -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=60) as client:
        yield client


@pytest.fixture
def desk(somebody: Callable[[], Desk]) -> Desk:
    """Somebody in a project of their own."""
    return somebody()
