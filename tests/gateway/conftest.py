"""One stack for all tests of the gateway: two gateways, two collabs, events and blobs, all real."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from libs.postgres import Pool, connect
from services.gateway.accounts.teams import TeamStore
from tests.gateway.support import Manuscript, Person
from tools.stack import Stack

PLENTY = "100000"


@pytest.fixture(scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("stack") / "data"
    environment = {
        f"SCRIPTORIUM_LIMIT_{each}_PER_MINUTE": PLENTY
        for each in ("AUTH", "READ", "WRITE", "CONTENT")
    }
    environment["SCRIPTORIUM_EMBEDDER"] = "none"
    replicas = {"events": 1, "collab": 2, "blobs": 1, "gateway": 2}
    async with Stack(
        folder, replicas=replicas, environment=environment, supervise=False, log_format="json"
    ) as running:
        yield running


@pytest.fixture(scope="module")
async def every_service(stack: Stack) -> AsyncIterator[list[str]]:
    """Search and runs, for the modules that ask for them."""
    names = list(await asyncio.gather(stack.add("indexer"), stack.add("ai")))
    yield names
    await asyncio.gather(*map(stack.remove, names))


@pytest.fixture(scope="package")
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """The first gateway."""
    async with httpx.AsyncClient(base_url=stack.gateways[0], timeout=15) as client:
        yield client


@pytest.fixture(scope="package")
async def http2(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """The second gateway."""
    async with httpx.AsyncClient(base_url=stack.gateways[1], timeout=15) as client:
        yield client


@pytest.fixture
async def mary(http: httpx.AsyncClient) -> Person:
    return await Person.register(http, "Mary")


@pytest.fixture
async def percy(http: httpx.AsyncClient) -> Person:
    return await Person.register(http, "Percy")


@pytest.fixture
async def manuscript(mary: Person) -> Manuscript:
    """Mary's project, book, chapter and scene."""
    return await Manuscript.begin(mary)


@pytest.fixture(scope="package")
async def pool(stack: Stack) -> AsyncIterator[Pool]:
    """The gateways' own database, for what happens behind their backs."""
    opened = await connect(stack.postgres_url("gateway", "gateway"), application="test")
    yield opened
    await opened.close()


@pytest.fixture
def store(pool: Pool) -> TeamStore:
    """The teams in it."""
    return TeamStore(pool)
