"""The last step of an upload: who is told that it is done has a file, and all others are told."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from libs import errors
from libs.contracts.blobs.transfers import BeginUpload
from libs.contracts.ids import new_id
from libs.postgres import AdvisoryLocks
from services.blobs import finishing
from services.blobs.finishing import FINISHING_MAX, Finishing
from services.blobs.storage import Storage
from services.blobs.storage.local import LocalStorage
from services.blobs.storage.marked import Marked
from services.blobs.uploads import Uploads
from tests.blobs.collection.support import Desk, Vault, once


class Storing(Marked):
    """A storage that can be taken away, and counts who writes whole files at once."""

    def __init__(self, folder: Path) -> None:
        storage: Storage = LocalStorage(str(folder))
        super().__init__("hot", storage)
        self.folder = folder
        self.expected = "ours"
        self.put_mark("ours")

    def away(self) -> None:
        self.folder.rename(self.folder.with_name("away"))
        self.folder.mkdir()

    def back(self) -> None:
        self.folder.rmdir()
        self.folder.with_name("away").rename(self.folder)


class Sender:
    """Somebody who sends uploads in pieces, to a replica of their own."""

    def __init__(self, desk: Desk, storage: Storage) -> None:
        self.vault: Vault = desk.vault
        self.project_id, self.user_id = desk.project_id, desk.actor.user_id
        self.finishing = Finishing(self.vault.store, storage, AdvisoryLocks(self.vault.pool))
        self.uploads = Uploads(self.vault.store, storage, self.finishing)

    async def begin(self, size: int | None, sha256: str | None = None) -> UUID:
        wanted = BeginUpload(upload_id=new_id(), size=size, sha256=sha256, resumable=True)
        await self.vault.store.uploads.begin(
            self.project_id, self.user_id, wanted, life_s=3600, direct_key=None
        )
        return wanted.upload_id

    async def patch(self, upload_id: UUID, start: int, data: bytes, size: int | None = None):
        body = once(data)
        return await self.uploads.patch(self.project_id, upload_id, start, body, size=size)

    async def received(self, data: bytes, sha256: str | None = None) -> UUID:
        """Begin an upload and bring all of its bytes, without anybody who finishes it."""
        upload_id = await self.begin(len(data) + 1, sha256)
        await self.patch(upload_id, 0, data)
        await self.vault.owner.execute(
            "UPDATE uploads SET size = size - 1 WHERE id = $1", upload_id
        )
        return upload_id

    async def find(self, upload_id: UUID):
        return (await self.vault.store.uploads.find(self.project_id, upload_id))[1]

    async def resume(self) -> None:
        """Let the time come at which nobody is waited for any more, and wait for what is begun."""
        await self.vault.owner.execute(
            "UPDATE uploads SET retry_at = now() WHERE project_id = $1", self.project_id
        )
        await self.finishing.resume()
        while tasks := list(self.finishing._tasks.values()):  # pyright: ignore[reportPrivateUsage]
            await asyncio.wait(tasks)


@pytest.fixture
def storage(tmp_path: Path) -> Storing:
    return Storing(tmp_path / "hot")


@pytest.fixture
async def sender(desk: Desk, storage: Storing) -> AsyncIterator[Sender]:
    made = Sender(desk, storage)
    yield made
    await made.finishing.stop()


async def test_uploads_beyond_those_that_have_a_turn_wait_for_theirs(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients give up for good when they are refused for being many."""
    at_work = most = 0
    take = sender.finishing.take

    async def counted(*args: object):
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        try:
            await asyncio.sleep(0.02)
            return await take(*args)  # pyright: ignore[reportArgumentType]
        finally:
            at_work -= 1

    monkeypatch.setattr(sender.finishing, "take", counted)
    many = [os.urandom(20) for _ in range(3 * FINISHING_MAX)]
    ids = [await sender.received(each) for each in many]

    done = await asyncio.gather(*(sender.finishing.finish(sender.project_id, each) for each in ids))

    told = [each.blob.sha256 for each in done if each.blob]
    assert told == [hashlib.sha256(each).hexdigest() for each in many]
    assert most == FINISHING_MAX


async def test_too_many_that_wait_are_finished_later(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finishing, "WAITING_MAX", 0)
    upload_id = await sender.begin(4)
    with pytest.raises(errors.Unavailable):
        await sender.patch(upload_id, 0, b"four")
    assert (await sender.find(upload_id)).blob is None
    monkeypatch.undo()

    await sender.resume()
    assert (await sender.find(upload_id)).blob


async def test_who_waits_too_long_is_told_and_the_work_goes_on(sender: Sender) -> None:
    upload_id = await sender.received(b"slow")
    with pytest.raises(errors.UploadUnfinished):
        await sender.finishing.finish(sender.project_id, upload_id, wait_s=0)

    done = await sender.finishing.finish(sender.project_id, upload_id)
    assert done.blob


