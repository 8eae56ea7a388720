"""One stack with two replicas of collab, asked over the bus."""

from collections.abc import AsyncIterator

import pytest

from tests.collab.review.threads.support import Table
from tests.collab.upkeep.support import Desk
from tests.support.stack import TwoCollabs

QUIET = {"SCRIPTORIUM_UPKEEP": "false", "SCRIPTORIUM_DIVERGENCE_SAMPLING": "false"}


@pytest.fixture(scope="package")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with (
        TwoCollabs(tmp_path_factory.mktemp("threads"), QUIET) as stack,
        Desk.open(stack) as made,
    ):
        yield made


@pytest.fixture
async def table(desk: Desk) -> Table:
    """A scene with words, in a project of its own."""
    return await Table.laid(desk)
