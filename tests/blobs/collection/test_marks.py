"""A storage is known by its mark: one that is away, or another's, is none that lost everything."""

import shutil
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from libs import errors
from services.blobs.marks import Marks
from services.blobs.model.keys import new_key
from services.blobs.reading import Reading
from services.blobs.storage import Missing, open_storage
from services.blobs.storage.local import LocalStorage
from services.blobs.storage.marked import Marked
from services.blobs.store import Store
from services.blobs.sweeping import Sweeper
from tests.blobs.collection.support import Desk
from tests.support.s3 import CREDENTIALS

HELLO = b"hello" * 100
PROJECT = UUID(int=9)


@pytest.fixture(autouse=True)
async def forgotten(desk: Desk):
    """No storage was ever used, as far as the database knows."""
    owner = desk.vault.owner
    await owner.execute("DELETE FROM storages")
    yield
    await owner.execute("DELETE FROM storages")


def marked(folder: Path, tier: str = "hot") -> Marked:
    return Marked(tier, LocalStorage(str(folder)))


async def look(desk: Desk, storage: Marked) -> bool:
    """Whether a replica that starts on a storage takes it for the one."""
    try:
        await Marks(desk.vault.store.database, {storage.tier: storage}).look(storage)
    except errors.Unavailable:
        return False
    return True


def usable(tier: str = "hot") -> float | None:
    return REGISTRY.get_sample_value("scriptorium_blobs_storage_usable", {"tier": tier})


def write(storage: Marked, data: bytes = b"x") -> str:
    key = new_key(PROJECT)
    writer = storage.writer(key)
    writer.write(data)
    writer.commit()
    return key


