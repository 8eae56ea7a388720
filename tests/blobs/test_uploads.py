"""Bytes become blobs, or nothing is stored."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import httpx
import pytest

from libs import errors
from libs.contracts import blobs
from libs.contracts.actor import Actor
from libs.contracts.blobs import BLOB_BYTES_MAX, BlobState, Codec, FindUpload, Upload
from libs.contracts.ids import new_id
from libs.postgres import Pool
from libs.stack import Stack
from tests.blobs.support import Desk, sha256, text, until


async def stored_keys(stack: Stack, desk: Desk) -> set[str]:
    """What is in storage for a project, whole or not."""
    root = stack.data_dir / "blobs" / str(desk.project_id)
    return {name for _, _, names in os.walk(root) for name in names}


async def swept(owner: Pool, desk: Desk) -> None:
    """Return when nothing of the project waits to be deleted; leases count as over."""
    await owner.execute("UPDATE doomed SET due_at = now() WHERE project_id = $1", desk.project_id)

    async def none_left() -> bool:
        query = "SELECT NOT EXISTS (SELECT FROM doomed WHERE project_id = $1)"
        return await owner.fetchval(query, desk.project_id)

    await until(none_left)


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


async def test_an_interrupted_upload_leaves_nothing(desk: Desk, owner: Pool, stack: Stack):
    """Whoever hangs up in the middle has uploaded nothing."""
    begun = await desk.begin()

    async def body() -> AsyncIterator[bytes]:
        yield os.urandom(3 << 20)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await desk.send(begun.ticket, body())

    async def gone() -> bool:
        return not await stored_keys(stack, desk)

    await until(gone)
    assert (await desk.usage()).blobs == 0
    found = await desk.ask(blobs.FIND_UPLOAD, FindUpload(upload_id=begun.upload.id))
    assert found.upload.blob is None
    await swept(owner, desk)


async def test_a_killed_service_leaves_nothing(desk: Desk, stack: Stack, owner: Pool):
    """SIGKILL in the middle: nothing is visible, and the lease tells the next one to clean up."""
    begun = await desk.begin()
    sent = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield os.urandom(4 << 20)
        await sent.wait()
        yield b"never"

    sending = asyncio.create_task(desk.send(begun.ticket, body()))

    async def is_there() -> bool:
        return bool(await stored_keys(stack, desk))

    await until(is_there)
    stack.kill("blobs-1")
    sent.set()
    with pytest.raises(httpx.HTTPError):
        await sending
    await stack.wait_ready("blobs-1")

    assert {name.rpartition(".")[2] for name in await stored_keys(stack, desk)} == {"part"}
    assert (await desk.usage()).blobs == 0
    await swept(owner, desk)
    assert await stored_keys(stack, desk) == set()
    assert (await desk.send(begun.ticket, b"again")).status_code == 200


async def test_a_writer_that_was_taken_for_dead_is_refused(desk: Desk, stack: Stack, owner: Pool):
    """Its lease was over and the sweeper came: it is told so, and no blob has no bytes."""
    begun = await desk.begin()
    swept_away = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield os.urandom(3 << 20)
        await swept_away.wait()
        yield b"end"

    sending = asyncio.create_task(desk.send(begun.ticket, body()))

    async def is_there() -> bool:
        return bool(await stored_keys(stack, desk))

    await until(is_there)
    await swept(owner, desk)
    swept_away.set()

    assert (await sending).status_code == 503
    assert (await desk.usage()).blobs == 0
    # The same when only the row is gone, and the object is stored before that is known.
    late = await desk.begin()
    swept_away.clear()
    sending = asyncio.create_task(desk.send(late.ticket, body()))
    await until(is_there)
    await owner.execute("DELETE FROM doomed WHERE project_id = $1", desk.project_id)
    swept_away.set()
    assert (await sending).status_code == 503
    assert (await desk.usage()).blobs == 0
    await swept(owner, desk)
    assert await stored_keys(stack, desk) == set()


async def test_an_upload_ends_with_its_time(desk: Desk, owner: Pool, stack: Stack):
    """What arrived of it goes, too."""
    begun = await desk.begin(resumable=True, size=100)
    assert begun.ticket
    await desk.patch(begun.ticket, 0, b"x" * 10)
    assert len(await stored_keys(stack, desk)) == 1

    await owner.execute("UPDATE uploads SET expires_at = now() WHERE id = $1", begun.upload.id)

    async def gone() -> bool:
        return not await stored_keys(stack, desk)

    await until(gone)
    with pytest.raises(errors.NotFound):
        await desk.ask(blobs.FIND_UPLOAD, FindUpload(upload_id=begun.upload.id))


async def test_a_cancelled_upload_is_forgotten(desk: Desk, owner: Pool, stack: Stack):
    begun = await desk.begin(resumable=True)
    assert begun.ticket
    await desk.patch(begun.ticket, 0, b"x" * 10)

    stranger = replace(desk, actor=Actor(user_id=new_id(), project_id=desk.project_id))
    await stranger.ask(blobs.CANCEL_UPLOAD, blobs.CancelUpload(upload_id=begun.upload.id))
    await desk.ask(blobs.FIND_UPLOAD, FindUpload(upload_id=begun.upload.id))
    await desk.ask(blobs.CANCEL_UPLOAD, blobs.CancelUpload(upload_id=begun.upload.id))

    with pytest.raises(errors.NotFound):
        await desk.ask(blobs.FIND_UPLOAD, FindUpload(upload_id=begun.upload.id))
    await swept(owner, desk)
    assert await stored_keys(stack, desk) == set()


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


async def test_a_quota_holds_against_all_at_once(desk: Desk):
    """Declared too large it is refused at once; undeclared, by the commit, whoever races."""
    await desk.set_quota(2500)
    with pytest.raises(errors.QuotaExceeded) as refused:
        await desk.begin(size=2501)
    assert refused.value.data == {"quotaBytes": 2500, "neededBytes": 2501}
    begun = [await desk.begin() for _ in range(8)]

    answers = await asyncio.gather(*(desk.send(each.ticket, os.urandom(1000)) for each in begun))

    codes = sorted(each.status_code for each in answers)
    assert codes == [200, 200, *[507] * 6]
    assert (await desk.usage()).bytes_ == 2000
    refusal = next(each for each in answers if each.status_code == 507)
    assert refusal.json()["code"] == "QUOTA_EXCEEDED"


async def test_a_full_project_may_send_what_it_has(desk: Desk, owner: Pool):
    """Known bytes cost nothing, so a quota keeps nobody from telling, rescuing or mending them."""
    data = os.urandom(3000)
    known = {"size": len(data), "sha256": sha256(data)}
    await desk.upload(data)
    await desk.set_quota(len(data))
    assert (await desk.begin(**known)).upload.deduplicated
    blob = await desk.upload(data, size=len(data))
    assert blob.sha256 == known["sha256"], "undeclared, the commit finds out"
    await owner.execute(
        "UPDATE blobs SET state = 'condemned', condemned_at = now() WHERE project_id = $1",
        desk.project_id,
    )
    rescued = (await desk.begin(**known)).upload
    assert rescued.blob
    assert rescued.blob.state is BlobState.LIVE
    for resumable in (False, True):
        await owner.execute(
            "UPDATE blobs SET state = 'quarantined' WHERE project_id = $1", desk.project_id
        )
        begun = await desk.begin(**known, resumable=resumable)
        assert begun.ticket
        if resumable:
            answer = await desk.patch(begun.ticket, 0, data)
        else:
            answer = await desk.send(begun.ticket, data)
        assert answer.status_code == 200, answer.text
        assert (await desk.stat(blob.sha256)).state is BlobState.LIVE

    for new in ({"size": 1, "sha256": sha256(b"x")}, {"size": len(data) + 1}, {"resumable": True}):
        with pytest.raises(errors.QuotaExceeded):
            await desk.begin(**{"size": 1, **new})
    begun = await desk.begin(size=1)
    assert (await desk.send(begun.ticket, b"x")).status_code == 507
    assert (await desk.usage()).bytes_ == len(data)


async def test_pieces_count_before_they_are_a_blob(desk: Desk):
    """Nobody fills the disk with uploads that never end."""
    await desk.set_quota(1500)
    first, second = [await desk.begin(resumable=True) for _ in range(2)]
    assert first.ticket
    assert second.ticket
    assert (await desk.patch(first.ticket, 0, b"x" * 1000)).status_code == 200

    answer = await desk.patch(second.ticket, 0, b"x" * 1000)

    assert answer.status_code == 507


async def test_more_than_a_blob_may_have_cannot_be_declared(desk: Desk):
    with pytest.raises(ValueError, match="less than or equal"):
        await desk.begin(size=BLOB_BYTES_MAX + 1)


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
        "SELECT subject, payload FROM outbox WHERE payload ->> 'projectId' = $1",
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
