"""The tus protocol as its specification words it; its clients are in tests/clients."""

import asyncio
import hashlib
import os
from base64 import b64encode
from collections.abc import AsyncGenerator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx
import pytest

from libs.contracts.actor import Role
from libs.contracts.blobs.transfers import CHECKED_BYTES_MAX
from libs.contracts.values import BLOB_BYTES_MAX
from services.gateway.api.tus_words import EXTENSIONS, OFFSET_TYPE
from tests.gateway.support import Manuscript, Person, is_problem
from tests.support.waiting import until
from tools.stack import Stack

BODY = os.urandom(200_000)
TUS = {"Tus-Resumable": "1.0.0"}
WAIT_S = 10.0


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def metadata(**pairs: str) -> str:
    return ",".join(f"{k} {b64encode(v.encode()).decode()}" for k, v in pairs.items())


@pytest.fixture
def path(manuscript: Manuscript) -> str:
    return f"/api/projects/{manuscript.project['id']}/uploads"


async def begin(person: Person, path: str, size: int = len(BODY), told: str = "") -> str:
    given = {"Upload-Length": str(size), "Upload-Metadata": told}
    answer = await person.ask("POST", path, headers=TUS | given)
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


async def append(
    person: Person, url: str, offset: int, body: bytes, **headers: str
) -> httpx.Response:
    given = {"Upload-Offset": str(offset), "Content-Type": OFFSET_TYPE}
    return await person.ask("PATCH", url, content=body, headers=TUS | given | headers)


async def offset_of(person: Person, url: str) -> int:
    answer = await person.ask("HEAD", url, headers=TUS)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return int(answer.headers["upload-offset"])


async def test_options_tell_what_there_is(http: httpx.AsyncClient, path: str):
    answer = await http.options(path)

    assert answer.status_code == 204
    assert answer.headers["tus-resumable"] == answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-extension"] == EXTENSIONS
    assert answer.headers["tus-max-size"] == str(BLOB_BYTES_MAX)
    assert "sha256" in answer.headers["tus-checksum-algorithm"]


async def test_pieces_become_a_file(mary: Person, path: str):
    url = await begin(mary, path, told=metadata(filename="a.bin", sha256=sha(BODY)))
    assert await offset_of(mary, url) == 0
    answer = httpx.Response(0)
    for start in range(0, len(BODY), 60_000):
        answer = await append(mary, url, start, BODY[start : start + 60_000])
        assert (answer.status_code, answer.content) == (204, b"")
        end = min(start + 60_000, len(BODY))
        assert answer.headers["upload-offset"] == str(end)
        assert parsedate_to_datetime(answer.headers["upload-expires"]).tzinfo

    assert answer.headers["scriptorium-sha256"] == sha(BODY)
    fetched = await mary.get(path.replace("/uploads", f"/blobs/{sha(BODY)}"))
    assert fetched.content == BODY
    shown = (await mary.get(url)).json()
    assert (shown["blob"]["sha256"], shown["offset"]) == (sha(BODY), len(BODY))
    # A client whose last answer was lost asks, and sends nothing more.
    assert await offset_of(mary, url) == len(BODY)
    assert (await append(mary, url, len(BODY), b"")).status_code == 204


async def test_creation_with_upload_and_of_nothing(mary: Person, path: str):
    given = {"Upload-Length": str(len(BODY)), "Content-Type": OFFSET_TYPE}
    part = await mary.ask("POST", path, content=BODY[:1000], headers=TUS | given)
    assert (part.status_code, part.headers["upload-offset"]) == (201, "1000")
    whole = await mary.ask("POST", path, content=BODY, headers=TUS | given)
    assert whole.headers["upload-offset"] == str(len(BODY))
    assert whole.headers["scriptorium-sha256"] == sha(BODY)

    empty = await mary.ask("POST", path, headers=TUS | {"Upload-Length": "0"})
    assert empty.headers["scriptorium-sha256"] == sha(b"")


async def test_the_offset_must_be_the_one_that_is(mary: Person, path: str):
    url = await begin(mary, path)
    await append(mary, url, 0, BODY[:1000])
    for wrong in (0, 999, 1001):
        answer = await append(mary, url, wrong, BODY[wrong:])
        assert is_problem(answer, 409, "CONFLICT")
        assert answer.json()["offset"] == 1000
    assert await offset_of(mary, url) == 1000


