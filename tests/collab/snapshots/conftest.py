"""Two stacks, each with two replicas of collab: a quiet one, and one that never rests."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.collab.workers import Workers
from tests.collab.snapshots.support import Desk
from tests.support.stack import TwoCollabs
from tools.stack import Stack

QUIET = {
    "SCRIPTORIUM_SNAPSHOT_INTERVAL_S": "600",
    "SCRIPTORIUM_DIVERGENCE_SAMPLING": "false",
    "SCRIPTORIUM_SNAPSHOT_HISTORY_ROWS": "3",
    "SCRIPTORIUM_SNAPSHOT_WALK_S": "0.5",
    "SCRIPTORIUM_ROLLUP_ROWS": "8",
}
BUSY = {
    "SCRIPTORIUM_SNAPSHOT_INTERVAL_S": "1",
    "SCRIPTORIUM_SNAPSHOT_WALK_S": "1",
    "SCRIPTORIUM_DIVERGENCE_INTERVAL_S": "0.1",
    "SCRIPTORIUM_DIVERGENCE_AGAIN_S": "0.3",
}


@asynccontextmanager
async def desk_at(folder: Path, settings: dict[str, str]) -> AsyncGenerator[Desk]:
    async with (
        TwoCollabs(folder, settings, supervise=False) as stack,
        Desk.open(stack) as made,
    ):
        yield made


@pytest.fixture(scope="package")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """Nothing happens by itself here."""
    async with desk_at(tmp_path_factory.mktemp("quiet"), QUIET) as made:
        yield made


@pytest.fixture(scope="package")
async def busy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """Everything happens by itself here, within a second."""
    async with desk_at(tmp_path_factory.mktemp("busy"), BUSY) as made:
        yield made


@pytest.fixture
def stack(desk: Desk) -> Stack:
    return desk.stack


@pytest.fixture(scope="package")
async def workers() -> AsyncIterator[Workers]:
    """Those of a replica that runs in this process."""
    made = Workers(1)
    yield made
    made.close()
