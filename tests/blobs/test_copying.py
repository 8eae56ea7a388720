"""Bytes of one project become another's, within blobs: verified, stored once, within the quota."""

import os
from collections.abc import Callable

import pytest

from libs import errors
from libs.contracts.blobs.copies import COPY_BLOB, RELEASE_BLOBS, Copied, CopyBlob, ReleaseBlobs
from libs.contracts.blobs.transfers import AssetType, BlobState
from libs.contracts.ids import new_id
from libs.postgres import Pool
from tests.blobs.support import Desk, sha256, text
from tools.stack import Stack

CONTENT = text(2_500_000) + os.urandom(100)


async def copy(source: Desk, target: Desk, digest: str) -> Copied:
    question = CopyBlob(source_project_id=source.project_id, sha256=digest)
    return await target.ask(COPY_BLOB, question)


@pytest.fixture
def source(somebody: Callable[[], Desk]) -> Desk:
    return somebody()


@pytest.fixture
def target(somebody: Callable[[], Desk]) -> Desk:
    return somebody()


async def test_a_copy_stands_by_itself(source: Desk, target: Desk, owner: Pool) -> None:
    """The same bytes, type and purpose under a key of its own; again it is the same one."""
    blob = await source.upload(CONTENT, asset_type=AssetType.LOGO, media_type="image/x-plan")

    copied = (await copy(source, target, blob.sha256)).blob
    again = (await copy(source, target, blob.sha256)).blob

    assert (await target.read(blob.sha256)).content == CONTENT
    assert (copied.media_type, copied.asset_type) == (blob.media_type, AssetType.LOGO)
    assert (again.created_at, again.created_by) == (copied.created_at, target.actor.user_id)
    keys = await owner.fetch("SELECT key FROM blobs WHERE sha256 = $1", blob.sha256)
    assert len({row["key"] for row in keys}) == 2
    assert (await target.usage()).blobs == 1
    open_ = "SELECT count(*) FROM uploads WHERE project_id = $1 AND blob_sha256 IS NULL"
    assert await owner.fetchval(open_, target.project_id) == 0


async def test_what_is_not_there_is_not_copied(source: Desk, target: Desk, owner: Pool) -> None:
    """Never there, collected, damaged: each says so, and nothing comes of it."""
    blob = await source.upload(CONTENT)
    with pytest.raises(errors.NotFound):
        await copy(source, target, sha256(b"never"))
    for state, expected in (
        ("quarantined", errors.BlobDamaged),
        ("collected", errors.BlobUnavailable),
    ):
        gone = state == "collected"
        await owner.execute(
            "UPDATE blobs SET state = $2::text::blob_state, key = CASE WHEN $3 THEN NULL ELSE key"
            " END, collected_at = CASE WHEN $3 THEN now() END WHERE project_id = $1",
            source.project_id,
            state,
            gone,
        )
        with pytest.raises(expected):
            await copy(source, target, blob.sha256)

    assert (await target.usage()).blobs == 0


async def test_damage_is_found_on_the_way(
    source: Desk, target: Desk, owner: Pool, stack: Stack
) -> None:
    """No copy is made of wrong bytes; nothing half is left, and the source is set aside."""
    blob = await source.upload(CONTENT)
    key = await owner.fetchval("SELECT key FROM blobs WHERE project_id = $1", source.project_id)
    path = stack.data_dir / "blobs" / key
    stored = bytearray(path.read_bytes())
    stored[-1] ^= 1
    path.write_bytes(stored)

    with pytest.raises(errors.BlobDamaged):
        await copy(source, target, blob.sha256)

    assert (await source.stat(blob.sha256)).state is BlobState.QUARANTINED
    assert (await target.usage()).blobs == 0
    uploads = "SELECT count(*) FROM uploads WHERE project_id = $1"
    assert await owner.fetchval(uploads, target.project_id) == 0


async def test_copies_count_against_the_quota(source: Desk, target: Desk) -> None:
    blob = await source.upload(CONTENT)
    await target.set_quota(len(CONTENT) - 1)

    with pytest.raises(errors.QuotaExceeded):
        await copy(source, target, blob.sha256)

    assert (await target.usage()).blobs == 0


async def test_what_is_released_is_kept_no_longer(source: Desk, owner: Pool) -> None:
    """Retention is over for all of it; who still wants it keeps it by saying so."""
    blob = await source.upload(CONTENT)
    again = "SELECT touched_at > 'epoch' FROM blobs WHERE project_id = $1 AND sha256 = $2"
    where = source.project_id, blob.sha256

    await source.ask(RELEASE_BLOBS, ReleaseBlobs())

    assert not await owner.fetchval(again, *where)
    await source.upload(CONTENT, upload_id=new_id())
    assert await owner.fetchval(again, *where)