async def test_no_more_than_was_declared(mary: Person, path: str):
    url = await begin(mary, path, 100)

    async def endless() -> AsyncGenerator[bytes]:
        for _ in range(100):
            yield b"x" * 1000

    assert is_problem(await append(mary, url, 0, b"x" * 101), 413, "TOO_LARGE")
    given = TUS | {"Upload-Offset": "0", "Content-Type": OFFSET_TYPE}
    answer = await mary.ask("PATCH", url, content=endless(), headers=given)
    assert is_problem(answer, 422, "CONTENT_MISMATCH")
    assert await offset_of(mary, url) == 0
    assert is_problem(
        await mary.ask("POST", path, headers=TUS | {"Upload-Length": str(BLOB_BYTES_MAX + 1)}),
        413,
        "TOO_LARGE",
    )


async def test_what_is_done_takes_no_more(mary: Person, path: str):
    """One byte behind the end would be told as stored, and would be nowhere."""
    url = await begin(mary, path)
    await append(mary, url, 0, BODY)

    async def unmeasured() -> AsyncGenerator[bytes]:
        yield b"!"

    given = TUS | {"Upload-Offset": str(len(BODY)), "Content-Type": OFFSET_TYPE}
    for more in (b"!", unmeasured()):
        answer = await mary.ask("PATCH", url, content=more, headers=given)
        assert is_problem(answer, 413, "TOO_LARGE")
        assert answer.json()["limitBytes"] == 0
    assert await offset_of(mary, url) == len(BODY)
    assert (await mary.get(url)).json()["blob"]["sha256"] == sha(BODY)
    known = {
        "Upload-Length": str(len(BODY)),
        "Upload-Metadata": metadata(sha256=sha(BODY)),
        "Content-Type": OFFSET_TYPE,
    }
    answer = await mary.ask("POST", path, content=BODY + b"!", headers=TUS | known)
    assert is_problem(answer, 413, "TOO_LARGE")
    answer = await mary.ask("POST", path, content=BODY, headers=TUS | known)
    assert answer.headers["upload-offset"] == str(len(BODY))


async def test_a_wrong_whole_is_refused_for_good(mary: Person, path: str):
    """No client that asks again takes what was refused for stored."""
    url = await begin(mary, path, told=metadata(sha256=sha(b"other")))

    assert is_problem(await append(mary, url, 0, BODY), 422, "CONTENT_MISMATCH")
    for _ in range(2):
        asked = await mary.ask("HEAD", url, headers=TUS)
        assert asked.status_code == 410
        assert "upload-offset" not in asked.headers
        told = await mary.get(url)
        assert is_problem(told, 410, "GONE")
        assert told.json()["refusal"]["code"] == "CONTENT_MISMATCH"
        assert is_problem(await append(mary, url, len(BODY), b""), 410, "GONE")
    missing = path.replace("/uploads", f"/blobs/{sha(BODY)}")
    assert is_problem(await mary.get(missing), 404, "NOT_FOUND")


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
async def test_a_piece_with_another_checksum_is_not_taken(mary: Person, path: str, algorithm: str):
    url = await begin(mary, path)

    def said(body: bytes) -> dict[str, str]:
        digest = hashlib.new(algorithm, body, usedforsecurity=False).digest()
        return {"Upload-Checksum": f"{algorithm} {b64encode(digest).decode()}"}

    answer = await append(mary, url, 0, BODY[:1000], **said(b"other"))
    assert answer.status_code == 460
    assert answer.json()["code"] == "CONTENT_MISMATCH"
    assert await offset_of(mary, url) == 0
    for bad in ("crc32 AAAA", algorithm, f"{algorithm} !!", "sha256"):
        refused = await append(mary, url, 0, b"x", **{"Upload-Checksum": bad})
        assert is_problem(refused, 400, "VALIDATION_FAILED")
    large = b"x" * (CHECKED_BYTES_MAX + 1)
    other = await begin(mary, path, len(large))
    assert is_problem(await append(mary, other, 0, large, **said(large)), 413, "TOO_LARGE")

    assert (await append(mary, url, 0, BODY[:1000], **said(BODY[:1000]))).status_code == 204
    assert await offset_of(mary, url) == 1000


