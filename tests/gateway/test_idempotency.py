"""A POST with an Idempotency-Key happens once."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.gateway.support import Manuscript, Person, is_problem
from tools.stack import Stack


@pytest.fixture
def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid4().hex}


@pytest.fixture
async def database(stack: Stack) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(stack.postgres_url("gateway", "postgres"))
    yield connection
    await connection.close()


async def test_a_repeat_answers_the_same_and_creates_nothing(
    manuscript: Manuscript, mary: Person, key: dict[str, str]
):
    path = f"/api/chapters/{manuscript.chapter['id']}/scenes"
    first = await mary.post(path, {"title": "once"}, headers=key)
    again = await mary.post(path, {"title": "once"}, headers=key)

    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    for header in ("etag", "location", "content-type"):
        assert first.headers[header] == again.headers[header]
    assert len((await mary.get(path)).json()["items"]) == 2


async def test_another_request_under_the_key_is_refused(
    manuscript: Manuscript, mary: Person, key: dict[str, str]
):
    path = f"/api/chapters/{manuscript.chapter['id']}/scenes"
    await mary.post(path, {"title": "one"}, headers=key)

    other_body = await mary.post(path, {"title": "two"}, headers=key)
    other_path = await mary.post("/api/projects", {"title": "one"}, headers=key)

    assert is_problem(other_body, 422, "IDEMPOTENCY_KEY_REUSED")
    assert other_path.status_code in (400, 422)


async def test_repeats_at_once_through_two_gateways_create_one(
    manuscript: Manuscript, mary: Person, http2: httpx.AsyncClient, key: dict[str, str]
):
    path = f"/api/projects/{manuscript.project['id']}/books"
    twin = Person(http2, mary.id, mary.email, mary.access_token, "")
    answers = await asyncio.gather(
        *(each.post(path, {"title": "B"}, headers=key) for each in (mary, twin) * 5)
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len((await mary.get(path)).json()["items"]) == 2


async def test_a_key_is_ones_own(mary: Person, percy: Person, key: dict[str, str]):
    mine = await mary.made("/api/projects", {"name": "P"}, headers=key)
    yours = await percy.made("/api/projects", {"name": "P"}, headers=key)

    assert mine["id"] != yours["id"]


async def test_a_retry_after_a_crash_creates_once(
    mary: Person, key: dict[str, str], database: "asyncpg.Connection[asyncpg.Record]"
):
    """The gateway died after the command and before it noted the answer."""
    first = await mary.made("/api/projects", {"name": "P"}, headers=key)
    await database.execute(
        "UPDATE idempotency_keys SET sealed_answer = NULL, claimed_until = now()"
        " WHERE user_id = $1",
        mary.id,
    )
    again = await mary.made("/api/projects", {"name": "P"}, headers=key)

    assert again == first
    assert len((await mary.get("/api/projects")).json()["items"]) == 1


async def test_a_claim_in_work_makes_others_wait_and_then_say_so(
    mary: Person, key: dict[str, str], database: "asyncpg.Connection[asyncpg.Record]"
):
    await mary.made("/api/projects", {"name": "P"}, headers=key)
    await database.execute(
        "UPDATE idempotency_keys SET sealed_answer = NULL, claimed_until = now() + interval '1 min'"
        " WHERE user_id = $1",
        mary.id,
    )
    waiting = await mary.post("/api/projects", {"name": "P"}, headers=key)

    assert is_problem(waiting, 409, "CONCURRENCY_CONFLICT")
    assert waiting.headers["retry-after"] == "1"


async def test_a_failure_is_not_remembered(mary: Person, key: dict[str, str]):
    """What was refused may succeed later under the same key."""
    body = {"name": "P", "slug": f"s-{uuid4().hex}"}
    taken = await mary.made("/api/projects", body)
    assert is_problem(await mary.post("/api/projects", body, headers=key), 409, "SLUG_TAKEN")
    change = {"slug": f"s-{uuid4().hex}", "baseVersion": 1}
    await mary.ask("PATCH", f"/api/projects/{taken['id']}", json=change)

    assert (await mary.post("/api/projects", body, headers=key)).status_code == 201


async def test_answers_are_sealed_at_rest(
    mary: Person, key: dict[str, str], database: "asyncpg.Connection[asyncpg.Record]"
):
    """A token's secret is shown again to its owner's retry, and to no reader of the database."""
    body = {"name": "t", "scopes": ["read"]}
    first = await mary.made("/api/tokens", body, headers=key)
    rows = await database.fetch("SELECT * FROM idempotency_keys WHERE user_id = $1", mary.id)

    assert await mary.made("/api/tokens", body, headers=key) == first
    assert len((await mary.get("/api/tokens")).json()["items"]) == 1
    assert first["token"].encode() not in rows[0]["sealed_answer"]
    assert key["Idempotency-Key"] not in str(rows)


@pytest.mark.parametrize("bad", [b"", b"x" * 256, b"sn\xf6w"])
async def test_a_bad_key_is_refused(mary: Person, bad: bytes):
    answer = await mary.post("/api/projects", {"name": "P"}, headers={"Idempotency-Key": bad})

    assert is_problem(answer, 400, "VALIDATION_FAILED")


async def test_lost_permission_is_not_outlived_by_a_remembered_answer(
    manuscript: Manuscript, mary: Person, percy: Person, key: dict[str, str]
):
    await manuscript.welcome(percy, "WRITER")  # pyright: ignore[reportArgumentType]
    path = f"/api/projects/{manuscript.project['id']}/books"
    await percy.made(path, {"title": "B"}, headers=key)
    member = f"/api/projects/{manuscript.project['id']}/members/{percy.id}"
    await mary.ask("DELETE", member)

    assert is_problem(await percy.post(path, {"title": "B"}, headers=key), 404, "NOT_FOUND")
