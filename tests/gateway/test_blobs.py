"""Blobs over HTTP: any bytes in, the same bytes out, and nothing to those who may not."""

import asyncio
import hashlib
import os
from base64 import b64encode
from collections.abc import AsyncGenerator
from urllib.parse import quote, unquote, urlsplit

import asyncpg
import httpx
import pytest

from libs.contracts.actor import Role
from libs.contracts.blobs import BLOB_BYTES_MAX
from libs.stack import Stack
from tests.gateway.support import Json, Manuscript, Person, is_problem

TEXT = b"It was on a dreary night of November.\n" * 100
NOISE = os.urandom(3 << 20)
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + os.urandom(200)
HTML = b"<!doctype html><script>alert(1)</script>"
HOSTILE_NAMES = [
    "../../etc/passwd.txt".replace("/", "_"),
    'a"b;c\\d.txt',
    "naïve ¿ 手紙.txt",
    "x" * 250 + ".txt",
    "a%22b%0d%0aX-Evil: 1.txt",
    "\u202egpj.exe",
    "; filename=evil.html",
]


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def path_in(url: str) -> str:
    return urlsplit(url).path


def blobs_of(manuscript: Manuscript) -> str:
    return f"/api/projects/{manuscript.project['id']}/blobs"


async def send(person: Person, path: str, body: bytes, **more: object) -> httpx.Response:
    return await person.ask("POST", path, content=body, **more)


async def stored(person: Person, path: str, body: bytes, **more: object) -> Json:
    answer = await send(person, path, body, **more)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


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


class TestFetching:
    @pytest.mark.parametrize(
        ("asked", "start", "end"),
        [
            ("bytes=0-0", 0, 1),
            ("bytes=0-", 0, None),
            ("bytes=100-199", 100, 200),
            ("bytes=1048570-1048590", 1048570, 1048591),
            ("bytes=-5", -5, None),
            ("bytes=3000000-99999999", 3_000_000, None),
        ],
    )
    async def test_ranges(self, mary: Person, path: str, asked: str, start: int, end: int | None):
        await stored(mary, path, NOISE)
        answer = await mary.get(f"{path}/{sha(NOISE)}", headers={"Range": asked})
        expected = NOISE[start:end]
        first = len(NOISE) + start if start < 0 else start

        assert answer.status_code == 206
        assert answer.content == expected
        last = first + len(expected) - 1
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(NOISE)}"

    async def test_a_range_behind_the_end(self, mary: Person, path: str):
        await stored(mary, path, TEXT)
        answer = await mary.get(f"{path}/{sha(TEXT)}", headers={"Range": f"bytes={len(TEXT)}-"})

        assert is_problem(answer, 416, "RANGE_NOT_SATISFIABLE")
        assert answer.headers["content-range"] == f"bytes */{len(TEXT)}"

    async def test_if_range_and_if_none_match(self, mary: Person, path: str):
        await stored(mary, path, TEXT)
        url, tag = f"{path}/{sha(TEXT)}", f'"{sha(TEXT)}"'
        part = {"Range": "bytes=0-9"}

        assert (await mary.get(url, headers={**part, "If-Range": tag})).status_code == 206
        assert (await mary.get(url, headers={**part, "If-Range": '"other"'})).content == TEXT
        known = await mary.get(url, headers={"If-None-Match": tag})
        assert (known.status_code, known.content) == (304, b"")
        assert known.headers["etag"] == tag

    async def test_head_says_the_same_without_bytes(self, mary: Person, path: str):
        await stored(mary, path, TEXT)
        url = f"{path}/{sha(TEXT)}?fileName=a.txt"
        head, get = await mary.ask("HEAD", url), await mary.get(url)

        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-length", "content-type", "etag", "content-disposition"):
            assert head.headers[name] == get.headers[name]
        missing = await mary.ask("HEAD", f"{path}/{sha(b'missing')}")
        assert (missing.status_code, missing.content) == (404, b"")

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    async def test_any_name_is_safe_in_the_answer(self, mary: Person, path: str, name: str):
        blob = await stored(mary, path, TEXT)
        answer = await mary.get(f"{path}/{blob['sha256']}", params={"fileName": name})
        if answer.status_code == 400:
            assert any(not each.isprintable() or each in "\\/" for each in name)
            return
        disposition = answer.headers["content-disposition"]

        assert answer.status_code == 200
        assert disposition.startswith("attachment; ")
        assert disposition.isascii() and "x-evil" not in answer.headers
        star = disposition.rpartition("filename*=UTF-8''")[2]
        assert unquote(star, errors="strict") == name
        plain = disposition.partition('filename="')[2].partition('"')[0]
        assert not set('"\\;') & set(plain)

    async def test_names_with_line_breaks_are_refused(self, mary: Person, path: str):
        blob = await stored(mary, path, TEXT)
        for name in ("a\r\nX-Evil: 1", "a\0b", "a\x7fb", ""):
            answer = await mary.get(f"{path}/{blob['sha256']}?fileName={quote(name)}")
            assert is_problem(answer, 400, "VALIDATION_FAILED")
            assert "x-evil" not in answer.headers

    async def test_only_harmless_types_are_shown_by_browsers(self, mary: Person, path: str):
        for body, declared, inline in (
            (PNG, "image/png", True),
            (HTML, "text/html", False),
            (HTML, "image/png", False),
            (b"<svg onload='alert(1)'></svg>", "image/svg+xml", False),
            (b"alert(1)", "text/javascript", False),
            (b"\0\1\2", "application/x-evil", False),
        ):
            blob = await stored(mary, path, body, headers={"Content-Type": declared})
            answer = await mary.get(f"{path}/{blob['sha256']}?inline=true")

            shown = answer.headers["content-disposition"].startswith("inline")
            assert shown is inline, (declared, answer.headers)
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "sandbox" in answer.headers["content-security-policy"]
            saved = await mary.get(f"{path}/{blob['sha256']}")
            assert saved.headers["content-disposition"].startswith("attachment")

    async def test_metadata(self, mary: Person, path: str):
        blob = await stored(mary, path, PNG, headers={"Content-Type": "image/png"})
        answer = await mary.get(f"{path}/{sha(PNG)}/metadata")

        assert answer.json() == blob
        assert (blob["mediaType"], blob["createdBy"]) == ("image/png", mary.id)


