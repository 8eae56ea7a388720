"""Which tests share a process when several processes run them."""

import os
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tools.stack.ports import CHOICE_FIRST, CHOICE_LAST, RANGE_VARIABLE

HERE = Path(__file__).parent
SHARDS = {"clients": 2, "events": 2, "gateway": 3}
"""Folders with too many tests for one process, and among how many their files are dealt."""
FIRST = ("clients", "gateway", "blobs", "system", "events", "collab", "tools")
"""Folders that take minutes: whoever came to one last would keep all others waiting."""


class ByFolder(LoadScopeScheduling):
    """Keeps the tests of a folder together: they share a running system, which ends with them.

    Not by `xdist_group`: xdist 3.8 writes that into a test's id, and pytest 9.2 does not read it
    there. Each test then went wherever there was room, and each process started every system.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = HERE.parent / nodeid.partition("::")[0]
        folder = file.parent.relative_to(HERE).as_posix()
        shards = SHARDS.get(folder, 1)
        place = sorted(file.parent.glob("test_*.py")).index(file)
        return f"{folder} {place % shards}"


if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # A port that one process has chosen is free until its server listens, also to the others.
    width = (CHOICE_LAST - CHOICE_FIRST) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    first = CHOICE_FIRST + width * int(worker.removeprefix("gw"))
    os.environ.setdefault(RANGE_VARIABLE, f"{first}-{first + width - 1}")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFolder:
    """Deal tests out by folder."""
    return ByFolder(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: _turn(item.path.relative_to(HERE).parts[0]))


def _turn(folder: str) -> int:
    return FIRST.index(folder) if folder in FIRST else len(FIRST)
