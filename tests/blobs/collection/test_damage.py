"""Damage is found, told, set aside and mended."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from libs import errors
from libs.contracts.blobs.operations import Inspect, ListQuarantined, Mend, Verify
from libs.contracts.blobs.transfers import BeginUpload
from libs.contracts.ids import new_id
from services.blobs.collection.model import Place
from services.blobs.keeping import verifying
from services.blobs.storage import open_storage
from tests.blobs.collection.keeping import BIG, deeds, file_of, flip, key_of, operations
from tests.blobs.collection.support import DAY, Desk, Vault, check, once
from tests.blobs.support import sha256 as sha256_of
from tests.support.s3 import CREDENTIALS
from tools.stack import Stack

PLACE = "SELECT split_part(position, '/', 2) FROM task_positions WHERE name = 'verify'"


@pytest.mark.parametrize("how", ["flip first", "flip last", "cut", "gone", "frames"])
async def test_damage_is_found_set_aside_and_mended(desk: Desk, folder: Path, how: str) -> None:
    """One bit anywhere is enough; the same bytes uploaded again mend it, under another key."""
    sha256, sound = await desk.upload(BIG), await desk.upload(b"sound")
    await desk.put_path("project/big", sha256)
    path = file_of(desk.vault, folder, await key_of(desk, sha256))
    match how:
        case "flip first":
            flip(path, 0)
        case "flip last":
            flip(path, path.stat().st_size - 1)
        case "cut":
            os.truncate(path, path.stat().st_size - 1)
        case "gone":
            path.unlink()
        case _:
            # Digests fit the frames, and the whole is something else.
            await desk.vault.owner.execute(
                "UPDATE blob_frames SET start = o.start, digest = o.digest, length = o.length"
                " FROM (SELECT * FROM blob_frames WHERE sha256 = $1 AND number = 0) AS o"
                " WHERE blob_frames.sha256 = $1 AND blob_frames.number = 1"
                " AND blob_frames.project_id = o.project_id AND o.project_id = $2",
                sha256,
                desk.project_id,
            )
    question = Verify(project_id=desk.project_id)
    told = await operations(desk).verify(question, desk.actor)

    assert [each.sha256 for each in told.flaws] == [sha256]
    assert told.blobs == 2
    assert (await desk.state(sha256), await desk.state(sound)) == ("quarantined", "live")
    listed = await operations(desk).quarantine(
        ListQuarantined(project_id=desk.project_id), desk.actor
    )
    assert [(each.sha256, each.references) for each in listed.items] == [(sha256, 1)]
    with pytest.raises(errors.BlobDamaged):
        await desk.claim(sha256, new_id())
    assert "damaged" in await deeds(desk, sha256)
    again = await operations(desk).verify(question, desk.actor)
    assert again.flaws == told.flaws, "it is told every time"

    await desk.upload(BIG)
    assert await desk.read(sha256) == BIG
    listed = await operations(desk).quarantine(
        ListQuarantined(project_id=desk.project_id), desk.actor
    )
    assert not listed.items
    await desk.pass_time(DAY)
    await desk.vault.sweeper.once()
    await check(desk)


@pytest.fixture
async def bucketed(stack: Stack, folder: Path, desk: Desk, bucket: str) -> AsyncIterator[Desk]:
    """The same person at a replica whose hot tier is a bucket."""
    async with Vault.open(stack, folder, hot=open_storage(bucket, CREDENTIALS)) as vault:
        yield desk.at(vault)


def cut_short(desk: Desk, key: str, length: int) -> None:
    """Let an object be shorter, by way of its server, which would not notice otherwise."""
    storage = desk.vault.storages["hot"]
    with closing(storage.reader(key, 0, length)) as reader:
        data = reader.read(length)
    writer = storage.writer(key)
    writer.write(data)
    writer.commit()
    assert storage.size(key) == length


@pytest.mark.parametrize("sound", [0, 1])
async def test_an_object_cut_short_in_a_bucket_is_damage(bucketed: Desk, sound: int) -> None:
    """A server refuses a range behind the end: that is no storage that is away, for ever."""
    sha256, project_id = await bucketed.upload(BIG), bucketed.project_id
    end = await bucketed.vault.owner.fetchval(
        "SELECT start FROM blob_frames WHERE project_id = $1 AND number = $2", project_id, sound
    )
    cut_short(bucketed, await key_of(bucketed, sha256), end)
    with pytest.raises(errors.BlobDamaged):
        await bucketed.read(sha256)
    told = await operations(bucketed).quarantine(
        ListQuarantined(project_id=project_id), bucketed.actor
    )

    assert [(each.frame, each.reason) for each in told.items] == [(sound, "short")]
    await bucketed.upload(BIG)
    assert await bucketed.read(sha256) == BIG


@pytest.mark.parametrize("way", ["verifier", "operator", "reader"])
async def test_an_object_that_is_back_mends_its_blob(desk: Desk, folder: Path, way: str) -> None:
    """Nobody has its stored frames to upload; whoever put them back need do no more."""
    sha256 = await desk.upload(BIG)
    path = file_of(desk.vault, folder, await key_of(desk, sha256))
    away = path.with_name("away")
    path.rename(away)
    question = Verify(project_id=desk.project_id)
    assert (await operations(desk).verify(question, desk.actor)).flaws
    blob = await desk.vault.store.blob(desk.project_id, sha256)
    verifier = desk.vault.room.verifier
    assert (await verifier.recheck_for_reader(blob))["state"] == "quarantined"
    path.write_bytes(away.read_bytes()[:-1] + b"?")
    await desk.vault.owner.execute("UPDATE quarantine SET looked_at = NULL")
    assert (await verifier.recheck_for_reader(blob))["state"] == "quarantined", "other bytes"
    path.unlink()
    away.rename(path)

    await desk.vault.owner.execute("UPDATE quarantine SET looked_at = NULL")
    match way:
        case "verifier":
            assert await verifier.recheck() >= 1
            assert await verifier.recheck() == 0, "what was just looked at is not due"
        case "operator":
            again = await operations(desk).verify(question, desk.actor)
            assert (again.mended, again.flaws) == (1, [])
        case _:
            assert (await verifier.recheck_for_reader(blob))["state"] == "live"

    assert await desk.state(sha256) == "live"
    assert await desk.read(sha256) == BIG
    assert (await deeds(desk, sha256))[0] == "mended"
    listing = ListQuarantined(project_id=desk.project_id)
    assert not (await operations(desk).quarantine(listing, desk.actor)).items
    await check(desk)


async def test_an_operator_who_brings_bytes_is_on_record(desk: Desk, folder: Path) -> None:
    sha256 = await desk.upload(BIG)
    question = Mend(project_id=desk.project_id, sha256=sha256, by="Ada", reason="a disk died")
    with pytest.raises(errors.Conflict):
        await operations(desk).mend(question, desk.actor)
    file_of(desk.vault, folder, await key_of(desk, sha256)).unlink()
    await operations(desk).verify(Verify(project_id=desk.project_id), desk.actor)

    assert (await operations(desk).mend(question, desk.actor)).size == len(BIG)
    assert (await deeds(desk, sha256))[0] == "mend_begun"


@pytest.mark.parametrize("how", ["short", "gone"])
async def test_a_piece_cut_short_in_a_bucket_is_damage(bucketed: Desk, how: str) -> None:
    """It is told, counted, and no blob."""
    vault, project_id, upload_id = bucketed.vault, bucketed.project_id, new_id()
    wanted = BeginUpload(upload_id=upload_id, resumable=True)
    await vault.store.uploads.begin(
        project_id, bucketed.actor.user_id, wanted, life_s=60, direct_key=None
    )
    await vault.uploads.patch(project_id, upload_id, 0, once(b"a piece"))
    [piece] = await vault.store.uploads.pieces(project_id, upload_id)
    if how == "short":
        cut_short(bucketed, piece["key"], 0)
    else:
        vault.storages["hot"].delete([piece["key"]])
    before = damaged_pieces()

    with pytest.raises(errors.BlobDamaged):
        await vault.finishing.finish(project_id, upload_id)
    assert damaged_pieces() == before + 1


def damaged_pieces() -> float:
    name = "scriptorium_blobs_damage_total"
    return REGISTRY.get_sample_value(name, {"reason": "piece"}) or 0


async def test_damaged_bytes_that_nobody_wants_go_too(desk: Desk, folder: Path) -> None:
    """They are not condemned, so that an upload mends them until the end."""
    wanted, unwanted = await desk.upload(BIG), await desk.upload(b"unwanted, and damaged")
    await desk.put_path("project/wanted", wanted)
    for sha256 in (wanted, unwanted):
        flip(file_of(desk.vault, folder, await key_of(desk, sha256)), 3)
    await operations(desk).verify(Verify(project_id=desk.project_id), desk.actor)
    await desk.pass_time(90 * DAY)
    await desk.fates()
    assert await desk.state(unwanted) == "quarantined", "grace follows retention"
    await desk.pass_time(2 * DAY)
    await desk.fates()

    assert await desk.state(unwanted) == "collected"
    assert await desk.state(wanted) == "quarantined"
    await check(desk)


async def test_verifier_walks_over_everything_and_rests(
    stack: Stack, desk: Desk, folder: Path
) -> None:
    """Its last turn is kept; a replica that comes later has nothing to do."""
    owner = desk.vault.owner
    sha256, sound = await desk.upload(b"found in the background"), await desk.upload(b"sound")
    flip(file_of(desk.vault, folder, await key_of(desk, sha256)), 3)
    await owner.execute("DELETE FROM task_positions WHERE name = 'verify'")
    async with Vault.open(stack, folder, verify_bytes_per_s=1 << 40) as hasty:
        verifier = hasty.room.verifier
        assert await verifier.task.run_pass()
        assert await desk.state(sha256) == "quarantined"
        assert not await verifier.task.run_pass()
    told = await owner.fetchval("SELECT report FROM task_positions WHERE name = 'verify'")
    assert told["blobs"] >= 1
    question = Inspect(project_id=desk.project_id, sha256=sound)
    assert (await operations(desk).inspect(question, desk.actor)).verified_at


async def test_verifier_that_is_cut_short_goes_on_where_it_was(
    stack: Stack, desk: Desk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its pace, and what was read before is not read again."""
    monkeypatch.setattr(verifying, "PAGE_BLOBS", 1)
    owner, positions = desk.vault.owner, desk.vault.room.positions
    first, second = sorted([await desk.upload(b"a"), await desk.upload(b"b")])
    long = next(b"%d" % n * 99 for n in count() if sha256_of(b"%d" % n * 99) > second)
    last = await desk.upload(long)
    await owner.execute("DELETE FROM task_positions WHERE name = 'verify'")
    await positions.begin("verify", DAY)
    # Behind what other tests keep: ids of projects grow.
    await positions.keep("verify", str(Place(desk.project_id, "")))
    async with Vault.open(stack, folder, verify_bytes_per_s=10) as vault:
        walk = asyncio.create_task(vault.room.verifier.task.run_pass())
        async with asyncio.timeout(10):
            while await owner.fetchval(PLACE) != second:  # noqa: ASYNC110 (it tells nobody)
                await asyncio.sleep(0.02)
        assert not walk.done(), "a hundred bytes more are ten seconds"
        walk.cancel()
        with suppress(asyncio.CancelledError):
            await walk
    flip(file_of(desk.vault, folder, await key_of(desk, first)), 0)
    flip(file_of(desk.vault, folder, await key_of(desk, last)), 0)
    async with Vault.open(stack, folder, verify_bytes_per_s=1 << 40) as vault:
        assert await vault.room.verifier.task.run_pass()

    assert [await desk.state(each) for each in (first, last)] == ["live", "quarantined"]
