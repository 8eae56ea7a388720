"""The real stack with the ai service, and somebody with a manuscript."""

from collections.abc import AsyncIterator

import httpx
import pytest

from libs.postgres import Pool, connect
from tests.ai.desk import Desk
from tests.gateway.support import Person
from tests.support.stack import real_stack
from tools.stack import Stack


@pytest.fixture(scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    replicas = {"gateway": 1, "collab": 1, "events": 1, "ai": 1}
    async with real_stack(tmp_path_factory.mktemp("ai"), replicas=replicas) as running:
        yield running


@pytest.fixture(scope="package")
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack.url, timeout=30) as client:
        yield client


@pytest.fixture
async def desk(http: httpx.AsyncClient) -> Desk:
    """Mary and a manuscript of her own."""
    return await Desk.begin(await Person.register(http, "Mary"))


@pytest.fixture(scope="package")
async def pool(stack: Stack) -> AsyncIterator[Pool]:
    """The database of the ai service as its run-time role."""
    opened = await connect(stack.postgres_url("ai", "ai"), application="tests")
    yield opened
    await opened.close()