@pytest.fixture
async def database(stack: Stack) -> AsyncGenerator[asyncpg.Connection]:
    """The database of blobs, to bring about what takes months."""
    connection = await asyncpg.connect(stack.postgres_url("blobs", "blobs_owner"))
    yield connection
    await connection.close()


class TestStates:
    async def test_what_was_collected_is_known_and_gone(
        self, mary: Person, path: str, database: asyncpg.Connection, manuscript: Manuscript
    ):
        await stored(mary, path, NOISE)
        entity = await mary.made(
            f"/api/projects/{manuscript.project['id']}/entities", {"type": "item", "name": "Map"}
        )
        await database.execute(
            "UPDATE blobs SET state = 'collected', key = NULL, collected_at = now()"
            " WHERE project_id = $1 AND sha256 = $2",
            manuscript.project["id"],
            sha(NOISE),
        )
        url = f"{path}/{sha(NOISE)}"
        gone = await mary.get(url)

        assert is_problem(gone, 410, "BLOB_UNAVAILABLE")
        assert gone.json()["blob"]["size"] == len(NOISE)
        assert (await mary.ask("HEAD", url)).status_code == 410
        known = (await mary.get(f"{url}/metadata")).json()
        assert (known["state"], known["size"]) == ("collected", len(NOISE))
        for refused in (
            await mary.post(f"{url}/url", {}),
            await mary.post(f"/api/entities/{entity['id']}/file", {"sha256": sha(NOISE)}),
            await mary.ask(
                "PUT",
                path.replace("/blobs", "/path"),
                params={"path": "project/x"},
                json={"sha256": sha(NOISE)},
            ),
        ):
            assert is_problem(refused, 410, "BLOB_UNAVAILABLE")

        assert (await send(mary, path, NOISE)).status_code in (200, 201)
        assert (await mary.get(url)).content == NOISE

    async def test_what_is_archived_comes_back_when_it_is_asked_for(
        self, mary: Person, path: str, database: asyncpg.Connection, manuscript: Manuscript
    ):
        await stored(mary, path, TEXT)
        await database.execute(
            "UPDATE blobs SET state = 'archived', archived_at = now() WHERE project_id = $1",
            manuscript.project["id"],
        )
        answer = await mary.get(f"{path}/{sha(TEXT)}")

        assert answer.status_code == 202
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["sha256"] == sha(TEXT)
        head = await mary.ask("HEAD", f"{path}/{sha(TEXT)}")
        assert (head.status_code, head.content) == (202, b"")

    async def test_addresses_of_what_is_archived_say_when_to_come_again(
        self,
        mary: Person,
        http: httpx.AsyncClient,
        path: str,
        database: asyncpg.Connection,
        manuscript: Manuscript,
    ):
        """One that was made before is good again later; one is made when the bytes are back."""
        await stored(mary, path, TEXT)
        url = f"{path}/{sha(TEXT)}/url"
        ticket = path_in((await mary.post(url, {})).json()["url"])
        archive = "UPDATE blobs SET state = 'archived', archived_at = now() WHERE project_id = $1"
        await database.execute(archive, manuscript.project["id"])
        for answer in (await http.get(ticket), await mary.post(url, {})):
            assert answer.status_code == 202
            assert int(answer.headers["retry-after"]) > 0
            assert answer.json()["sha256"] == sha(TEXT)
        head = await http.head(ticket)
        assert (head.status_code, head.content) == (202, b"")
        assert int(head.headers["retry-after"]) > 0
        back = "UPDATE blobs SET state = 'live', archived_at = NULL WHERE project_id = $1"
        await database.execute(back, manuscript.project["id"])
        assert (await http.get(ticket)).content == TEXT
        assert (await mary.post(url, {})).status_code == 201

        paths = (await http.get("/api/openapi.json")).json()["paths"]
        for template, method in (
            ("/files/{ticket}", "get"),
            ("/api/projects/{id}/blobs/{sha256}", "get"),
            ("/api/projects/{id}/blobs/{sha256}/url", "post"),
            ("/api/projects/{id}/path/content", "get"),
            ("/api/entities/{id}/file", "get"),
        ):
            later = paths[template][method]["responses"]["202"]
            assert "Retry-After" in later["headers"], template
            assert later["content"]["application/json"]["schema"]["$ref"].endswith("/Blob")

    async def test_a_full_project_takes_no_more(
        self, mary: Person, path: str, database: asyncpg.Connection, manuscript: Manuscript
    ):
        await stored(mary, path, TEXT)
        await database.execute(
            "UPDATE accounts SET quota_bytes = $2 WHERE project_id = $1",
            manuscript.project["id"],
            len(TEXT) + 1000,
        )

        async def undeclared() -> AsyncGenerator[bytes]:
            yield NOISE

        for refused in (
            await send(mary, path, NOISE),
            await mary.ask("POST", path, content=undeclared()),
            await mary.post(
                path.replace("/blobs", "/uploads"), {"direct": True, "size": len(NOISE)}
            ),
        ):
            assert is_problem(refused, 507, "QUOTA_EXCEEDED")
        assert (await send(mary, path, b"x" * 999)).status_code == 201
        usage = (await mary.get(path.replace("/blobs", "/usage"))).json()
        assert (usage["bytes"], usage["quotaBytes"]) == (len(TEXT) + 999, len(TEXT) + 1000)


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


