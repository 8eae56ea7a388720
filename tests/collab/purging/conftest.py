"""One stack with two replicas of collab."""

from collections.abc import AsyncIterator

import pytest

from tests.collab.upkeep.support import Desk
from tests.support.stack import TwoCollabs

QUIET = {"SCRIPTORIUM_DIVERGENCE_SAMPLING": "false"}


@pytest.fixture(scope="package")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with (
        TwoCollabs(tmp_path_factory.mktemp("purging"), QUIET) as stack,
        Desk.open(stack) as made,
    ):
        yield made
