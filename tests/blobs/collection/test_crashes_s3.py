"""kill -9 in a collection whose bytes are in a bucket, by another's understanding of S3."""

from collections.abc import AsyncIterator

import httpx
import pytest

from libs.contracts.ids import new_id
from services.blobs.storage import open_storage
from tests.blobs.collection.crashing import collected, emptied, finished, insist
from tests.blobs.collection.processes import DYING, HASTY, Mortal, hands
from tests.blobs.collection.support import Desk, check
from tests.blobs.support import Desk as Client
from tests.blobs.support import sha256, text
from tests.support.s3 import ACCESS, CREDENTIALS, SECRET

STEPS = ("collection.collecting", "collection.collected", "sweep.deleted")


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory, bucket: str) -> AsyncIterator[Mortal]:
    environment = HASTY | {
        "SCRIPTORIUM_STORAGE_URL": bucket,
        "SCRIPTORIUM_S3_ACCESS_KEY": ACCESS,
        "SCRIPTORIUM_S3_SECRET_KEY": SECRET,
    }
    replicas = {"events": 1, "blobs": 1}
    async with Mortal(tmp_path_factory.mktemp("s3"), replicas, environment) as running:
        yield running


@pytest.fixture(scope="module")
async def people(stack: Mortal, bucket: str) -> AsyncIterator[tuple[Desk, Client]]:
    async with hands(stack, open_storage(bucket, CREDENTIALS)) as made:
        yield made


@pytest.mark.long
async def test_killed_with_bytes_in_a_bucket(stack: Mortal, people: tuple[Desk, Client]) -> None:
    """From the upload to the last object: what is kept is whole, and all else goes in the end."""
    desk, client = people
    kept, large = text(200_000), b"in two parts, " * 800_000
    await client.upload(kept)
    await desk.put_path("project/kept", sha256(kept))
    await stack.die_at("upload.stored")
    await stack.wait_ready(DYING)
    upload_id = new_id()
    begun = await client.begin(upload_id=upload_id)
    with pytest.raises(httpx.HTTPError):
        await client.send(begun.ticket, large)
    await stack.dead()
    await check(desk)
    await stack.alive()
    await insist(lambda: finished(client, large, upload_id))
    gone = [sha256(large)]
    for step in STEPS:
        gone.append((await client.upload(f"to die at {step}".encode())).sha256)
        await stack.die_at(step)
        await stack.dead()
        await check(desk)
        assert await desk.read(sha256(kept)) == kept, step
        await stack.alive()
    await collected(desk, *gone)
    await emptied(desk, 1)
    await check(desk)
