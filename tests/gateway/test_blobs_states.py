"""Blobs over HTTP that are collected, archived, or one too many."""

from collections.abc import AsyncGenerator

import asyncpg
import httpx
import pytest

from tests.gateway.blobs import NOISE, TEXT, blobs_of, path_in, send, sha, stored
from tests.gateway.support import Manuscript, Person, is_problem
from tools.stack import Stack


@pytest.fixture
def path(manuscript: Manuscript) -> str:
    return blobs_of(manuscript)


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
