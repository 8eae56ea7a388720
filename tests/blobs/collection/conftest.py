"""One PostgreSQL and one NATS; events and blobs run in this process, time passes by decree."""

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest

from libs.bus import Caller, connect_broker
from libs.postgres import Pool
from tests.blobs.collection.support import Desk, Vault, databases, events_served
from tools.stack import Stack


@pytest.fixture(scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("collection") / "data"
    async with Stack(folder, replicas={}) as running:
        await databases(running)
        yield running


@pytest.fixture(scope="package")
async def events(stack: Stack) -> AsyncIterator[Pool]:
    async with events_served(stack) as pool:
        yield pool


@pytest.fixture(scope="package")
async def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the bytes are."""
    return tmp_path_factory.mktemp("bytes")


@pytest.fixture(scope="package")
async def vault(stack: Stack, folder: Path, events: Pool) -> AsyncIterator[Vault]:  # noqa: ARG001
    async with Vault.open(stack, folder) as opened:
        yield opened


@pytest.fixture(scope="package")
async def caller(stack: Stack, events: Pool) -> AsyncGenerator[Caller]:  # noqa: ARG001
    """Ask as the gateway does."""
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="test"
    )
    yield Caller(client)
    await broker.stop()


@pytest.fixture
async def desk(vault: Vault, caller: Caller) -> Desk:
    """A person with a project of their own."""
    return await Desk.begin(vault, caller)