class TestPresigned:
    async def test_an_address_needs_nothing_else(
        self, mary: Person, path: str, http: httpx.AsyncClient
    ):
        blob = await stored(mary, path, NOISE)
        made = await mary.post(f"{path}/{blob['sha256']}/url", {"fileName": "noise.bin"})
        shown = made.json()
        place = path_in(shown["url"])

        assert (made.status_code, shown["method"]) == (201, "GET")
        assert shown["url"].startswith(str(http.base_url))
        whole = await http.get(place)
        assert whole.content == NOISE
        assert "noise.bin" in whole.headers["content-disposition"]
        part = await http.get(place, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, NOISE[10:20])
        assert (await http.head(place)).headers["content-length"] == str(len(NOISE))
        known = await http.get(place, headers={"If-None-Match": whole.headers["etag"]})
        assert known.status_code == 304

    async def test_any_gateway_serves_it(self, mary: Person, path: str, http2: httpx.AsyncClient):
        blob = await stored(mary, path, TEXT)
        url = (await mary.post(f"{path}/{blob['sha256']}/url", {})).json()["url"]

        assert (await http2.get(path_in(url))).content == TEXT

    async def test_a_ticket_is_for_one_thing_until_its_end(
        self, mary: Person, path: str, http: httpx.AsyncClient
    ):
        blob = await stored(mary, path, TEXT)
        url = (await mary.post(f"{path}/{blob['sha256']}/url", {"expiresIn": 10})).json()["url"]
        ticket = path_in(url)
        middle = len(ticket) // 2
        forged = ticket[:middle] + ("A" if ticket[middle] != "A" else "B") + ticket[middle + 1 :]

        assert (await http.get(ticket)).status_code == 200
        assert (await http.put(ticket, content=b"x")).status_code == 403
        for wrong in (forged, ticket[:-2], "/files/x", "/files/x.y"):
            assert is_problem(await http.get(wrong), 403, "FORBIDDEN"), wrong
        assert (await http.head(forged)).status_code == 403
        await asyncio.sleep(10.5)
        assert is_problem(await http.get(ticket), 403, "FORBIDDEN")

    @pytest.mark.parametrize("seconds", [0, 9, 7 * 86_400 + 1])
    async def test_life_is_bounded(self, mary: Person, path: str, seconds: int):
        blob = await stored(mary, path, TEXT)
        answer = await mary.post(f"{path}/{blob['sha256']}/url", {"expiresIn": seconds})

        assert is_problem(answer, 400, "VALIDATION_FAILED")

    async def test_an_upload_past_the_token(
        self, manuscript: Manuscript, mary: Person, http: httpx.AsyncClient
    ):
        uploads = f"/api/projects/{manuscript.project['id']}/uploads"
        asked = {"direct": True, "size": len(NOISE), "sha256": sha(NOISE), "fileName": "a.bin"}
        made = await mary.post(uploads, asked)
        target = made.json()["target"]
        place = path_in(target["url"])

        assert (made.status_code, target["method"]) == (201, "PUT")
        wrong = await http.put(place, content=b"x" * len(NOISE))
        assert is_problem(wrong, 422, "CONTENT_MISMATCH")
        sent = await http.put(place, content=NOISE)
        assert (sent.status_code, sent.json()["blob"]["sha256"]) == (200, sha(NOISE))
        done = await mary.get(made.headers["location"])
        assert done.json()["blob"]["sha256"] == sha(NOISE)
        completed = await mary.post(f"{made.headers['location']}/complete")
        assert completed.json()["blob"]["sha256"] == sha(NOISE)
        again = await mary.post(uploads, asked)
        assert (again.json()["target"], again.json()["upload"]["deduplicated"]) == (None, True)

    async def test_tickets_are_not_logged(self, mary: Person, path: str, stack: Stack):
        blob = await stored(mary, path, TEXT)
        url = (await mary.post(f"{path}/{blob['sha256']}/url", {})).json()["url"]
        ticket = url.rpartition("/")[2]
        await mary.http.get(path_in(url))
        await mary.http.get(f"/files/{ticket}forged")
        await asyncio.sleep(0.2)

        logs = (stack.data_dir / "logs").glob("*.log")
        told = {each.name: each.read_text() for each in logs}
        assert any("/files/..." in text for text in told.values())
        for name, text in told.items():
            assert ticket[-40:] not in text, name