async def test_checked_bytes_are_kept_whole_or_not_at_all(mary: Person, path: str, stack: Stack):
    """Of a connection that broke nothing is, though it would be without a checksum."""
    url = await begin(mary, path)
    checksum = f"sha256 {b64encode(hashlib.sha256(BODY).digest()).decode()}"
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(stack.url).port)
    head = (
        f"PATCH {url} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {mary.access_token}\r\n"
        f"Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: {OFFSET_TYPE}\r\n"
        f"Content-Length: {len(BODY)}\r\nUpload-Checksum: {checksum}\r\n\r\n"
    )
    writer.write(head.encode() + BODY[:-1])
    await writer.drain()
    writer.write_eof()
    await reader.read()
    writer.close()
    assert await offset_of(mary, url) == 0

    async def too_much() -> AsyncGenerator[bytes]:
        for _ in range(CHECKED_BYTES_MAX // len(BODY) + 1):
            yield BODY

    other = await begin(mary, path, 2 * CHECKED_BYTES_MAX)
    given = TUS | {"Upload-Offset": "0", "Content-Type": OFFSET_TYPE, "Upload-Checksum": checksum}
    refused = await mary.ask("PATCH", other, content=too_much(), headers=given)
    assert is_problem(refused, 413, "TOO_LARGE")
    assert await offset_of(mary, other) == 0
    for nothing, status in ((b"", 204), (b"x", 460)):
        digest = b64encode(hashlib.sha256(nothing).digest()).decode()
        answer = await append(mary, url, 0, b"", **{"Upload-Checksum": f"sha256 {digest}"})
        assert answer.status_code == status
    done = await append(mary, url, 0, BODY, **{"Upload-Checksum": checksum})
    assert done.headers["scriptorium-sha256"] == sha(BODY)


async def test_a_wrong_whole_of_right_pieces_is_told_as_such(mary: Person, path: str):
    """The status of tus is for the bytes of the request."""
    url = await begin(mary, path, told=metadata(sha256=sha(b"other")))
    checksum = f"sha256 {b64encode(hashlib.sha256(BODY).digest()).decode()}"

    answer = await append(mary, url, 0, BODY, **{"Upload-Checksum": checksum})
    assert is_problem(answer, 422, "CONTENT_MISMATCH")


async def test_other_versions_and_types_are_refused(mary: Person, path: str):
    url = await begin(mary, path)
    for headers in ({}, {"Tus-Resumable": "0.2.2"}):
        for method, place in (("POST", path), ("PATCH", url), ("DELETE", url), ("HEAD", url)):
            answer = await mary.ask(method, place, headers=headers)
            assert answer.status_code == 412, (method, headers)
            if method != "HEAD":
                assert is_problem(answer, 412, "PRECONDITION_FAILED"), (method, headers)
            assert answer.headers["tus-version"] == "1.0.0"
    wrong = await append(mary, url, 0, b"x", **{"Content-Type": "text/plain"})
    assert is_problem(wrong, 415, "UNSUPPORTED_FORMAT")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Upload-Length": "-1"},
        {"Upload-Length": "1e3"},
        {"Upload-Length": "9" * 30},
        {"Upload-Length": "٣"},
        {"Upload-Length": "1", "Upload-Defer-Length": "1"},
        {"Upload-Defer-Length": "2"},
        {"Upload-Length": "1", "Upload-Metadata": "filename !!!"},
        {"Upload-Length": "1", "Upload-Metadata": "filename /w=="},
        {"Upload-Length": "1", "Upload-Metadata": "a YQ==,a YQ=="},
        {"Upload-Length": "1", "Upload-Metadata": "\u00fc YQ=="},
        {"Upload-Length": "1", "Upload-Metadata": metadata(sha256="abc")},
        {"Upload-Length": "1", "Upload-Metadata": metadata(assetType="x")},
        {"Upload-Length": "1", "Upload-Metadata": metadata(filename="a\r\nb")},
        {"Upload-Length": "1", "Upload-Metadata": metadata(filename="../a")},
        {"Upload-Length": "1", "Upload-Metadata": metadata(filename="x" * 300)},
        {"Upload-Length": "1", "Upload-Metadata": metadata(note="x" * 7000)},
    ],
)
async def test_malformed_creations(mary: Person, path: str, headers: dict[str, str]):
    given = TUS | headers | {"Authorization": f"Bearer {mary.access_token}"}
    encoded = {name.encode(): value.encode() for name, value in given.items()}
    answer = await mary.http.post(path, headers=encoded)

    assert is_problem(answer, 400, "VALIDATION_FAILED")


async def test_what_is_terminated_is_gone(mary: Person, path: str):
    url = await begin(mary, path)
    await append(mary, url, 0, BODY[:1000])

    assert (await mary.ask("DELETE", url, headers=TUS)).status_code == 204
    assert (await mary.ask("HEAD", url, headers=TUS)).status_code == 404
    assert is_problem(await append(mary, url, 1000, BODY[1000:]), 404, "NOT_FOUND")
    assert is_problem(await mary.ask("DELETE", url, headers=TUS), 404, "NOT_FOUND")


