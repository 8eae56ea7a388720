"""One PostgreSQL, one NATS and one blobs service for all tests of the room."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from libs.bus import Caller, connect_broker
from libs.contracts.actor import Actor
from libs.contracts.ids import new_id
from libs.postgres import Pool, connect
from tests.blobs.support import Desk
from tests.support.s3 import Door, Manners, bucket_at, minio, rclone
from tools.stack import Stack


@pytest.fixture(scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with Stack(
        tmp_path_factory.mktemp("stack") / "data", replicas={"blobs": 1}, log_format="json"
    ) as running:
        yield running


@pytest.fixture(scope="package")
def rclone_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where rclone keeps its buckets."""
    return tmp_path_factory.mktemp("rclone")


@pytest.fixture(scope="package")
def s3_endpoint(rclone_folder: Path) -> Iterator[str]:
    """An S3 server that ignores conditions."""
    with rclone(rclone_folder) as endpoint:
        yield endpoint


@pytest.fixture(scope="package")
def bucket(s3_endpoint: str) -> str:
    """A bucket there."""
    return bucket_at(s3_endpoint)


@pytest.fixture(scope="package")
def heeding_bucket(s3_endpoint: str, rclone_folder: Path) -> Iterator[str]:
    """A bucket of a server that heeds conditions."""
    with Door(s3_endpoint, rclone_folder, Manners.HEEDS).open() as endpoint:
        yield bucket_at(endpoint, "heeding")


@pytest.fixture(scope="package")
def minio_bucket() -> Iterator[str]:
    """A bucket of a server that is used in production."""
    with minio() as endpoint:
        yield bucket_at(endpoint)


@pytest.fixture(scope="package")
async def owner(stack: Stack) -> AsyncIterator[Pool]:
    """The database as its owner, to look behind the scenes."""
    url = stack.postgres_url("blobs", "blobs_owner")
    opened = await connect(url, application="tests-owner", size_max=4)
    yield opened
    await opened.close()


@pytest.fixture(scope="package")
async def pool(stack: Stack) -> AsyncIterator[Pool]:
    """The database as the run-time role."""
    opened = await connect(stack.postgres_url("blobs", "blobs"), application="tests", size_max=8)
    yield opened
    await opened.close()


@pytest.fixture
def somebody(caller: Caller, http: httpx.AsyncClient) -> Callable[[], Desk]:
    """Make people, each in a project of their own."""
    return lambda: Desk(caller, http, Actor(user_id=new_id(), project_id=new_id()))


@pytest.fixture(scope="package")
async def caller(stack: Stack) -> AsyncGenerator[Caller]:
    """Ask as the gateway does."""
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="test"
    )
    yield Caller(client)
    await broker.stop()


@pytest.fixture(scope="package")
async def http() -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=60) as client:
        yield client


@pytest.fixture
def desk(somebody: Callable[[], Desk]) -> Desk:
    """Somebody in a project of their own."""
    return somebody()