class TestPaths:
    async def test_a_path_is_pointed_elsewhere_and_its_history_read(
        self, manuscript: Manuscript, mary: Person, path: str
    ):
        project = f"/api/projects/{manuscript.project['id']}"
        for body in (TEXT, NOISE):
            await stored(mary, path, body)
        where = {"path": "project/art/cover ¿ 1.png"}
        first = await mary.ask(
            "PUT", f"{project}/path", params=where, json={"sha256": sha(TEXT), "baseVersion": 0}
        )
        stale = await mary.ask(
            "PUT", f"{project}/path", params=where, json={"sha256": sha(NOISE), "baseVersion": 0}
        )
        tag = {"If-Match": first.headers["etag"]}
        second = await mary.ask(
            "PUT", f"{project}/path", params=where, json={"sha256": sha(NOISE)}, headers=tag
        )

        assert (first.status_code, first.json()["version"]) == (200, 1)
        assert stale.status_code in (409, 412), stale.text
        assert second.json()["sha256"] == sha(NOISE)
        shown = await mary.get(f"{project}/path", params=where)
        assert shown.json() == second.json()
        content = await mary.get(f"{project}/path/content", params=where)
        assert content.content == NOISE
        assert "cover%20%C2%BF%201.png" in content.headers["content-disposition"]
        old = await mary.get(f"{project}/path/content", params={**where, "version": 1})
        assert old.content == TEXT
        history = (await mary.get(f"{project}/path/history", params=where)).json()
        assert [each["version"] for each in history["items"]] == [2, 1]

        gone = await mary.ask("DELETE", f"{project}/path", params={**where, "reason": "old"})
        assert gone.status_code == 204
        missing = await mary.get(f"{project}/path/content", params=where)
        assert is_problem(missing, 404, "NOT_FOUND")
        listed = (await mary.get(f"{project}/paths")).json()
        assert listed == {"items": [], "nextAfter": None}

    async def test_lists_by_prefix_in_pages(self, manuscript: Manuscript, mary: Person, path: str):
        project = f"/api/projects/{manuscript.project['id']}"
        await stored(mary, path, TEXT)
        names = [f"project/{folder}/{n}.txt" for folder in "ab" for n in range(3)]
        for name in names:
            answer = await mary.ask(
                "PUT", f"{project}/path", params={"path": name}, json={"sha256": sha(TEXT)}
            )
            assert answer.status_code == 200, answer.text
        found, after = list[str](), ""
        while after is not None:
            page = (
                await mary.get(
                    f"{project}/paths",
                    params={"prefix": "project/b/", "limit": 2, "after": after},
                )
            ).json()
            found += [each["path"] for each in page["items"]]
            after = page["nextAfter"]

        assert found == names[3:]

    @pytest.mark.parametrize(
        "bad",
        [
            "../x",
            "project/../x",
            "/project/x",
            "project//x",
            "project/a\\b",
            "project/a\nb",
            "project/" + "x" * 1000,
            "users/x/notes/y",
            "elsewhere/x",
            "project/\u202eevil",
        ],
    )
    async def test_hostile_paths(self, manuscript: Manuscript, mary: Person, path: str, bad: str):
        project = f"/api/projects/{manuscript.project['id']}"
        await stored(mary, path, TEXT)
        answer = await mary.ask(
            "PUT", f"{project}/path", params={"path": bad}, json={"sha256": sha(TEXT)}
        )

        assert is_problem(answer, 400, "VALIDATION_FAILED")

    async def test_a_persons_paths_are_theirs_and_the_projects_are_kept(
        self, manuscript: Manuscript, mary: Person, percy: Person, path: str
    ):
        project = f"/api/projects/{manuscript.project['id']}"
        await manuscript.welcome(percy, Role.WRITER)
        await stored(mary, path, TEXT)
        body = {"sha256": sha(TEXT)}
        private = {"path": f"users/{mary.id}/notes/diary.md"}
        shared = {"path": "project/logo.png"}
        for where in (private, shared):
            put = await mary.ask("PUT", f"{project}/path", params=where, json=body)
            assert put.status_code == 200, put.text

        assert is_problem(await percy.get(f"{project}/path", params=private), 404, "NOT_FOUND")
        refused = await percy.ask("PUT", f"{project}/path", params=private, json=body)
        assert is_problem(refused, 404, "NOT_FOUND")
        listed = (await percy.get(f"{project}/paths")).json()["items"]
        assert [each["path"] for each in listed] == ["project/logo.png"]
        gone = await percy.ask("DELETE", f"{project}/path", params=shared)
        assert is_problem(gone, 403, "FORBIDDEN")
        own = {"path": f"users/{percy.id}/exports/a.txt"}
        assert (await percy.ask("PUT", f"{project}/path", params=own, json=body)).status_code == 200
        assert (await percy.ask("DELETE", f"{project}/path", params=own)).status_code == 204


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