async def test_a_new_storage_is_made_and_known_from_then_on(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    # The tier of which this database has nothing.
    storage = marked(folder, "cold")
    with pytest.raises(errors.Unavailable):
        storage.writer(new_key(desk.project_id))
    assert usable("cold") == 0

    await desk.vault.owner.execute("UPDATE blobs SET tier = 'hot' WHERE tier = 'cold'")
    assert await look(desk, storage)
    key = write(storage)
    assert usable("cold") == 1
    assert storage.size(key) == 1
    assert await look(desk, marked(folder, "cold")), "and by the next replica"
    shutil.rmtree(folder)
    assert await look(desk, marked(folder, "cold")), "nothing was kept there: it is new again"
    key = write(storage)
    sha256 = await desk.upload(HELLO)
    query = (
        "UPDATE blobs SET tier = 'cold', state = 'archived' WHERE project_id = $1 AND sha256 = $2"
    )
    await desk.vault.owner.execute(query, desk.project_id, sha256)

    folder.rename(tmp_path / "away")
    again = marked(folder, "cold")
    assert not await look(desk, again)
    assert not folder.exists(), "nothing is made where one was before"
    folder.mkdir()
    assert not await look(desk, again), "an empty folder is not it"
    with pytest.raises(errors.Unavailable):
        again.writer(key)
    with pytest.raises(errors.Unavailable):
        again.size(key)
    with pytest.raises(errors.Unavailable):
        again.delete([key])
    with pytest.raises(errors.Unavailable):
        again.list()
    assert usable("cold") == 0
    folder.rmdir()
    (tmp_path / "away").rename(folder)
    assert await look(desk, again)
    assert again.size(key) == 1


async def test_an_installation_older_than_marks_finds_its_storage(
    desk: Desk, folder: Path, tmp_path: Path
) -> None:
    """By its objects: they are there, so it is the one; elsewhere they are not."""
    await desk.upload(HELLO)
    assert not await look(desk, marked(tmp_path))
    ours = marked(folder / "hot")
    assert await look(desk, ours)
    assert await look(desk, ours)

    assert not await look(desk, marked(tmp_path)), "and not another one later"
    (folder / "hot" / "scriptorium-mark").unlink()


async def test_the_storage_of_another_installation_is_not_it(desk: Desk, tmp_path: Path) -> None:
    await desk.upload(HELLO)
    other = LocalStorage(str(tmp_path))
    other.put_mark("another's")
    storage = marked(tmp_path)

    assert not await look(desk, storage)
    assert other.mark() == "another's"
    with pytest.raises(errors.Unavailable, match="another installation"):
        storage.check()


async def test_a_database_from_before_the_mark_takes_it_over(desk: Desk, folder: Path) -> None:
    await desk.upload(HELLO)
    LocalStorage(str(folder / "hot")).put_mark("from later")

    assert await look(desk, marked(folder / "hot"))
    assert await desk.vault.owner.fetchval("SELECT mark FROM storages") == "from later"
    (folder / "hot" / "scriptorium-mark").unlink()


async def test_two_tiers_may_be_one_place(desk: Desk, folder: Path) -> None:
    await desk.upload(HELLO)
    assert await look(desk, marked(folder / "hot"))
    assert await look(desk, marked(folder / "hot", "cold"))
    (folder / "hot" / "scriptorium-mark").unlink()


async def test_who_reads_while_it_is_away_damages_nothing(
    desk: Desk, folder: Path, tmp_path: Path
) -> None:
    """Missing, short or other bytes: all of it is said by a storage that is not the one."""
    sha256 = await desk.upload(HELLO)
    place = tmp_path / "copy"
    shutil.copytree(folder / "hot", place)
    storage = marked(place)
    assert await look(desk, storage)
    reading = Reading(desk.vault.store, {"hot": storage})
    blob = await desk.vault.store.blob(desk.project_id, sha256)

    async def read() -> bytes:
        return b"".join([part async for part in reading.frames(blob, 0, blob["size"])])

    assert await read() == HELLO
    place.rename(tmp_path / "away")
    for wrong in (None, "empty", "a page"):
        if wrong:
            path = place / blob["key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            if wrong == "a page":
                path.write_bytes(b"<html>not here</html>")
        with pytest.raises(errors.Unavailable):
            await read()
    assert await desk.state(sha256) == "live"
    shutil.rmtree(place)
    (tmp_path / "away").rename(place)

    assert await read() == HELLO
    (place / blob["key"]).unlink()
    with pytest.raises(errors.BlobDamaged):
        await read()
    assert await desk.state(sha256) == "quarantined"


async def test_what_is_due_is_not_forgotten_while_it_is_away(desk: Desk, tmp_path: Path) -> None:
    """What was to be deleted there is still to be when it is back."""
    place = tmp_path / "due"
    storage = marked(place, "cold")
    await desk.vault.owner.execute("UPDATE blobs SET tier = 'hot' WHERE tier = 'cold'")
    assert await look(desk, storage)
    key = write(storage)
    await desk.vault.owner.execute(
        "INSERT INTO doomed (key, project_id, tier, due_at, reason)"
        " VALUES ($1, $2, 'cold', now() - interval '1 s', 'test')",
        key,
        desk.project_id,
    )
    sweeper = Sweeper(Store(desk.vault.pool), {"cold": storage})
    place.rename(tmp_path / "away")
    place.mkdir()
    assert await sweeper.once() == 0
    place.rmdir()
    (tmp_path / "away").rename(place)
    assert storage.size(key) == 1

    await desk.vault.owner.execute("UPDATE doomed SET due_at = now() WHERE key = $1", key)
    assert await sweeper.once() >= 1
    assert storage.size(key) is None


async def test_a_bucket_is_known_by_its_mark(desk: Desk, bucket: str) -> None:
    await desk.vault.owner.execute("UPDATE blobs SET tier = 'hot' WHERE tier = 'cold'")
    inner = open_storage(bucket.replace("some/prefix", "marked"), CREDENTIALS)
    storage = Marked("cold", inner)
    assert await look(desk, storage)
    key = write(storage)
    inner.put_mark("another's")

    for ask in (
        lambda: storage.size(new_key(desk.project_id)),
        lambda: storage.reader(new_key(desk.project_id), 0, 1),
        lambda: storage.writer(key),
    ):
        with pytest.raises(errors.Unavailable):
            ask()
    assert storage.expected
    inner.put_mark(storage.expected)
    assert storage.size(key) == 1
    with pytest.raises(Missing):
        storage.reader(new_key(desk.project_id), 0, 1)
