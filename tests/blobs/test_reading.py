"""Any range of any blob, verified; damage is an error and never data."""

import hashlib
import os
import time
from pathlib import Path

import httpx
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs import errors
from libs.contracts.blobs.transfers import Blob, BlobState
from libs.postgres import Pool
from services.blobs.model.frames import FRAME_BYTES
from services.blobs.model.tickets import Grant, Key, Op, sign
from services.blobs.reading import RETURN_S
from tests.blobs.support import Desk, authorized, text
from tools.stack import Stack

CONTENT = {
    "text": text(2 * FRAME_BYTES + 12_345),
    "noise": os.urandom(2 * FRAME_BYTES + 1),
    "frames": os.urandom(2 * FRAME_BYTES),
    "small": b"0123456789",
}


async def object_of(desk: Desk, blob: Blob, owner: Pool, stack: Stack) -> Path:
    key = await owner.fetchval(
        "SELECT key FROM blobs WHERE project_id = $1 AND sha256 = $2", desk.project_id, blob.sha256
    )
    return stack.data_dir / "blobs" / key


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(kind=st.sampled_from(sorted(CONTENT)), data=st.data())
async def test_a_range_is_a_slice(desk: Desk, kind: str, data: st.DataObject):
    """Wherever it begins and ends: at frames, across them, beyond the end, from the end."""
    content = CONTENT[kind]
    edges = [0, 1, FRAME_BYTES - 1, FRAME_BYTES, 2 * FRAME_BYTES, len(content) - 1, len(content)]
    places = st.sampled_from(edges) | st.integers(0, len(content) + 10)
    first, last = data.draw(places), data.draw(places)
    form = data.draw(st.sampled_from(["{0}-{1}", "{0}-", "-{1}"]))
    blob = await desk.upload(content)

    answer = await desk.read(blob.sha256, headers={"Range": "bytes=" + form.format(first, last)})

    if form == "{0}-{1}" and last < first:
        assert (answer.status_code, answer.content) == (200, content)
        return
    expected = {
        "{0}-{1}": content[first : last + 1],
        "{0}-": content[first:],
        "-{1}": content[max(0, len(content) - last) :] if last else b"",
    }[form]
    if not expected:
        assert answer.status_code == 416
        assert answer.headers["content-range"] == f"bytes */{len(content)}"
        return
    assert (answer.status_code, answer.content) == (206, expected)
    start = max(0, len(content) - last) if form == "-{1}" else first
    end = start + len(expected) - 1
    assert answer.headers["content-range"] == f"bytes {start}-{end}/{len(content)}"


@pytest.mark.parametrize("header", ["bytes=0-1,3-4", "lines=1-2", "bytes=x-", "bytes=-", "-5"])
async def test_what_is_no_single_range_is_the_whole(desk: Desk, header: str):
    blob = await desk.upload(b"0123456789")

    answer = await desk.read(blob.sha256, headers={"Range": header})

    assert (answer.status_code, answer.content) == (200, b"0123456789")


async def test_what_a_client_has_is_not_sent(desk: Desk):
    blob = await desk.upload(b"0123456789")
    etag = f'"{blob.sha256}"'

    known = await desk.read(blob.sha256, headers={"If-None-Match": f'"x", W/{etag}'})
    other = await desk.read(blob.sha256, headers={"If-None-Match": '"x"'})
    changed = await desk.read(blob.sha256, headers={"If-Range": '"x"', "Range": "bytes=0-1"})

    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", etag)
    assert other.status_code == 200
    assert changed.status_code == 200


async def test_head_tells_without_sending(desk: Desk):
    blob = await desk.upload(text(100_000))
    opened = await desk.open(blob.sha256)
    assert opened.ticket

    answer = await desk.http.head(opened.ticket.url, headers=authorized(opened.ticket))

    assert answer.status_code == 200
    assert answer.headers["content-length"] == "100000"
    assert answer.content == b""


@pytest.mark.parametrize(
    "name",
    ['a".html', "naïve ☃.txt", "x\u202egpj.exe", "%0d%0aSet-Cookie: x", "a;b=c.txt", "n" * 255],
)
async def test_any_name_is_safe_in_a_header(desk: Desk, name: str):
    blob = await desk.upload(b"words")
    if "\u202e" in name:
        with pytest.raises(errors.Invalid):
            await desk.open(blob.sha256, file_name=name)
        return

    answer = await desk.read(blob.sha256, file_name=name)

    said = answer.headers["content-disposition"]
    assert said.startswith('attachment; filename="')
    assert said.isascii()
    exact = said.partition("filename*=UTF-8''")[2]
    assert httpx.URL(f"http://x/?{'q'}={exact}").params["q"] == name
    assert said.count('"') == 2
    assert "set-cookie" not in answer.headers


