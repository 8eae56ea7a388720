"""A stack without services, on real PostgreSQL and NATS."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tools.stack import Event, Stack


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """What the module's stack told."""
    return []


@pytest.fixture(scope="module")
async def stack(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event]
) -> AsyncIterator[Stack]:
    """PostgreSQL and NATS, shared by the tests of a module."""
    directory = tmp_path_factory.mktemp("stack") / "data"
    async with Stack(directory, replicas={}, tell=events.append) as running:
        yield running


@pytest.fixture(scope="package")
async def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data directory of a stack that has run once."""
    directory = tmp_path_factory.mktemp("template") / "data"
    async with Stack(directory, replicas={}):
        return directory


@pytest.fixture
def used(template: Path, tmp_path: Path) -> Path:
    """A data directory of a test's own that is not new, and is not in use."""
    return shutil.copytree(template, tmp_path / "data")
