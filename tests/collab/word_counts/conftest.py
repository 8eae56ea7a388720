"""One stack with two replicas of collab, which look for uncounted scenes all the time."""

from collections.abc import AsyncIterator

import pytest

from tests.collab.snapshots.support import Desk
from tests.support.stack import TwoCollabs

SETTINGS = {"SCRIPTORIUM_WORD_COUNT_WALK_S": "1", "SCRIPTORIUM_DIVERGENCE_SAMPLING": "false"}


@pytest.fixture(scope="package")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with (
        TwoCollabs(tmp_path_factory.mktemp("words"), SETTINGS) as stack,
        Desk.open(stack) as made,
    ):
        yield made
