"""The real stack with two replicas of collab that do not compact by themselves."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.collab.history.support import Room
from tests.support.people import People, Person
from tests.support.stack import real_stack
from tools.stack import Stack

REPLICAS = {"gateway": 1, "collab": 2, "events": 1}


@pytest.fixture(scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    environment = {"SCRIPTORIUM_UPKEEP": "false"}
    folder = tmp_path_factory.mktemp("authorship")
    async with real_stack(folder, replicas=REPLICAS, environment=environment) as running:
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
async def owner(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """The database as its owner, to write what is long past."""
    connection = await asyncpg.connect(stack.postgres_url("collab", "collab_owner"))
    yield connection
    await connection.close()


@pytest.fixture
async def room(ada: Person, ben: Person, owner: asyncpg.Connection) -> Room:
    """An empty scene of Ada's, in which Ben may write."""
    project = await ada.project("Frankenstein")
    await ada.let_in(project, ben, "WRITER")
    return Room(ada, ben, project, await ada.scene(project), owner)
