"""Blobs over HTTP: any bytes in, the same bytes out, and nothing to those who may not."""

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit

import pytest

from libs.contracts.actor import Role
from libs.contracts.values import BLOB_BYTES_MAX
from tests.gateway.blobs import NOISE, TEXT, blobs_of, send, sha, stored
from tests.gateway.support import Json, Manuscript, Person, is_problem
from tools.stack import Stack


@pytest.fixture
def path(manuscript: Manuscript) -> str:
    return blobs_of(manuscript)


class TestStoring:
    async def test_bytes_come_back_as_they_went(self, mary: Person, path: str):
        for body, media_type in ((TEXT, "text/plain"), (NOISE, "application/octet-stream")):
            answer = await send(mary, path, body, headers={"Content-Type": media_type})
            blob = answer.json()

            assert answer.status_code == 201
            assert answer.headers["location"] == f"{path}/{sha(body)}"
            assert (blob["sha256"], blob["size"], blob["state"]) == (sha(body), len(body), "live")
            fetched = await mary.get(answer.headers["location"])
            assert fetched.content == body
            assert fetched.headers["etag"] == f'"{sha(body)}"'
            assert fetched.headers["content-type"].startswith(media_type)
            assert fetched.headers["content-length"] == str(len(body))
        assert blob["codec"] == "identity"

    async def test_the_same_bytes_are_stored_once(self, mary: Person, path: str):
        first = await send(mary, path, TEXT)
        again = await send(mary, path, TEXT)

        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json() == first.json()
        usage = (await mary.get(path.replace("/blobs", "/usage"))).json()
        assert (usage["bytes"], usage["blobs"]) == (len(TEXT), 1)
        assert usage["storedBytes"] < len(TEXT)

    async def test_an_empty_file_is_a_file(self, mary: Person, path: str):
        blob = await stored(mary, path, b"")
        fetched = await mary.get(f"{path}/{blob['sha256']}")

        assert (blob["size"], fetched.status_code, fetched.content) == (0, 200, b"")

    async def test_a_body_without_a_length_is_stored(self, mary: Person, path: str):
        async def parts() -> AsyncGenerator[bytes]:
            for start in range(0, len(NOISE), 100_000):
                yield NOISE[start : start + 100_000]

        answer = await mary.ask("POST", path, content=parts())

        assert answer.json()["sha256"] == sha(NOISE)

    @pytest.mark.parametrize("how", ["query", "repr-digest", "content-digest"])
    async def test_another_checksum_refuses_and_stores_nothing(
        self, mary: Person, path: str, how: str
    ):
        wrong = hashlib.sha256(b"other")
        query = f"?sha256={wrong.hexdigest()}" if how == "query" else ""
        digest = {how: f"sha-256=:{b64encode(wrong.digest()).decode()}:"} if not query else {}
        answer = await send(mary, path + query, TEXT, headers=digest)

        assert is_problem(answer, 422, "CONTENT_MISMATCH")
        for each in (sha(TEXT), wrong.hexdigest()):
            assert is_problem(await mary.get(f"{path}/{each}"), 404, "NOT_FOUND")
        right = hashlib.sha256(TEXT)
        digest = {"repr-digest": f"sha-256=:{b64encode(right.digest()).decode()}:"}
        assert (await send(mary, path, TEXT, headers=digest)).status_code == 201

    async def test_malformed_questions(self, mary: Person, path: str):
        digest = {"repr-digest": "sha-256=:AAAA:"}
        assert is_problem(await send(mary, path, b"x", headers=digest), 400, "VALIDATION_FAILED")
        two = {"repr-digest": f"sha-256=:{b64encode(hashlib.sha256(b'x').digest()).decode()}:"}
        both = await send(mary, f"{path}?sha256={sha(b'y')}", b"x", headers=two)
        assert is_problem(both, 400, "VALIDATION_FAILED")
        for query in ("?sha256=abc", "?assetType=elephant", "?fileName=a%00b", "?fileName="):
            answer = await send(mary, path + query, b"x")
            assert is_problem(answer, 400, "VALIDATION_FAILED"), query
        packed = await send(mary, path, b"x", headers={"Content-Encoding": "gzip"})
        assert is_problem(packed, 415, "UNSUPPORTED_FORMAT")
        form = await mary.ask("POST", path, files={"file": ("a.txt", b"x")})
        assert is_problem(form, 415, "UNSUPPORTED_FORMAT")
        curl = {"Content-Type": "application/x-www-form-urlencoded"}
        assert (await stored(mary, path, TEXT, headers=curl))["mediaType"] == "text/plain"

    async def test_more_than_a_blob_may_have_is_refused_before_it_is_read(
        self, mary: Person, path: str, stack: Stack
    ):
        answer = await raw(
            stack.gateways[0],
            f"POST {path} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {mary.access_token}\r\n"
            f"Content-Length: {BLOB_BYTES_MAX + 1}\r\n\r\n",
        )

        assert b" 413 " in answer.split(b"\r\n")[0]
        assert b"TOO_LARGE" in answer

    async def test_a_client_that_leaves_stores_nothing(self, mary: Person, path: str, stack: Stack):
        head = (
            f"POST {path} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {mary.access_token}\r\n"
            f"Content-Length: {len(NOISE)}\r\n\r\n"
        )
        for size in (0, 1, 100_000, 2_500_000):
            await raw(stack.gateways[0], head, NOISE[:size], leave=True)

        assert is_problem(await mary.get(f"{path}/{sha(NOISE)}"), 404, "NOT_FOUND")
        usage = (await mary.get(path.replace("/blobs", "/usage"))).json()
        assert (usage["bytes"], usage["blobs"]) == (0, 0)
        assert (await stored(mary, path, NOISE))["sha256"] == sha(NOISE)