async def test_what_could_run_is_never_shown(desk: Desk):
    """Even when asked for: saved, sandboxed, and not guessed at."""
    page = await desk.upload(b"<html><script>alert(1)</script>")
    words = await desk.upload(b"words")

    saved = await desk.read(page.sha256, inline=True)
    shown = await desk.read(words.sha256, inline=True)

    assert saved.headers["content-disposition"].startswith("attachment")
    assert shown.headers["content-disposition"].startswith("inline")
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in shown.headers["content-security-policy"]


@pytest.mark.parametrize("kind", ["text", "noise"])
@pytest.mark.parametrize("how", ["flipped", "short", "missing", "swapped"])
async def test_damage_is_an_error_and_never_data(
    desk: Desk, owner: Pool, stack: Stack, kind: str, how: str
):
    """Noted once, told to the operator, and mended by whoever has the bytes."""
    content = CONTENT[kind]
    blob = await desk.upload(content)
    place = await object_of(desk, blob, owner, stack)
    stored = place.read_bytes()
    match how:
        case "flipped":
            place.write_bytes(bytes([stored[0] ^ 1]) + stored[1:])
        case "short":
            place.write_bytes(stored[:100])
        case "missing":
            place.unlink()
        case _:
            place.write_bytes(stored[-100:] + stored[:-100])

    answer = await desk.read(blob.sha256)

    assert (answer.status_code, answer.json()["code"]) == (500, "BLOB_DAMAGED")
    assert (await desk.stat(blob.sha256)).state is BlobState.QUARANTINED
    found = await owner.fetch("SELECT * FROM quarantine WHERE project_id = $1", desk.project_id)
    assert len(found) == 1
    with pytest.raises(errors.BlobDamaged):
        await desk.open(blob.sha256)
    await desk.upload(content)
    assert (await desk.read(blob.sha256)).content == content
    found = await owner.fetch("SELECT * FROM quarantine WHERE project_id = $1", desk.project_id)
    assert found[0]["resolved_at"] is not None


async def test_damage_behind_the_first_frame_ends_the_answer(desk: Desk, owner: Pool, stack: Stack):
    """What was promised does not come, and what came is right."""
    content = CONTENT["noise"]
    blob = await desk.upload(content)
    place = await object_of(desk, blob, owner, stack)
    with place.open("r+b") as file:
        file.seek(FRAME_BYTES + 5)
        file.write(b"evil")
    opened = await desk.open(blob.sha256)
    assert opened.ticket

    came = bytearray()
    with pytest.raises(httpx.RemoteProtocolError):
        async with desk.http.stream(
            "GET", opened.ticket.url, headers=authorized(opened.ticket)
        ) as answer:
            async for part in answer.aiter_bytes():
                came += part

    assert bytes(came) == content[: len(came)]
    assert len(came) <= FRAME_BYTES
    assert (await desk.stat(blob.sha256)).state is BlobState.QUARANTINED


async def test_frames_of_another_blob_end_the_answer(desk: Desk, owner: Pool):
    """Each fits its digest, and the whole is not what its name says: it never arrives whole."""
    content = CONTENT["noise"]
    blob = await desk.upload(content)
    frames = await owner.execute(
        "UPDATE blob_frames AS f SET start = o.start, digest = o.digest, length = o.length"
        " FROM blob_frames AS o WHERE o.project_id = $1 AND f.project_id = $1"
        " AND o.number = 1 AND f.number = 0", desk.project_id,
    )  # fmt: skip
    assert frames == "UPDATE 1"
    opened = await desk.open(blob.sha256)
    assert opened.ticket

    came = bytearray()
    with pytest.raises(httpx.RemoteProtocolError):
        async with desk.http.stream(
            "GET", opened.ticket.url, headers=authorized(opened.ticket)
        ) as answer:
            async for part in answer.aiter_bytes():
                came += part

    assert len(came) <= len(content) // FRAME_BYTES * FRAME_BYTES < len(content)
    reason = "SELECT reason FROM quarantine WHERE project_id = $1"
    assert await owner.fetchval(reason, desk.project_id) == "content"


async def test_a_bomb_does_not_go_off(desk: Desk, owner: Pool, stack: Stack):
    """A frame that says it is larger than it can be is not decompressed, though its digest fits."""
    blob = await desk.upload(text(100_000))
    bomb = zstandard.ZstdCompressor().compress(b"\0" * (256 << 20))
    place = await object_of(desk, blob, owner, stack)
    place.write_bytes(bomb)
    await owner.execute(
        "UPDATE blob_frames SET length = $2, digest = $3 WHERE project_id = $1",
        desk.project_id, len(bomb), hashlib.sha256(bomb).digest(),
    )  # fmt: skip

    answer = await desk.read(blob.sha256)

    assert answer.json()["code"] == "BLOB_DAMAGED"
    reason = "SELECT reason FROM quarantine WHERE project_id = $1"
    assert await owner.fetchval(reason, desk.project_id) == "codec"


