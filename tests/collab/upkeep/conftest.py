"""One stack with two replicas of collab that walk all the time; ages are as in production."""

from collections.abc import AsyncIterator

import pytest

from tests.collab.upkeep.support import Desk
from tests.support.stack import TwoCollabs

BUSY = {
    "SCRIPTORIUM_UPKEEP_INTERVAL_S": "0.2",
    "SCRIPTORIUM_UPKEEP_DUTY": "1",
    "SCRIPTORIUM_VERIFY_INTERVAL_S": "0.5",
    "SCRIPTORIUM_VERIFY_DUTY": "1",
    "SCRIPTORIUM_DIVERGENCE_SAMPLING": "false",
}


@pytest.fixture(scope="package")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with (
        TwoCollabs(tmp_path_factory.mktemp("upkeep"), BUSY) as stack,
        Desk.open(stack) as made,
    ):
        yield made
