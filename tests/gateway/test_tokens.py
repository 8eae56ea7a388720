"""Personal access tokens: shown once, narrowed by scopes, gone when deleted."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.accounts.identity import Identity, Scope
from tests.gateway.support import Manuscript, Person, is_problem, some_id


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


async def test_a_token_makes_narrower_ones(mary: Person):
    """`admin` includes `write`, and that `read`."""
    admin = await mary.with_scopes("admin")

    for scopes in (["read"], ["write"], ["admin"], ["read", "write", "admin"]):
        body = {"name": "x", "scopes": scopes}
        assert (await admin.made("/api/tokens", body))["scopes"] == sorted(scopes)
    for scope in ("read", "write"):
        narrow = await mary.with_scopes(scope)
        refused = await narrow.post("/api/tokens", {"name": "x", "scopes": [scope]})
        assert is_problem(refused, 403, "FORBIDDEN")


def test_a_scope_is_granted_by_those_that_include_it():
    """The routes ask for `admin` already; this does not rely on it."""
    writer = Identity(some_id(), "", "", frozenset({"write"}))

    assert writer.may_grant([Scope.READ, Scope.WRITE])
    assert not writer.may_grant([Scope.READ, Scope.ADMIN])
    assert Identity(some_id(), "", "").may_grant(Scope)


async def test_a_token_makes_none_that_outlives_it(mary: Person):
    """Neither its time nor its deletion: what a thief made with it goes with it."""
    now = datetime.now(UTC)
    soon, later = ((now + timedelta(hours=each)).isoformat() for each in (1, 2))
    body = {"name": "x", "scopes": ["admin"], "expiresAt": soon}
    made = await mary.made("/api/tokens", body)
    maker = Person(mary.http, mary.id, "", made["token"], "")

    endless = await maker.made("/api/tokens", {"name": "x", "scopes": ["admin"]})
    assert endless["expiresAt"] == made["expiresAt"]
    refused = await maker.post("/api/tokens", {**body, "expiresAt": later})
    assert is_problem(refused, 403, "FORBIDDEN")
    heir = Person(mary.http, mary.id, "", endless["token"], "")
    last = await heir.made("/api/tokens", {"name": "x", "scopes": ["read"]})

    assert (await mary.ask("DELETE", f"/api/tokens/{made['id']}")).status_code == 204
    for token in (made, endless, last):
        gone = Person(mary.http, mary.id, "", token["token"], "")
        assert is_problem(await gone.get("/api/me"), 401, "UNAUTHENTICATED")
    assert (await mary.get("/api/tokens")).json()["items"] == []


@pytest.mark.parametrize(
    ("moment", "status"),
    [
        ("0001-01-01T00:00:00+14:00", 400),
        ("9999-12-31T23:59:59-14:00", 400),
        ("0001-01-01T00:00:00Z", 400),
        ("9999-12-31T23:59:59Z", 201),
        ("9999-12-31T23:59:59.999999Z", 201),
        ("9999-12-31T23:59:59+14:00", 201),
        ("2099-01-01T00:00:00", 400),
        ("10000-01-01T00:00:00Z", 400),
    ],
)
async def test_a_token_ends_at_any_time_there_is(mary: Person, moment: str, status: int):
    body = {"name": "x", "scopes": ["write"], "expiresAt": moment}
    made = await mary.post("/api/tokens", body)

    assert made.status_code == status, made.text
    if status == 201:
        token = Person(mary.http, mary.id, "", made.json()["token"], "")
        assert (await token.get("/api/me")).status_code == 200
        assert (await mary.get("/api/tokens")).status_code == 200


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
