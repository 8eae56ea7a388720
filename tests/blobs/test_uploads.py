"""Bytes become blobs, or nothing is stored."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable

import pytest

from libs import errors
from libs.contracts.blobs import transfers as blobs
from libs.contracts.blobs.transfers import BlobState, Codec, FindUpload, Upload
from libs.contracts.ids import new_id
from libs.postgres import Pool
from tests.blobs.support import Desk, sha256, stored_keys, swept, text
from tests.support.waiting import until
from tools.stack import Stack


@pytest.mark.parametrize(
    ("data", "codec"),
    [
        (b"", Codec.IDENTITY),
        (b"x", Codec.IDENTITY),
        (text(5_000_000), Codec.ZSTD),
        (os.urandom(3 << 20), Codec.IDENTITY),
        (os.urandom((2 << 20) + 17), Codec.IDENTITY),
    ],
    ids=["empty", "one byte", "text", "whole frames", "noise"],
)
async def test_what_was_uploaded_is_read(desk: Desk, data: bytes, codec: Codec):
    """Whatever the size, and compressed only when that helps."""
    blob = await desk.upload(data, size=len(data), sha256=sha256(data))

    assert (blob.sha256, blob.size, blob.codec) == (sha256(data), len(data), codec)
    assert (blob.stored_size < len(data)) == (codec is Codec.ZSTD)
    answer = await desk.read(blob.sha256)
    assert answer.status_code == 200
    assert answer.content == data


@pytest.mark.parametrize(
    "declared",
    [{"size": 999}, {"size": 1001}, {"size": 0}, {"sha256": "0" * 64}],
    ids=["too many", "too few", "none", "others"],
)
async def test_what_does_not_match_is_refused_and_gone(
    desk: Desk, owner: Pool, stack: Stack, declared: dict[str, object]
):
    """Nothing of it is visible, and soon nothing is stored."""
    begun = await desk.begin(**declared)

    answer = await desk.send(begun.ticket, text(1000))

    assert (answer.status_code, answer.json()["code"]) == (422, "CONTENT_MISMATCH")
    with pytest.raises(errors.NotFound):
        await desk.stat(sha256(text(1000)))
    await swept(owner, desk)
    assert await stored_keys(stack, desk) == set()
    assert (await desk.usage()).bytes_ == 0


async def test_an_upload_may_be_sent_again(desk: Desk):
    """A client that heard no answer repeats itself, and gets the same."""
    begun = await desk.begin(size=5)
    first = await desk.send(begun.ticket, b"hello")
    second = await desk.send(begun.ticket, b"hello")
    for others in (b"hullo", b"hell", b"hello!"):
        refused = await desk.send(begun.ticket, others)
        assert (refused.status_code, refused.json().get("code")) == (409, "CONFLICT")
    again = await desk.begin(upload_id=begun.upload.id, size=5)

    assert first.json()["blob"] == second.json()["blob"]
    assert again.ticket is None
    assert again.upload.blob is not None
    assert again.upload.blob.sha256 == sha256(b"hello")


async def test_an_id_stands_for_one_upload(desk: Desk, somebody: Callable[[], Desk]):
    begun = await desk.begin(size=5)

    with pytest.raises(errors.Conflict):
        await desk.begin(upload_id=begun.upload.id, size=6)
    with pytest.raises(errors.Conflict):
        await somebody().begin(upload_id=begun.upload.id, size=5)


async def test_the_same_bytes_are_stored_once(desk: Desk, owner: Pool, stack: Stack):
    """Sixteen at once: one object stays, and the project is charged once."""
    data = text(300_000) + os.urandom(1000)
    begun = [await desk.begin(size=len(data)) for _ in range(16)]

    answers = await asyncio.gather(*(desk.send(each.ticket, data) for each in begun))

    told = [Upload.model_validate_json(each.content) for each in answers]
    assert {each.blob.sha256 for each in told if each.blob} == {sha256(data)}
    assert [each.deduplicated for each in told].count(False) == 1
    usage = await desk.usage()
    assert (usage.blobs, usage.bytes_) == (1, len(data))
    await swept(owner, desk)
    assert len(await stored_keys(stack, desk)) == 1
    assert (await desk.read(sha256(data))).content == data


async def test_known_bytes_need_not_be_sent(desk: Desk, somebody: Callable[[], Desk]):
    """The project has them: done at once. What other projects have is told to nobody."""
    data = os.urandom(1000)
    await desk.upload(data)

    ours = await desk.begin(size=1000, sha256=sha256(data))
    theirs = await somebody().begin(size=1000, sha256=sha256(data))

    assert ours.ticket is None
    assert ours.upload.deduplicated
    assert theirs.ticket is not None
    assert theirs.upload.blob is None


async def test_projects_do_not_meet(desk: Desk, somebody: Callable[[], Desk]):
    """To another project a blob is not there, whichever way it asks."""
    data = os.urandom(1000)
    blob = await desk.upload(data)
    begun = await desk.begin(resumable=True)
    other = somebody()

    with pytest.raises(errors.NotFound):
        await other.stat(blob.sha256)
    with pytest.raises(errors.NotFound):
        await other.open(blob.sha256)
    with pytest.raises(errors.NotFound):
        await other.ask(blobs.FIND_UPLOAD, FindUpload(upload_id=begun.upload.id))
    with pytest.raises(errors.NotFound):
        await other.ask(
            blobs.CLAIM_BLOB,
            blobs.ClaimBlob(
                claim_id=new_id(), sha256=blob.sha256, source="entity", source_id=new_id()
            ),
        )
    with pytest.raises(errors.NotFound):
        await other.ask(blobs.PUT_PATH, blobs.PutPath(path="project/x", sha256=blob.sha256))
    assert (await other.usage()).blobs == 0


@pytest.mark.parametrize("state", [BlobState.QUARANTINED, BlobState.ARCHIVED, BlobState.COLLECTED])
async def test_uploading_again_brings_a_blob_back(desk: Desk, owner: Pool, state: BlobState):
    """Damaged, away or gone: whoever has the bytes can mend that. The account adds up."""
    data = text(100_000)
    blob = await desk.upload(data)
    where = desk.project_id, blob.sha256
    if state is BlobState.COLLECTED:
        await owner.execute(
            "UPDATE blobs SET state = $3, collected_at = now(), key = NULL"
            " WHERE project_id = $1 AND sha256 = $2", *where, state,
        )  # fmt: skip
        await owner.execute(
            "UPDATE accounts SET bytes = 0, stored_bytes = 0, blobs = 0 WHERE project_id = $1",
            desk.project_id,
        )
    else:
        await owner.execute(
            "UPDATE blobs SET state = $3 WHERE project_id = $1 AND sha256 = $2", *where, state
        )

    mended = await desk.upload(data)

    assert mended.state is BlobState.LIVE
    assert mended.collected_at is None
    assert (await desk.read(blob.sha256)).content == data
    usage = await desk.usage()
    assert (usage.blobs, usage.bytes_, usage.stored_bytes) == (1, len(data), mended.stored_size)


async def test_a_condemned_blob_is_rescued(desk: Desk, owner: Pool):
    data = os.urandom(100)
    blob = await desk.upload(data)
    condemn = "UPDATE blobs SET state = 'condemned', condemned_at = now() WHERE project_id = $1"
    await owner.execute(condemn, desk.project_id)

    rescued = await desk.upload(data)

    assert (rescued.state, rescued.condemned_at) == (BlobState.LIVE, None)
    assert rescued.created_at == blob.created_at
    told = await owner.fetch(
        "SELECT payload ->> 'eventType' FROM outbox"
        " WHERE payload ->> 'projectId' = $1 ORDER BY seq",
        str(desk.project_id),
    )
    assert [row[0] for row in told] == ["blob.uploaded", "blob.rescued"]


async def test_types_are_those_of_the_bytes(desk: Desk):
    """What runs in a browser is recognised whatever it is called."""
    for data, declared, found in (
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "text/plain", "image/png"),
        (b"<!DOCTYPE html><script>alert(1)</script>", "image/png", "text/html"),
        (b"<?xml version='1.0'?><svg onload='x'/>", "text/plain", "image/svg+xml"),
        (b"# A chapter\n", "text/markdown", "text/markdown"),
        (b"plain words", None, "text/plain"),
        (b"plain words", "image/png", "text/plain"),
        (b"\0\1\2\3" * 40, "image/png", "application/octet-stream"),
        (b"\0\1\2\3" * 50, "application/x-draft", "application/x-draft"),
        (b"\0\1\2\3" * 60, "not a type\r\nX: y", "application/octet-stream"),
    ):
        blob = await desk.upload(data, media_type=declared)
        assert blob.media_type == found, (data, declared)


async def test_zip_archives_may_be_many_things(desk: Desk):
    epub = b"PK\x03\x04" + b"\0" * 200
    blob = await desk.upload(epub, media_type="application/epub+zip")

    assert blob.media_type == "application/epub+zip"


async def test_only_the_last_frame_may_fail(desk: Desk):
    """A body may come in chunks of any size."""
    data = os.urandom(2_500_000)
    begun = await desk.begin(size=len(data))

    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 7919):
            yield data[start : start + 7919]

    answer = await desk.send(begun.ticket, body())

    assert answer.json()["blob"]["sha256"] == sha256(data)


async def test_a_fact_tells_of_each_blob(desk: Desk, owner: Pool):
    """With the transaction that made it true, and a line in the audit."""
    blob = await desk.upload(b"told", asset_type="script")

    fact = await owner.fetchrow(
        "SELECT subject, payload::jsonb FROM outbox WHERE payload ->> 'projectId' = $1",
        str(desk.project_id),
    )
    assert fact
    assert fact["subject"] == f"scriptorium.v1.blobs.blob.uploaded.{desk.project_id}"
    assert fact["payload"]["aggregateId"] == blob.sha256
    assert fact["payload"]["data"]["assetType"] == "script"
    audit = await owner.fetchrow("SELECT * FROM audit WHERE project_id = $1", desk.project_id)
    assert audit
    assert (audit["action"], audit["user_id"]) == ("uploaded", desk.actor.user_id)

    async def announced() -> bool:
        return await owner.fetchval(
            "SELECT published_at IS NOT NULL FROM outbox WHERE subject = $1", fact["subject"]
        )

    await until(announced)