async def test_two_replicas_do_the_work_once(
    desk: Desk, sender: Sender, storage: Storing, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, taken = Sender(desk, storage), 0
    for each in (sender, other):

        async def counted(*args: Any, take: Any = each.finishing.take) -> Any:
            nonlocal taken
            taken += 1
            await asyncio.sleep(0.2)
            return await take(*args)

        monkeypatch.setattr(each.finishing, "take", counted)
    upload_id = await sender.received(b"both")

    both = await asyncio.gather(
        *(each.finishing.finish(sender.project_id, upload_id) for each in (sender, other))
    )

    assert both[0].blob == both[1].blob is not None
    assert taken == 1


@pytest.mark.parametrize("why", ["checksum", "quota", "damage"])
async def test_what_no_later_try_can_change_is_refused_for_good(
    sender: Sender, storage: Storing, why: str
) -> None:
    """What arrived is deleted and counts for nothing, and whoever asks is told the reason."""
    upload_id = await sender.received(b"refused", "0" * 64 if why == "checksum" else None)
    if why == "quota":
        await sender.vault.store.set_quota(sender.project_id, 0)
    if why == "damage":
        [piece] = await sender.vault.store.uploads.pieces(sender.project_id, upload_id)
        (storage.folder / piece["key"]).write_bytes(b"flipped")

    with pytest.raises(errors.AppError) as told:
        await sender.finishing.finish(sender.project_id, upload_id)

    codes = {"checksum": "CONTENT_MISMATCH", "quota": "QUOTA_EXCEEDED", "damage": "BLOB_DAMAGED"}
    assert told.value.code == codes[why]
    for ask in (sender.find(upload_id), sender.patch(upload_id, 7, b"")):
        with pytest.raises(errors.Gone) as gone:
            await ask
        assert gone.value.data["refusal"]["code"] == codes[why]
        assert told.value.detail in gone.value.detail
    assert not await sender.vault.store.uploads.pieces(sender.project_id, upload_id)
    await sender.vault.store.set_quota(sender.project_id, 7)
    assert await sender.begin(7), "it no longer takes room"
    await sender.resume()
    with pytest.raises(errors.Gone):
        await sender.find(upload_id)


async def test_what_cannot_be_finished_now_is_finished_later(
    sender: Sender, storage: Storing
) -> None:
    """A storage that is away is not one that lost the pieces."""
    upload_id = await sender.received(b"later")
    storage.away()
    with pytest.raises(errors.Unavailable):
        await sender.finishing.finish(sender.project_id, upload_id)
    await sender.resume()
    assert not (await sender.find(upload_id)).blob
    storage.back()

    await sender.resume()
    done = await sender.find(upload_id)
    assert done.blob
    assert done.blob.sha256 == hashlib.sha256(b"later").hexdigest()


async def test_tries_that_nobody_asked_for_become_rarer(sender: Sender, storage: Storing) -> None:
    upload_id = await sender.received(b"rare")
    storage.away()
    query = "SELECT attempts, retry_at - now() AS wait FROM uploads WHERE id = $1"
    waits: list[int] = []
    for _ in range(9):
        await sender.resume()
        row = await sender.vault.owner.fetchrow(query, upload_id)
        assert row
        waits.append(round(row["wait"].total_seconds()))
    assert await sender.vault.owner.fetchval(query, upload_id) == 9
    assert waits == sorted(waits)
    assert 8 < waits[0] <= 10
    assert 590 < waits[-1] <= 600
    storage.back()


async def test_a_length_that_is_told_later_ends_the_upload(sender: Sender) -> None:
    upload_id = await sender.begin(None)
    await sender.patch(upload_id, 0, b"hello ")
    with pytest.raises(errors.Invalid):
        await sender.patch(upload_id, 6, b"", size=5)
    with pytest.raises(errors.Conflict):
        await sender.patch(upload_id, 5, b"", size=11)
    assert (await sender.find(upload_id)).size is None

    part = await sender.patch(upload_id, 6, b"wor", size=11)
    assert (part.size, part.offset, part.blob) == (11, 9, None)
    with pytest.raises(errors.Invalid):
        await sender.patch(upload_id, 9, b"ld", size=12)
    done = await sender.patch(upload_id, 9, b"ld", size=11)
    assert done.blob
    assert done.blob.sha256 == hashlib.sha256(b"hello world").hexdigest()


async def test_a_length_alone_may_be_the_end(sender: Sender) -> None:
    upload_id = await sender.begin(None)
    await sender.patch(upload_id, 0, b"all of it")

    assert (await sender.patch(upload_id, 9, b"", size=9)).blob


async def test_a_length_beyond_the_quota_is_refused_when_it_is_told(sender: Sender) -> None:
    upload_id = await sender.begin(None)
    await sender.vault.store.set_quota(sender.project_id, 5)

    with pytest.raises(errors.QuotaExceeded):
        await sender.patch(upload_id, 0, b"", size=6)
    assert (await sender.find(upload_id)).size is None


async def test_an_upload_whose_time_is_over_is_gone_at_once(sender: Sender) -> None:
    upload_id = await sender.received(b"late")
    await sender.vault.owner.execute(
        "UPDATE uploads SET expires_at = now() WHERE id = $1", upload_id
    )
    with pytest.raises(errors.NotFound):
        await sender.find(upload_id)
