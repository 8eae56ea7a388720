"""A stack with one of each: whatever dies of a hostile client is missed by everybody."""

from collections.abc import AsyncIterator

import pytest

from tests.support.breakable import BreakableStack
from tests.support.scenery import Scenery


@pytest.fixture(scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BreakableStack]:
    folder = tmp_path_factory.mktemp("hostile")
    replicas = {"gateway": 1, "collab": 1, "events": 1}
    async with BreakableStack(folder, replicas=replicas) as running:
        yield running


@pytest.fixture
async def scenery(stack: BreakableStack) -> AsyncIterator[Scenery]:
    made = await Scenery.begin(stack)
    yield made
    await made.close()
