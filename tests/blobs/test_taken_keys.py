"""A key that is taken stays with whoever took it, wherever the storage can see to that."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from uuid import UUID

import pytest

from libs import errors
from libs.contracts.blobs.transfers import BeginUpload
from libs.contracts.ids import new_id
from libs.postgres import AdvisoryLocks, Pool
from services.blobs import leases
from services.blobs.finishing import Finishing
from services.blobs.model.keys import new_key
from services.blobs.storage import Storage, Taken, open_storage
from services.blobs.storage.local import LocalStorage
from services.blobs.store import Store
from services.blobs.uploads import Uploads
from tests.blobs.collection.support import once
from tests.support.s3 import CREDENTIALS, Door, Manners, bucket_at

PROJECT = UUID(int=8)
SIZES = [100, 9 << 20]
"""Below and above the size from which S3 takes parts."""
RACERS = 8


def write(storage: Storage, key: str, data: bytes) -> None:
    writer = storage.writer(key)
    try:
        for start in range(0, len(data), 1 << 20):
            writer.write(data[start : start + (1 << 20)])
        writer.commit()
    except BaseException:
        writer.abort()
        raise


def read(storage: Storage, key: str) -> bytes:
    size = storage.size(key)
    assert size is not None
    with closing(storage.reader(key, 0, size)) as reader:
        return b"".join(iter(lambda: reader.read(1 << 20), b""))


@pytest.fixture(params=["local", "s3", "minio"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """A storage that can tell."""
    match request.param:
        case "local":
            return LocalStorage(str(tmp_path))
        case "s3":
            return open_storage(request.getfixturevalue("heeding_bucket"), CREDENTIALS)
        case _:
            return open_storage(request.getfixturevalue("minio_bucket"), CREDENTIALS)


@pytest.fixture
def doors(s3_endpoint: str, rclone_folder: Path) -> Iterator["Doors"]:
    with ExitStack() as stack:
        yield Doors(s3_endpoint, rclone_folder, stack)


class Doors:
    """Servers with manners of one's choice."""

    def __init__(self, endpoint: str, folder: Path, stack: ExitStack) -> None:
        self._endpoint = endpoint
        self._folder = folder
        self._stack = stack

    def storage(self, manners: Manners) -> tuple[Door, Storage]:
        door = Door(self._endpoint, self._folder, manners)
        address = self._stack.enter_context(door.open())
        return door, open_storage(bucket_at(address, manners.name.lower()), CREDENTIALS)


@pytest.mark.parametrize("size", SIZES)
def test_an_object_is_not_overwritten(storage: Storage, size: int):
    """Nor does giving up take it away."""
    key, first = new_key(PROJECT), os.urandom(size)
    write(storage, key, first)
    with pytest.raises(Taken):
        write(storage, key, os.urandom(size))

    assert read(storage, key) == first


@pytest.mark.parametrize("size", SIZES)
def test_of_many_one_wins(storage: Storage, size: int):
    """Whoever is told that it is stored finds its own bytes there."""
    key, together = new_key(PROJECT), threading.Barrier(RACERS)
    bodies = [bytes([number]) * size for number in range(RACERS)]

    def race(body: bytes) -> bool:
        together.wait()
        with suppress(Taken):
            write(storage, key, body)
            return True
        return False

    with ThreadPoolExecutor(RACERS) as threads:
        are_mine = list(threads.map(race, bodies))
    won = [body for body, is_mine in zip(bodies, are_mine, strict=True) if is_mine]

    assert [read(storage, key)] == won


def test_a_deleted_key_is_free(storage: Storage):
    key = new_key(PROJECT)
    write(storage, key, b"first")
    storage.delete([key])
    write(storage, key, b"second")

    assert read(storage, key) == b"second"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("manners", [Manners.REFUSES_400, Manners.REFUSES_501])
def test_a_server_that_refuses_conditions_is_asked_once(doors: Doors, manners: Manners, size: int):
    """What it was found to be is remembered; it stores as any other."""
    door, storage = doors.storage(manners)
    keys = [new_key(PROJECT) for _ in range(3)]
    write(storage, keys[0], b"x")
    asked = door.asked
    for key in keys[1:]:
        write(storage, key, bytes(size))

    assert asked > 0
    assert door.asked == asked
    assert [storage.size(key) for key in keys] == [1, size, size]


def test_a_server_that_ignores_conditions_stores(bucket: str):
    """rclone overwrites without a word: keys that are used once are the first lock."""
    storage, key = open_storage(bucket, CREDENTIALS), new_key(PROJECT)
    write(storage, key, b"first")
    write(storage, key, b"second")

    assert read(storage, key) == b"second"


def test_a_server_may_heed_conditions_for_whole_objects_only(doors: Doors):
    """Each sort of request is tried, and sent with a condition where that helps."""
    door, storage = doors.storage(Manners.HEEDS_WHOLE)
    key = new_key(PROJECT)
    write(storage, key, b"first")
    with pytest.raises(Taken):
        write(storage, key, b"second")
    asked = door.asked
    write(storage, new_key(PROJECT), bytes(SIZES[1]))

    assert read(storage, key) == b"first"
    assert door.asked == asked, "parts are put together without a condition that is not heeded"


@pytest.mark.parametrize(
    ("manners", "size", "method", "lost"),
    [
        (Manners.HEEDS, SIZES[0], "PUT", 1),
        # The first POST begins the parts, the second puts them together.
        (Manners.HEEDS, SIZES[1], "POST", 2),
        (Manners.HEEDS_WHOLE, SIZES[1], "POST", 2),
    ],
)
def test_an_answer_that_was_lost_is_no_conflict(
    doors: Doors, manners: Manners, size: int, method: str, lost: int
):
    """The request is made again, and meets what the first one made."""
    door, storage = doors.storage(manners)
    write(storage, new_key(PROJECT), b"so that the server is known")
    made: list[str] = []

    def loses(made_by: str) -> bool:
        made.extend([made_by] if made_by == method else [])
        return made_by == method and len(made) == lost

    door.loses = loses
    key, data = new_key(PROJECT), os.urandom(size)
    write(storage, key, data)

    assert len(made) >= lost
    assert read(storage, key) == data


async def test_what_is_taken_is_not_deleted(
    pool: Pool, owner: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """An upload whose key is somebody else's fails, and does not clean up behind the other."""
    storage, store = LocalStorage(str(tmp_path)), Store(pool)
    project_id, user_id = new_id(), new_id()
    key = new_key(project_id)
    write(storage, key, b"another's")

    def draws_it(_: UUID) -> str:
        return key

    monkeypatch.setattr(leases, "new_key", draws_it)
    wanted = BeginUpload(upload_id=new_id())
    await store.uploads.begin(project_id, user_id, wanted, life_s=60, direct_key=None)
    with pytest.raises(errors.Unavailable):
        finishing = Finishing(store, storage, AdvisoryLocks(pool))
        await Uploads(store, storage, finishing).put(project_id, wanted.upload_id, once(b"ours"))

    assert not await owner.fetch("SELECT FROM doomed WHERE key = $1", key)
    assert read(storage, key) == b"another's"