async def test_what_is_not_finished_is_not_told_as_done(mary: Person, path: str, stack: Stack):
    """All bytes are here and storage is away: whoever asks is to ask again, until it is a file."""
    blobs, away = stack.data_dir / "blobs", stack.data_dir / "blobs.away"
    body = os.urandom(1000)
    url = await begin(mary, path, len(body))
    await append(mary, url, 0, body[:-1])
    # The last piece needs storage, too: it is taken away behind that by a length that ends there.
    other = await mary.ask("POST", path, headers=TUS | {"Upload-Defer-Length": "1"})
    late = other.headers["location"]
    assert (await append(mary, late, 0, body)).status_code == 204
    blobs.rename(away)
    blobs.mkdir()
    try:
        ended = await append(mary, late, len(body), b"", **{"Upload-Length": str(len(body))})
        assert is_problem(ended, 503, "UNAVAILABLE")
        asked = await mary.ask("HEAD", late, headers=TUS)
        assert asked.status_code == 423
        assert "upload-offset" not in asked.headers
        assert asked.headers["retry-after"]
        shown = await mary.get(late)
        assert (shown.status_code, shown.json()["blob"]) == (202, None)
        assert "upload-offset" not in shown.headers
    finally:
        blobs.rmdir()
        away.rename(blobs)

    assert await offset_of(mary, late) == len(body)
    assert (await mary.get(late)).json()["blob"]["sha256"] == sha(body)
    assert (await append(mary, url, len(body) - 1, body[-1:])).status_code == 204


async def test_a_length_may_come_with_a_later_patch(mary: Person, path: str):
    begun = await mary.ask("POST", path, headers=TUS | {"Upload-Defer-Length": "1"})
    assert begun.headers["upload-defer-length"] == "1"
    url = begun.headers["location"]
    assert (await append(mary, url, 0, b"hello ")).headers["upload-defer-length"] == "1"
    for wrong in ("5", "x", str(BLOB_BYTES_MAX + 1)):
        refused = await append(mary, url, 6, b"", **{"Upload-Length": wrong})
        assert refused.status_code in (400, 413), wrong
    part = await append(mary, url, 6, b"wor", **{"Upload-Length": "11"})
    assert (part.headers["upload-length"], part.headers["upload-offset"]) == ("11", "9")
    assert "upload-defer-length" not in part.headers
    changed = await append(mary, url, 9, b"ld", **{"Upload-Length": "12"})
    assert is_problem(changed, 400, "VALIDATION_FAILED")
    assert is_problem(await append(mary, url, 9, b"too much"), 413, "TOO_LARGE")

    done = await append(mary, url, 9, b"ld", **{"Upload-Length": "11"})
    assert done.headers["scriptorium-sha256"] == sha(b"hello world")


async def test_what_is_not_offered_is_refused(mary: Person, path: str):
    """Taken without a word it would look like success."""
    given = {"Upload-Length": "5"}
    for more in (
        {"Upload-Concat": "partial"},
        {"Upload-Concat": "final;/a /b"},
        {"Trailer": "Upload-Checksum"},
    ):
        answer = await mary.ask("POST", path, headers=TUS | given | more)
        assert is_problem(answer, 400, "VALIDATION_FAILED"), more
    url = await begin(mary, path, 5)
    answer = await append(mary, url, 0, b"hello", Trailer="Upload-Checksum")
    assert is_problem(answer, 400, "VALIDATION_FAILED")
    as_text = TUS | given | {"Content-Type": "text/plain"}
    refused = await mary.ask("POST", path, content=b"hello", headers=as_text)
    assert is_problem(refused, 415, "UNSUPPORTED_FORMAT")
    assert await offset_of(mary, url) == 0


async def test_a_creation_whose_bytes_are_wrong_leaves_nothing(mary: Person, path: str):
    """Its client never learns where it would be."""
    digest = b64encode(hashlib.sha1(b"other", usedforsecurity=False).digest()).decode()
    given = {"Upload-Length": "5", "Upload-Checksum": f"sha1 {digest}"}
    for body, kind in ((b"hello", {"Content-Type": OFFSET_TYPE}), (b"", {})):
        answer = await mary.ask("POST", path, content=body, headers=TUS | given | kind)
        assert answer.status_code == 460
        assert "location" not in answer.headers
    wrong = {"Upload-Length": "5", "Upload-Metadata": metadata(sha256=sha(b"other"))}
    sent = TUS | wrong | {"Content-Type": OFFSET_TYPE}
    answer = await mary.ask("POST", path, content=b"hello", headers=sent)
    assert is_problem(answer, 422, "CONTENT_MISMATCH")


