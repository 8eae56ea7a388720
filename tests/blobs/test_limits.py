"""Large bodies, storage in a bucket: the parts of the service on their own."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.blobs.transfers import BeginUpload, Codec, CompleteUpload, OpenBlob
from libs.contracts.ids import new_id
from libs.postgres import AdvisoryLocks, Pool
from libs.tasks import TaskPositions
from services.blobs.finishing import Finishing
from services.blobs.handlers import Handlers
from services.blobs.model.keys import new_key
from services.blobs.reading import Reading
from services.blobs.storage import Storage, open_storage
from services.blobs.storage.local import LocalStorage
from services.blobs.store import Row, Store
from services.blobs.strays import Strays
from services.blobs.tickets import Tickets
from services.blobs.uploads import Uploads
from tests.blobs.support import Desk, authorized, sha256
from tests.support.s3 import CREDENTIALS
from tools.stack import Stack

MIB = 1 << 20
GROWTH_BYTES_MAX = 60 * MIB


class Room:
    """The service's parts around another storage."""

    def __init__(self, pool: Pool, storage: Storage) -> None:
        self.store = Store(pool)
        self.storage = storage
        finishing = Finishing(self.store, storage, AdvisoryLocks(pool))
        self.uploads = Uploads(self.store, storage, finishing)
        self.reading = Reading(self.store, {"hot": storage})
        tickets = Tickets(self.store, "http://nowhere/bytes")
        self.handlers = Handlers(
            self.store,
            {"hot": storage},
            finishing,
            tickets,
            life_s=3600.0,
            direct_s=3600.0,
            on_read=lambda _project, _digest: None,
            recheck=_as_it_is,
        )
        self.actor = Actor(user_id=new_id(), project_id=new_id())

    async def put(self, *chunks: bytes) -> str:
        begun = await self.handlers.begin_upload(BeginUpload(upload_id=new_id()), self.actor)
        upload = await self.uploads.put(self.actor.scope(), begun.upload.id, _body(chunks))
        assert upload.blob
        return upload.blob.sha256

    async def get(self, digest: str) -> bytes:
        row = await self.store.blob(self.actor.scope(), digest)
        return b"".join([part async for part in self.reading.frames(row, 0, row["size"])])


async def _as_it_is(blob: Row) -> Row:
    return blob


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def _body(chunks: tuple[bytes, ...]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def test_a_bucket_takes_and_gives(pool: Pool, bucket: str):
    """The same pipeline; a plain blob in a bucket is its bytes, and may be had directly."""
    room = Room(pool, open_storage(bucket, CREDENTIALS))
    noise = os.urandom(9 * MIB + 1)
    digest = await room.put(noise)

    assert await room.get(digest) == noise
    opened = await room.handlers.open_blob(
        OpenBlob(sha256=digest, presign=True, file_name="draft.bin"), room.actor
    )
    assert opened.blob.codec is Codec.IDENTITY
    assert opened.ticket
    assert opened.ticket.direct_url
    async with httpx.AsyncClient() as http:
        answer = await http.get(opened.ticket.direct_url)
    assert answer.content == noise
    longer = OpenBlob(sha256=digest, presign=True, ttl_s=3601)
    opened = await room.handlers.open_blob(longer, room.actor)
    assert opened.ticket
    assert opened.ticket.direct_url is None, "the object may be gone or elsewhere by then"


async def test_what_was_sent_to_a_bucket_is_verified(pool: Pool, bucket: str):
    """Direct uploads pass us by, and are no blob before their bytes were read."""
    room = Room(pool, open_storage(bucket, CREDENTIALS))
    data = os.urandom(3 * MIB)
    wanted = BeginUpload(upload_id=new_id(), size=len(data), sha256=sha256(data))
    begun = await room.handlers.begin_upload(wanted, room.actor)
    assert begun.ticket
    assert begun.ticket.direct_url
    done = CompleteUpload(upload_id=wanted.upload_id)
    with pytest.raises(errors.Conflict):
        await room.handlers.complete_upload(done, room.actor)
    async with httpx.AsyncClient() as http:
        put = await http.put(begun.ticket.direct_url, content=os.urandom(len(data)))
        assert put.status_code == 200
        with pytest.raises(errors.ContentMismatch):
            await room.handlers.complete_upload(done, room.actor)
        assert (await http.put(begun.ticket.direct_url, content=data)).status_code == 200

    upload = await room.handlers.complete_upload(done, room.actor)

    assert upload.blob
    assert upload.blob.sha256 == sha256(data)
    assert await room.get(upload.blob.sha256) == data


async def test_objects_without_a_row_are_found(pool: Pool, owner: Pool, tmp_path: Path):
    """Old ones only, and they are not deleted at once; what has a row is left alone."""
    root = tmp_path / "walked"
    root.mkdir()
    room = Room(pool, LocalStorage(str(root)))
    digest = await room.put(b"known")
    piece = BeginUpload(upload_id=new_id(), resumable=True)
    upload = (await room.handlers.begin_upload(piece, room.actor)).upload
    await room.uploads.patch(room.actor.scope(), upload.id, 0, _body((b"piece",)))
    known = {_key(root, path) for path in _files(root)}
    stray, young = (new_key(room.actor.scope()) for _ in range(2))
    for key in (stray, young):
        writer = room.storage.writer(key)
        writer.write(b"stray")
        writer.commit()
    for path in _files(root):
        if _key(root, path) != young:
            os.utime(path, (0, 0))

    strays = Strays(room.store, TaskPositions(pool, AdvisoryLocks(pool)), {"hot": room.storage})
    first, again = await strays.look("hot", ""), await strays.look("hot", "")

    assert first
    assert first == (max(known | {stray, young}), 1)
    assert again == (first[0], 0)
    assert await strays.look("hot", first[0]) is None
    doomed = await owner.fetch(
        "SELECT key, due_at > now() + interval '29 days' FROM doomed WHERE reason = 'stray'"
    )
    assert [tuple(row) for row in doomed] == [(stray, True)]
    assert sha256(await room.get(digest)) == digest
    await owner.execute("DELETE FROM doomed WHERE key = $1", stray)


def _key(root: Path, path: Path) -> str:
    return str(path.relative_to(root))


@pytest.mark.parametrize(
    "size",
    [256 * MIB, pytest.param(2048 * MIB, marks=[pytest.mark.long, pytest.mark.timeout(900)])],
)
async def test_memory_does_not_follow_the_size(desk: Desk, stack: Stack, size: int):
    """A large body both ways: the service holds a few frames of it at any time."""
    pid = stack.pid("blobs-1")
    assert pid
    process = psutil.Process(pid)
    await desk.upload(os.urandom(2 * MIB))
    before = peak = process.memory_info().rss

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    noise = os.urandom(MIB)

    async def body() -> AsyncIterator[bytes]:
        for number in range(size // MIB):
            yield number.to_bytes(8) + noise[8:]

    begun = await desk.begin(size=size)
    answer = await desk.send(begun.ticket, body())
    assert answer.status_code == 200, answer.text
    opened = await desk.open(answer.json()["blob"]["sha256"])
    assert opened.ticket
    came = 0
    async with desk.http.stream(
        "GET", opened.ticket.url, headers=authorized(opened.ticket)
    ) as reading:
        async for part in reading.aiter_bytes():
            came += len(part)
    watching.cancel()

    assert came == size
    print(f"rss before {before / 1e6:.0f} MB, peak {peak / 1e6:.0f} MB")
    assert peak - before < GROWTH_BYTES_MAX
