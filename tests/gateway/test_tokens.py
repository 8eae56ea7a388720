"""Personal access tokens: shown once, narrowed by scopes, gone when deleted."""

import asyncio
from datetime import UTC, datetime, timedelta

from tests.gateway.support import Manuscript, Person, is_problem


async def test_the_secret_is_shown_once(mary: Person):
    made = await mary.made("/api/tokens", {"name": "script", "scopes": ["read"]})
    listed = (await mary.get("/api/tokens")).json()["items"]
    one = (await mary.get(f"/api/tokens/{made['id']}")).json()

    assert made["token"].startswith("scp_")
    assert listed == [one]
    assert "token" not in one


async def test_it_works_until_deleted(mary: Person):
    robot = await mary.with_scopes("read")
    assert (await robot.get("/api/me")).json()["id"] == mary.id
    token = (await mary.get("/api/tokens")).json()["items"][0]

    assert token["lastUsedAt"] is not None
    assert (await mary.ask("DELETE", f"/api/tokens/{token['id']}")).status_code == 204
    assert is_problem(await robot.get("/api/me"), 401, "UNAUTHENTICATED")


async def test_it_expires(mary: Person):
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    body = {"name": "brief", "scopes": ["read"], "expiresAt": soon}
    token = await mary.made("/api/tokens", body)
    robot = Person(mary.http, mary.id, "", token["token"], "")
    assert (await robot.get("/api/me")).status_code == 200
    await asyncio.sleep(1.1)

    assert (await robot.get("/api/me")).status_code == 401
    body["expiresAt"] = "2020-01-01T00:00:00Z"
    assert is_problem(await mary.post("/api/tokens", body), 400, "VALIDATION_FAILED")


async def test_scopes_narrow_what_the_person_may(manuscript: Manuscript, mary: Person):
    project = f"/api/projects/{manuscript.project['id']}"
    reader, writer = await mary.with_scopes("read"), await mary.with_scopes("write")
    admin = await mary.with_scopes("admin")

    for each in (reader, writer, admin):
        assert (await each.get(project)).status_code == 200
    book = {"title": "B"}
    assert is_problem(await reader.post(f"{project}/books", book), 403, "FORBIDDEN")
    assert is_problem(await reader.post("/api/projects", {"name": "P"}), 403, "FORBIDDEN")
    assert (await writer.post(f"{project}/books", book)).status_code == 201
    version = {"baseVersion": 1}
    assert is_problem(await writer.ask("DELETE", project, params=version), 403, "FORBIDDEN")
    assert is_problem(await writer.get("/api/tokens"), 403, "FORBIDDEN")
    assert (await admin.ask("DELETE", project, params=version)).status_code == 204


async def test_a_token_cannot_make_a_mightier_one(mary: Person):
    admin = await mary.with_scopes("admin")

    refused = await admin.post("/api/tokens", {"name": "x", "scopes": ["write", "admin"]})

    assert is_problem(refused, 403, "FORBIDDEN")
    assert (await admin.post("/api/tokens", {"name": "x", "scopes": ["admin"]})).is_success


async def test_tokens_of_others_do_not_exist(mary: Person, percy: Person):
    token = await mary.made("/api/tokens", {"name": "x", "scopes": ["read"]})

    for method in ("GET", "DELETE"):
        answer = await percy.ask(method, f"/api/tokens/{token['id']}")
        assert is_problem(answer, 404, "NOT_FOUND")


async def test_the_list_comes_in_pages(mary: Person):
    made = [
        (await mary.made("/api/tokens", {"name": str(n), "scopes": ["read"]}))["id"]
        for n in range(5)
    ]
    seen: list[str] = []
    cursor = None
    while cursor is not None or not seen:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await mary.get("/api/tokens", params=params)).json()
        seen += [each["id"] for each in page["items"]]
        cursor = page["nextCursor"]

    assert seen == made
    bad = await mary.get("/api/tokens", params={"cursor": "~"})
    assert is_problem(bad, 400, "VALIDATION_FAILED")
