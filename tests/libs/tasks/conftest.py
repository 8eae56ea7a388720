"""PostgreSQL, with an empty database that holds the positions of tasks and nothing else."""

from collections.abc import AsyncIterator

import pytest

from libs.postgres import Pool, connect
from libs.tasks import positions
from tools.stack import Stack

TABLE = positions.__doc__ or ""
"""The page of the module says what a service's migration has to make."""


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with Stack(tmp_path_factory.mktemp("tasks") / "data", replicas={}) as running:
        yield running


@pytest.fixture
async def pool(stack: Stack) -> AsyncIterator[Pool]:
    made = await connect(stack.postgres_url("collab", "collab_owner"), application="one")
    await made.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    table = TABLE[TABLE.index("CREATE TABLE") : TABLE.index("GRANT")]
    await made.execute(table)
    yield made
    await made.close()


@pytest.fixture
async def other(stack: Stack, pool: Pool) -> AsyncIterator[Pool]:
    """What another replica has."""
    del pool  # its database is empty first
    made = await connect(stack.postgres_url("collab", "collab_owner"), application="other")
    yield made
    await made.close()