async def test_metadata_is_told_as_it_was_given(mary: Person, path: str):
    given = "filename bWFwLnBuZw==,note ,is_draft,blob /w=="
    answer = await mary.ask(
        "POST", path, headers=TUS | {"Upload-Length": "5", "Upload-Metadata": given}
    )
    url = answer.headers["location"]
    for _ in range(2):
        told = await mary.ask("HEAD", url, headers=TUS)
        assert told.headers["upload-metadata"] == given
        await append(mary, url, 0, b"hello")
    assert "upload-metadata" not in (await mary.ask("HEAD", await begin(mary, path))).headers


async def test_a_method_may_be_said_by_a_header(mary: Person, path: str):
    """By clients behind a proxy that lets only GET and POST through."""
    url = await begin(mary, path, 5)
    meant = {"X-HTTP-Method-Override": "PATCH", "Content-Type": OFFSET_TYPE, "Upload-Offset": "0"}
    answer = await mary.ask("POST", url, content=b"hello", headers=TUS | meant)
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, "5")
    head = await mary.ask("GET", url, headers=TUS | {"X-HTTP-Method-Override": "head"})
    assert (head.status_code, head.content, head.headers["upload-offset"]) == (200, b"", "5")
    gone = await mary.ask("POST", url, headers=TUS | {"X-HTTP-Method-Override": "DELETE"})
    assert gone.status_code == 204
    assert (await mary.ask("HEAD", url, headers=TUS)).status_code == 404
    other = await mary.ask("POST", url, headers=TUS | {"X-HTTP-Method-Override": "BREW"})
    assert is_problem(other, 405, "METHOD_NOT_ALLOWED")
    # Nowhere else: a GET stays one.
    project = path.removesuffix("/uploads")
    stays = await mary.ask("GET", project, headers={"X-HTTP-Method-Override": "DELETE"})
    assert stays.status_code == 200


async def test_every_answer_names_the_version_and_is_not_kept(mary: Person, path: str):
    url = await begin(mary, path)
    missing = f"{url[:-12]}{'0' * 12}"
    answers = [
        await mary.ask("HEAD", url, headers=TUS),
        await mary.ask("HEAD", missing, headers=TUS),
        await append(mary, url, 7, b"x"),
        await append(mary, url, 0, b"x", **{"Content-Type": "text/plain"}),
        await mary.ask("POST", path, headers=TUS),
        await mary.http.head(url, headers=TUS),
        await mary.http.options(url),
    ]
    assert [each.status_code for each in answers] == [200, 404, 409, 415, 400, 401, 204]
    for each in answers:
        assert each.headers["tus-resumable"] == "1.0.0", each.status_code
        assert each.headers["cache-control"] == "no-store", each.status_code


async def test_an_upload_is_its_beginners(
    manuscript: Manuscript, mary: Person, percy: Person, path: str
):
    url = await begin(mary, path)
    await manuscript.welcome(percy, Role.WRITER)
    other = await Manuscript.begin(percy)
    elsewhere = url.replace(manuscript.project["id"], other.project["id"])
    for place in (url, elsewhere):
        assert (await percy.ask("HEAD", place, headers=TUS)).status_code == 404
        assert is_problem(await append(percy, place, 0, BODY), 404, "NOT_FOUND")
        assert is_problem(await percy.ask("DELETE", place, headers=TUS), 404, "NOT_FOUND")

    assert await offset_of(mary, url) == 0


@pytest.mark.parametrize("sent", [1, 50_000, 199_999])
async def test_what_arrived_before_a_connection_broke_stays(
    mary: Person, path: str, stack: Stack, sent: int
):
    """Whatever of it was stored is told, and what is sent from there on makes the whole."""
    url = await begin(mary, path)
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(stack.url).port)
    head = (
        f"PATCH {url} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {mary.access_token}\r\n"
        f"Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: {OFFSET_TYPE}\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n"
    )
    writer.write(head.encode() + BODY[:sent])
    await writer.drain()
    await asyncio.sleep(0.3)
    writer.transport.abort()
    del reader

    async def kept() -> bool:
        return await offset_of(mary, url) > 0

    await until(kept, WAIT_S)
    offset = await offset_of(mary, url)
    assert 0 < offset <= sent
    done = await append(mary, url, offset, BODY[offset:])
    assert done.headers["scriptorium-sha256"] == sha(BODY)