async def test_a_collected_blob_is_known_and_gone(desk: Desk, owner: Pool):
    blob = await desk.upload(b"for a while")
    await owner.execute(
        "UPDATE blobs SET state = 'collected', collected_at = now(), key = NULL"
        " WHERE project_id = $1", desk.project_id,
    )  # fmt: skip

    with pytest.raises(errors.BlobUnavailable) as gone:
        await desk.open(blob.sha256)

    assert gone.value.data["blob"]["sha256"] == blob.sha256
    assert (await desk.stat(blob.sha256)).state is BlobState.COLLECTED


async def test_an_archived_blob_is_asked_back(desk: Desk, owner: Pool):
    blob = await desk.upload(b"long ago")
    await owner.execute(
        "UPDATE blobs SET state = 'archived', archived_at = now(), tier = 'cold'"
        " WHERE project_id = $1", desk.project_id,
    )  # fmt: skip

    opened = await desk.open(blob.sha256)

    assert opened.ticket is None
    assert opened.retry_after_s
    assert (await desk.stat(blob.sha256)).state is BlobState.RESTORING


async def test_a_ticket_for_what_is_archived_says_when_to_come_again(desk: Desk, owner: Pool):
    """It was given out before that, and is good again when the bytes are back."""
    blob = await desk.upload(b"long ago")
    ticket = (await desk.open(blob.sha256)).ticket
    assert ticket
    await owner.execute(
        "UPDATE blobs SET state = 'archived', archived_at = now() WHERE project_id = $1",
        desk.project_id,
    )

    for method in ("GET", "HEAD"):
        answer = await desk.http.request(method, ticket.url, headers=authorized(ticket))
        assert (answer.status_code, int(answer.headers["retry-after"])) == (202, RETURN_S)
    assert (await desk.stat(blob.sha256)).state is BlobState.RESTORING
    await owner.execute("UPDATE blobs SET state = 'live' WHERE project_id = $1", desk.project_id)
    assert (await desk.read(blob.sha256)).content == b"long ago"


async def test_forged_tickets_open_nothing(desk: Desk):
    blob = await desk.upload(b"secret")
    opened = await desk.open(blob.sha256)
    assert opened.ticket
    said, _, mac = opened.ticket.ticket.partition(".")
    grant = Grant(Op.GET, desk.project_id, desk.actor.user_id, blob.sha256, int(time.time()) + 60)
    begun = await desk.begin()
    assert begun.ticket

    for ticket in (
        "x",
        "." * 100,
        "é",
        said,
        f"{said}.",
        f"{said}.{mac[:-2]}AA",
        f"{said[:-4]}AAAA.{mac}",
        sign(grant, Key(1, b"\0" * 32)),
        sign(grant, Key(-5, b"\0" * 32)),
        begun.ticket.ticket,
        "e30." + "A" * 5000,
    ):
        answer = await desk.http.get(
            opened.ticket.url,
            headers={b"Authorization": b"Ticket " + ticket.encode()},
        )
        assert answer.status_code == 403, ticket
        assert b"secret" not in answer.content
    assert (await desk.http.get(opened.ticket.url)).status_code == 403


async def test_tickets_end_and_keys_rotate(desk: Desk, owner: Pool, stack: Stack):
    """A new key signs, the old one is still believed; too old ones are forgotten."""
    blob = await desk.upload(b"secret")
    opened = await desk.open(blob.sha256)
    assert opened.ticket
    await owner.execute("UPDATE ticket_keys SET created_at = now() - interval '8 days'")
    await stack.restart("blobs-1")

    newer = await desk.open(blob.sha256)

    assert newer.ticket
    for ticket in (opened.ticket, newer.ticket):
        answer = await desk.http.get(ticket.url, headers=authorized(ticket))
        assert answer.content == b"secret"
    keys = await owner.fetch("SELECT id, secret FROM ticket_keys ORDER BY created_at DESC")
    assert len(keys) == 2
    over = Grant(Op.GET, desk.project_id, desk.actor.user_id, blob.sha256, int(time.time()) - 1)
    ticket = sign(over, Key(keys[0]["id"], keys[0]["secret"]))
    answer = await desk.http.get(opened.ticket.url, headers={"Authorization": f"Ticket {ticket}"})
    assert (answer.status_code, answer.json()["detail"]) == (
        403,
        "The ticket has expired. Ask the gateway for a new one.",
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("Die Küste".encode(), "text/plain; charset=utf-8"),
        ("Die Küste".encode("latin-1"), "text/plain"),
        ("\ufeffDie Küste".encode("utf-16-le"), "text/plain; charset=utf-16"),
    ],
)
async def test_a_text_is_read_in_its_encoding(desk: Desk, body: bytes, told: str):
    """A browser that is told another one shows other letters."""
    blob = await desk.upload(body, media_type="text/plain")

    answer = await desk.read(blob.sha256)
    assert (answer.headers["content-type"], answer.content) == (told, body)
