"""One PostgreSQL and one NATS for all tests of the events service, which runs in this process."""

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from libs.bus import Caller, connect_broker
from libs.postgres import Pool, connect, migrate
from services.events.api import (
    serve_audit,
    serve_bundles,
    serve_resources,
    serve_sync,
    serve_workspaces,
)
from services.events.store import Store
from services.events.upkeep import PARTITION_MONTHS_AHEAD
from services.events.workspaces.files import PackageBytes
from services.events.workspaces.job_steps import JobSteps
from services.events.workspaces.texts import SceneTexts
from services.events.workspaces.worker import JobWorker
from tests.events.support import World
from tests.support.tasks import running_all
from tools.stack import Stack


@pytest.fixture(scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("stack") / "data"
    async with Stack(folder, replicas={}) as running:
        url = running.postgres_url("events", "events_owner")
        await migrate(url, "services.events", role="events")
        yield running


@pytest.fixture(scope="package")
async def pool(stack: Stack) -> AsyncIterator[Pool]:
    """The database as the run-time role."""
    url = stack.postgres_url("events", "events")
    opened = await connect(url, application="tests", size_max=24)
    await opened.fetchval("SELECT ensure_event_partitions($1)", PARTITION_MONTHS_AHEAD)
    yield opened
    await opened.close()


@pytest.fixture(scope="package")
async def owner(stack: Stack) -> AsyncIterator[Pool]:
    """The database as its owner, to look behind the scenes."""
    url = stack.postgres_url("events", "events_owner")
    opened = await connect(url, application="tests-owner", size_max=4)
    yield opened
    await opened.close()


@pytest.fixture(scope="package")
async def bus(stack: Stack) -> AsyncIterator[Client]:
    """The bus as its administrator."""
    client = await nats.connect(
        stack.nats_url("admin"), max_reconnect_attempts=-1, error_cb=_ignore
    )
    yield client
    await client.close()


async def _ignore(_: Exception) -> None:
    """Restarts of the server are part of these tests."""


@pytest.fixture(scope="package")
async def served(stack: Stack, pool: Pool) -> AsyncGenerator[None]:
    """Serve the methods from this process."""
    broker, _ = await connect_broker(stack.nats_url("events"), service="events", replica="test")
    serve_resources(broker, Store(pool), pool)
    serve_bundles(broker, Store(pool))
    serve_sync(broker, Store(pool))
    serve_audit(broker, Store(pool))
    await broker.start()
    yield
    await broker.stop()


@pytest.fixture(scope="package")
async def caller(stack: Stack, served: None) -> AsyncGenerator[Caller]:  # noqa: ARG001
    """Ask as the gateway does."""
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="test"
    )
    yield Caller(client)
    await broker.stop()


@pytest.fixture
async def world(caller: Caller) -> World:
    """A person with a project of their own, and words to act in it."""
    return await World.begin(caller)


@pytest.fixture(scope="module")
async def worker(stack: Stack, pool: Pool) -> AsyncIterator[JobWorker]:
    """Serve workspaces from this process, and work on their jobs; collab and blobs are away."""
    broker, client = await connect_broker(
        stack.nats_url("events"), service="events", replica="workspaces"
    )
    files = PackageBytes(Caller(client))
    made = JobWorker(pool, JobSteps(pool, SceneTexts(Caller(client)), files), files)
    serve_workspaces(broker, pool, made, files)
    await broker.start()
    async with running_all(*made.tasks()):
        yield made
    await broker.stop()


@pytest.fixture
async def relay_client(stack: Stack) -> AsyncIterator[Client]:
    """The bus as the service's own user, with no more rights than it has."""
    broker, client = await connect_broker(
        stack.nats_url("events"), service="events", replica="relay"
    )
    yield client
    await broker.stop()
