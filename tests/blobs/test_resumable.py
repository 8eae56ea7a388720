"""Uploads in pieces: nothing that arrived is sent twice, whoever goes on with it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator

import pytest

from libs import errors
from libs.contracts.blobs import transfers as blobs
from libs.contracts.blobs.transfers import CompleteUpload, FindUpload, Upload
from libs.postgres import Pool
from services.blobs.uploads import PIECE_BYTES_MAX
from tests.blobs.support import Desk, sha256
from tests.support.waiting import until
from tools.stack import Stack


async def test_pieces_become_a_blob(desk: Desk):
    data = os.urandom(3_000_000)
    begun = await desk.begin(resumable=True, size=len(data), sha256=sha256(data))
    assert begun.ticket

    for start in range(0, len(data) - 500_000, 500_000):
        answer = await desk.patch(begun.ticket, start, data[start : start + 500_000])
        assert answer.json()["blob"] is None
    answer = await desk.patch(begun.ticket, len(data) - 500_000, data[-500_000:])

    upload = Upload.model_validate_json(answer.content)
    assert upload.blob
    assert upload.blob.sha256 == sha256(data)
    assert (await desk.read(sha256(data))).content == data


async def test_one_request_may_bring_more_than_a_piece(desk: Desk, owner: Pool):
    data = os.urandom(PIECE_BYTES_MAX + 5)
    begun = await desk.begin(resumable=True, size=len(data) + 1)
    assert begun.ticket

    answer = await desk.patch(begun.ticket, 0, data)

    assert answer.headers["upload-offset"] == str(len(data))
    query = "SELECT length FROM upload_pieces WHERE upload_id = $1 ORDER BY start"
    lengths = [row[0] for row in await owner.fetch(query, begun.upload.id)]
    assert lengths == [PIECE_BYTES_MAX, 5]
    done = await desk.patch(begun.ticket, len(data), b"!")
    assert done.json()["blob"]["sha256"] == sha256(data + b"!")


async def test_what_arrived_before_a_break_is_kept(desk: Desk):
    """The next request goes on behind it."""
    data = os.urandom(2_500_000)
    begun = await desk.begin(resumable=True, size=len(data))
    assert begun.ticket

    async def broken() -> AsyncIterator[bytes]:
        yield data[:1_700_000]
        await asyncio.sleep(0.2)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await desk.patch(begun.ticket, 0, broken())

    async def arrived() -> bool:
        found = await desk.ask(blobs.FIND_UPLOAD, FindUpload(upload_id=begun.upload.id))
        return found.upload.offset > 0

    await until(arrived)
    found = await desk.ask(blobs.FIND_UPLOAD, FindUpload(upload_id=begun.upload.id))
    offset = found.upload.offset
    assert 0 < offset <= 1_700_000
    answer = await desk.patch(found.ticket, offset, data[offset:])
    assert answer.json()["blob"]["sha256"] == sha256(data)


async def test_two_who_send_the_same_piece_do_not_both_count(desk: Desk):
    """One of them is told where the upload is."""
    begun = await desk.begin(resumable=True, size=2000)
    assert begun.ticket

    answers = await asyncio.gather(*(desk.patch(begun.ticket, 0, b"x" * 1000) for _ in range(4)))

    assert sorted(each.status_code for each in answers) == [200, 409, 409, 409]
    refused = next(each for each in answers if each.status_code == 409)
    assert refused.json()["data"]["offset"] == 1000


@pytest.mark.parametrize("offset", [b"", b"-1", b"x", b"1" * 30, b"\xb2"])
async def test_an_offset_is_a_number(desk: Desk, offset: bytes):
    begun = await desk.begin(resumable=True, size=10)
    assert begun.ticket
    ticket = f"Ticket {begun.ticket.ticket}".encode()

    answer = await desk.http.patch(
        begun.ticket.url,
        content=b"x",
        headers={b"Authorization": ticket, b"Upload-Offset": offset},
    )

    assert answer.status_code == 400


async def test_more_than_was_declared_is_refused(desk: Desk):
    begun = await desk.begin(resumable=True, size=10)
    assert begun.ticket

    answer = await desk.patch(begun.ticket, 0, b"x" * 11)

    assert (answer.status_code, answer.json()["code"]) == (422, "CONTENT_MISMATCH")
    found = await desk.ask(blobs.FIND_UPLOAD, FindUpload(upload_id=begun.upload.id))
    assert found.upload.offset == 0


async def test_more_than_all_is_refused(desk: Desk):
    """Also with the ticket of before, from a request that another one overtook."""
    begun = await desk.begin(resumable=True, size=10)
    assert begun.ticket
    await desk.patch(begun.ticket, 0, b"x" * 10)

    assert (await desk.patch(begun.ticket, 10, b"")).json()["blob"]["sha256"] == sha256(b"x" * 10)
    answer = await desk.patch(begun.ticket, 10, b"x")
    assert (answer.status_code, answer.json()["code"]) == (422, "CONTENT_MISMATCH")


async def test_a_wrong_sum_is_found_at_the_end(desk: Desk):
    begun = await desk.begin(resumable=True, size=4, sha256=sha256(b"good"))
    assert begun.ticket

    answer = await desk.patch(begun.ticket, 0, b"evil")

    assert (answer.status_code, answer.json()["code"]) == (422, "CONTENT_MISMATCH")
    with pytest.raises(errors.NotFound):
        await desk.stat(sha256(b"evil"))


async def test_whoever_asks_finishes_an_upload(desk: Desk, owner: Pool):
    """The last request was answered by nobody: all bytes are there, the blob is not."""
    begun = await desk.begin(resumable=True, size=20)
    assert begun.ticket
    await desk.patch(begun.ticket, 0, b"x" * 10)
    with pytest.raises(errors.Conflict) as early:
        await desk.ask(blobs.COMPLETE_UPLOAD, CompleteUpload(upload_id=begun.upload.id))
    assert early.value.data == {"offset": 10}
    await owner.execute("UPDATE uploads SET size = 10 WHERE id = $1", begun.upload.id)

    asked = CompleteUpload(upload_id=begun.upload.id)
    done = await asyncio.gather(*(desk.ask(blobs.COMPLETE_UPLOAD, asked) for _ in range(4)))

    assert {each.blob.sha256 for each in done} == {sha256(b"x" * 10)}
    assert (await desk.usage()).blobs == 1


async def test_an_unknown_end_is_told_by_completing(desk: Desk):
    """Without a declared size the client says when all is there."""
    begun = await desk.begin(resumable=True)
    assert begun.ticket
    answer = await desk.patch(begun.ticket, 0, b"as long as it is")
    assert answer.json()["blob"] is None

    done = await desk.ask(blobs.COMPLETE_UPLOAD, CompleteUpload(upload_id=begun.upload.id))

    assert done.blob.sha256 == sha256(b"as long as it is")


async def test_a_damaged_piece_is_no_blob(desk: Desk, owner: Pool, stack: Stack):
    """Pieces are compared with what arrived before they are part of anything."""
    begun = await desk.begin(resumable=True)
    assert begun.ticket
    await desk.patch(begun.ticket, 0, b"good")
    key = await owner.fetchval(
        "SELECT key FROM upload_pieces WHERE upload_id = $1", begun.upload.id
    )
    (stack.data_dir / "blobs" / key).write_bytes(b"evil")

    with pytest.raises(errors.BlobDamaged):
        await desk.ask(blobs.COMPLETE_UPLOAD, CompleteUpload(upload_id=begun.upload.id))
    assert (await desk.usage()).blobs == 0


async def test_another_replica_goes_on(desk: Desk, stack: Stack):
    """No state in memory: the bytes of one are finished by the other, also after a kill."""
    await stack.add("blobs")
    urls = [await _bytes_url(stack, number) for number in (1, 2)]
    try:
        begun = await desk.begin(resumable=True, size=3000)
        assert begun.ticket
        here, there = (begun.ticket.model_copy(update={"url": url}) for url in urls)
        assert (await desk.patch(here, 0, b"x" * 1000)).status_code == 200
        stack.kill("blobs-1")
        assert (await desk.patch(there, 1000, b"x" * 1000)).status_code == 200
        await stack.wait_ready("blobs-1")
        answer = await desk.patch(here, 2000, b"x" * 1000)
        assert answer.json()["blob"]["sha256"] == sha256(b"x" * 3000)
    finally:
        await stack.remove("blobs-2")


async def _bytes_url(stack: Stack, number: int) -> str:
    state = json.loads(await asyncio.to_thread((stack.data_dir / "stack.json").read_text))
    return f"http://127.0.0.1:{state['ports'][f'blobs-{number}:bytes']}/bytes"
