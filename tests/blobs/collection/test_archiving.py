"""What nobody reads goes to the cold tier, and comes back."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from libs import errors
from libs.contracts.blobs.operations import Archive
from libs.contracts.ids import new_id
from services.blobs.keeping.archiving import Archiver
from services.blobs.storage import Credentials, Storage, open_storage
from tests.blobs.collection.keeping import BIG, deeds, file_of, flip, key_of, operations
from tests.blobs.collection.support import DAY, LONG, Desk, Vault, check
from tests.support.s3 import CREDENTIALS, Door, Manners, bucket_at
from tools.stack import Stack


@asynccontextmanager
async def with_cold(
    stack: Stack, desk: Desk, folder: Path, storage: Storage, **given: Any
) -> AsyncGenerator[Desk]:
    """The same person at a replica with another cold tier."""
    async with Vault.open(stack, folder, cold=storage, **given) as vault:
        yield desk.at(vault)


@pytest.fixture(params=["directory", "s3"])
def cold(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "directory":
        return open_storage(tmp_path.as_uri(), Credentials(None, None))
    return open_storage(request.getfixturevalue("bucket"), CREDENTIALS)


async def test_archived_blob_goes_and_comes_back_whole(
    stack: Stack, folder: Path, desk: Desk, cold: Storage
) -> None:
    """It is one blob all the time: references, sums and bytes are the same."""
    sha256, empty = await desk.upload(BIG), await desk.upload(b"")
    await desk.put_path("project/big", sha256)
    await desk.put_path("project/empty", empty)
    async with with_cold(stack, desk, folder, cold) as desk:  # noqa: PLR1704 (there from now on)
        for each in (sha256, empty):
            question = Archive(project_id=desk.project_id, sha256=each)
            blob = await operations(desk).archive(question, desk.actor)
            assert (blob.state, blob.archived_at is not None) == ("archived", True)
            key = await key_of(desk, each)
            assert cold.size(key) == blob.stored_size
        await desk.pass_time(DAY)
        await desk.vault.sweeper.once()
        assert not desk.vault.storages["hot"].list(prefix=f"{desk.project_id}/")
        assert await desk.end() == {}, "it is archived, not forgotten"
        assert await desk.state(sha256) == "archived"
        await desk.claim(sha256, new_id())

        await desk.vault.store.ask_return(desk.project_id, sha256)
        assert await desk.state(sha256) == "restoring"
        assert await desk.vault.room.archiver.bring_back() >= 1
        assert await desk.state(sha256) == "live"
        assert await desk.read(sha256) == BIG
        assert (await deeds(desk, sha256))[:2] == ["restored", "archived"]
        question = Archive(project_id=desk.project_id, sha256=empty, restore=True)
        assert (await operations(desk).archive(question, desk.actor)).state == "live"
        assert await desk.read(empty) == b""
        await desk.pass_time(DAY)
        await desk.vault.sweeper.once()
        await check(desk)


async def test_only_what_is_large_and_was_not_read_for_long_is_archived(
    stack: Stack, folder: Path, desk: Desk, tmp_path: Path
) -> None:
    idle, read, small = (
        await desk.upload(BIG),
        await desk.upload(BIG + b"read"),
        await desk.upload(b"small"),
    )
    for number, sha256 in enumerate((idle, read, small)):
        await desk.put_path(f"project/{number}", sha256)
    await desk.pass_time(LONG)
    desk.vault.room.uses.note(desk.project_id, read)
    await desk.vault.room.uses.write()
    await desk.vault.owner.execute("DELETE FROM task_positions WHERE name = 'archive'")
    storage = open_storage(tmp_path.as_uri(), Credentials(None, None))
    async with with_cold(stack, desk, folder, storage, archive_after_s=60 * 86_400) as desk:  # noqa: PLR1704 (there from now on)
        task = desk.vault.room.archiver.task
        assert await task.run_pass() and task.report["archived"] >= 1
        states = [await desk.state(each) for each in (idle, read, small)]
        assert states == ["archived", "live", "live"]
        assert not await task.run_pass(), "it is not time yet"
        await desk.upload(BIG)
        assert await desk.state(idle) == "live", "uploaded again, it is here"
        assert await desk.read(idle) == BIG


async def test_what_came_back_stays(stack: Stack, folder: Path, desk: Desk, tmp_path: Path) -> None:
    """Somebody wanted it: it is not idle, though nothing has read it yet."""
    sha256 = await desk.upload(BIG)
    await desk.pass_time(LONG)
    storage = open_storage(tmp_path.as_uri(), Credentials(None, None))
    async with with_cold(stack, desk, folder, storage, archive_after_s=60 * 86_400) as desk:  # noqa: PLR1704 (there from now on)
        archiver = desk.vault.room.archiver
        await archiver.archive(desk.project_id, sha256)
        await archiver.restore(desk.project_id, sha256)
        await desk.vault.owner.execute("DELETE FROM task_positions WHERE name = 'archive'")
        assert await archiver.task.run_pass()

        assert await desk.state(sha256) == "live"


async def test_moved_by_several_it_moves_once(
    stack: Stack, folder: Path, desk: Desk, tmp_path: Path
) -> None:
    """Whoever comes later finds the row changed, and its copy goes."""
    sha256 = await desk.upload(BIG)
    storage = open_storage(tmp_path.as_uri(), Credentials(None, None))
    async with with_cold(stack, desk, folder, storage) as desk:  # noqa: PLR1704 (there from now on)
        moves = [desk.vault.room.archiver.archive(desk.project_id, sha256) for _ in range(4)]
        told = await asyncio.gather(*moves, return_exceptions=True)
        moved = [each for each in told if not isinstance(each, errors.Conflict)]
        assert [getattr(each, "state", each) for each in moved] == ["archived"] * len(moved)
        assert len(moved) < len(told)
        await desk.pass_time(DAY)
        await desk.vault.sweeper.once()

        assert len(desk.vault.keys(desk.project_id)) == 1
        await check(desk)


async def test_condemned_in_the_cold_is_rescued_to_the_cold(
    stack: Stack, folder: Path, desk: Desk, tmp_path: Path
) -> None:
    sha256 = await desk.upload(BIG)
    storage = open_storage(tmp_path.as_uri(), Credentials(None, None))
    async with with_cold(stack, desk, folder, storage) as desk:  # noqa: PLR1704 (there from now on)
        question = Archive(project_id=desk.project_id, sha256=sha256)
        await operations(desk).archive(question, desk.actor)
        await desk.pass_time(LONG)
        await desk.fates()
        assert await desk.state(sha256) == "condemned"
        await desk.put_path("project/again", sha256)
        assert await desk.state(sha256) == "archived"
        await desk.delete_path("project/again")
        await desk.end()
        assert await desk.state(sha256) == "collected"
        await desk.pass_time(DAY)
        await desk.vault.sweeper.once()
        assert not storage.list(prefix=f"{desk.project_id}/")
        await check(desk)


async def test_the_cold_tier_is_of_its_class(
    stack: Stack, folder: Path, desk: Desk, s3_endpoint: str, rclone_folder: Path
) -> None:
    """Whole or in parts, every object there is stored as the address says, and costs so much."""
    door = Door(s3_endpoint, rclone_folder, Manners.HEEDS)
    with door.open() as endpoint:
        storage = open_storage(f"{bucket_at(endpoint, 'cold')}&class=STANDARD_IA", CREDENTIALS)
        async with with_cold(stack, desk, folder, storage) as there:
            for content in (BIG, os.urandom(9 << 20)):
                sha256 = await there.upload(content)
                assert door.classes == [], "nothing else is"
                question = Archive(project_id=desk.project_id, sha256=sha256)
                await operations(there).archive(question, desk.actor)
                assert door.classes == ["STANDARD_IA"]
                door.classes.clear()


async def test_damaged_blob_is_not_moved(
    stack: Stack, folder: Path, desk: Desk, tmp_path: Path
) -> None:
    sha256 = await desk.upload(BIG)
    flip(file_of(desk.vault, folder, await key_of(desk, sha256)), 1 << 20)
    storage = open_storage(tmp_path.as_uri(), Credentials(None, None))
    async with with_cold(stack, desk, folder, storage) as desk:  # noqa: PLR1704 (there from now on)
        question = Archive(project_id=desk.project_id, sha256=sha256)
        with pytest.raises(errors.BlobDamaged):
            await operations(desk).archive(question, desk.actor)
        assert await desk.state(sha256) == "quarantined"
        with pytest.raises(errors.Conflict):
            await operations(desk).archive(question, desk.actor)
        await desk.vault.sweeper.once()
        assert not storage.list(prefix=f"{desk.project_id}/")


async def test_without_a_cold_tier_nothing_is_archived(desk: Desk) -> None:
    sha256 = await desk.upload(b"stays")
    vault = desk.vault
    archiver = Archiver(
        pool=vault.pool,
        positions=vault.room.positions,
        store=vault.store,
        storages={"hot": vault.storages["hot"]},
        after_s=1,
        bytes_min=0,
        readers_wait_s=0,
    )
    with pytest.raises(errors.NotOffered):
        await archiver.archive(desk.project_id, sha256)
    assert archiver.task not in archiver.tasks()