class TestRights:
    async def test_another_project_answers_as_if_there_were_nothing(
        self, mary: Person, percy: Person, path: str
    ):
        """Neither its bytes nor that somebody has them can be found out."""
        await stored(mary, path, NOISE)
        theirs = blobs_of(await Manuscript.begin(percy))
        unknown = sha(b"never seen")
        for there, not_there in (
            ("", ""),
            ("/metadata", "/metadata"),
        ):
            one = await percy.get(f"{theirs}/{sha(NOISE)}{there}")
            other = await percy.get(f"{theirs}/{unknown}{not_there}")
            assert is_problem(one, 404, "NOT_FOUND")
            assert alike(one.json()) == alike(other.json())
            assert is_problem(await percy.get(f"{path}/{sha(NOISE)}{there}"), 404, "NOT_FOUND")
        assert (await percy.post(f"{theirs}/{sha(NOISE)}/url", {})).status_code == 404
        # Declaring what somebody else has is no way to it: the bytes must come.
        wrong = await send(percy, f"{theirs}?sha256={sha(NOISE)}", b"not the same")
        assert is_problem(wrong, 422, "CONTENT_MISMATCH")
        own = await send(percy, theirs, NOISE)
        assert own.status_code == 201

    async def test_roles(self, manuscript: Manuscript, percy: Person, path: str, mary: Person):
        blob = await stored(mary, path, TEXT)
        reader = await manuscript.welcome(percy, Role.READER)

        assert (await reader.get(f"{path}/{blob['sha256']}")).content == TEXT
        assert is_problem(await send(reader, path, b"x"), 403, "FORBIDDEN")
        await manuscript.welcome(percy, Role.WRITER)
        assert (await send(percy, path, b"x")).status_code == 201

    async def test_nothing_in_a_deleted_project(
        self, manuscript: Manuscript, mary: Person, path: str
    ):
        blob = await stored(mary, path, TEXT)
        project = f"/api/projects/{manuscript.project['id']}"
        assert (await mary.ask("DELETE", project, headers={"If-Match": "*"})).status_code == 204

        for answer in (
            await mary.get(f"{path}/{blob['sha256']}"),
            await send(mary, path, b"x"),
            await mary.get(f"{project}/usage"),
        ):
            assert is_problem(answer, 404, "NOT_FOUND")

    @pytest.mark.parametrize("bad", ["abc", "A" * 64, "g" * 64, "..%2f..%2fetc", "%00" * 4])
    async def test_what_is_no_checksum_is_not_there(self, mary: Person, path: str, bad: str):
        assert is_problem(await mary.get(f"{path}/{bad}"), 404, "NOT_FOUND")


def alike(document: Json) -> Json:
    return {k: v for k, v in document.items() if k not in ("traceId", "instance")}


async def raw(gateway: str, head: str, body: bytes = b"", *, leave: bool = False) -> bytes:
    """Send a request as it is; returns what came, or leaves in the middle."""
    port = urlsplit(gateway).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode() + body)
    await writer.drain()
    if leave:
        await asyncio.sleep(0.1)
        writer.transport.abort()
        return b""
    async with asyncio.timeout(10):
        answer = await reader.readuntil(b"\r\n\r\n") + await reader.read(65_536)
    writer.close()
    return answer
