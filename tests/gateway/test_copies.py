"""What is copied from one project to another is allowed in both, now, by the role and the token."""

import httpx
import pytest

from libs.contracts.actor import Role
from tests.gateway.exchange import done
from tests.gateway.support import Json, Manuscript, Person, is_problem


@pytest.fixture
async def things(mary: Person, manuscript: Manuscript) -> Json:
    """Something in Mary's project that can be copied."""
    path = f"/api/projects/{manuscript.project['id']}/entities"
    hero = await mary.made(path, {"type": "character", "name": "Victor"})
    return {"things": [{"kind": "entity", "id": hero["id"]}]}


async def save(who: Person, manuscript: Manuscript, things: Json) -> httpx.Response:
    return await who.post(f"/api/projects/{manuscript.project['id']}/save-to-library", things)


async def library(who: Person) -> str:
    return (await who.get("/api/library")).json()["projectId"]


async def entities(who: Person, project_id: str) -> list[str]:
    answer = await who.get(f"/api/projects/{project_id}/entities")
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["items"]]


async def test_a_token_that_reads_writes_into_no_library(
    mary: Person, percy: Person, manuscript: Manuscript, things: Json
):
    """Nor does it make one; the person themselves may, though they only read the project."""
    await manuscript.welcome(percy, Role.READER)
    for who in (mary, percy):
        reader = await who.with_scopes("read")
        assert is_problem(await save(reader, manuscript, things), 403, "FORBIDDEN")
        assert is_problem(await reader.get("/api/library"), 403, "FORBIDDEN")
        shelf = await library(who)
        assert is_problem(await save(reader, manuscript, things), 403, "FORBIDDEN")
        assert await entities(who, shelf) == []
        for able in (who, await who.with_scopes("write")):
            assert (await save(able, manuscript, things)).status_code == 200
        back = f"/api/projects/{manuscript.project['id']}/import-from-library"
        assert is_problem(await reader.post(back, things), 403, "FORBIDDEN")


async def test_a_library_counts_as_it_is_now(
    mary: Person, percy: Person, manuscript: Manuscript, things: Json
):
    """Whoever gave it away, and only reads it or has left it, does not write into it."""
    shelf = await library(mary)
    members = f"/api/projects/{shelf}/members"
    assert (await save(mary, manuscript, things)).status_code == 200
    given = await mary.ask("PUT", f"{members}/{percy.id}", json={"role": "OWNER"})
    assert given.status_code == 200, given.text
    lowered = await percy.ask("PUT", f"{members}/{mary.id}", json={"role": "READER"})
    assert lowered.status_code == 200, lowered.text

    assert is_problem(await save(mary, manuscript, things), 403, "FORBIDDEN")
    assert await entities(percy, shelf) == ["Victor"]

    assert (await mary.ask("DELETE", f"{members}/{mary.id}")).status_code == 204
    own = await library(mary)
    assert own != shelf
    assert (await save(mary, manuscript, things)).status_code == 200
    assert await entities(mary, own) == ["Victor"]
    assert await entities(percy, shelf) == ["Victor"]


async def test_an_archived_library_is_only_read(mary: Person, manuscript: Manuscript, things: Json):
    shelf = await library(mary)
    assert (await save(mary, manuscript, things)).status_code == 200
    kept = (await mary.get(f"/api/projects/{shelf}/entities")).json()["items"][0]
    archived = await mary.post(f"/api/projects/{shelf}/archive")
    assert archived.is_success, archived.text

    assert is_problem(await save(mary, manuscript, things), 409, "PROJECT_ARCHIVED")
    back = {"things": [{"kind": "entity", "id": kept["id"]}]}
    path = f"/api/projects/{manuscript.project['id']}/import-from-library"
    assert (await mary.post(path, back)).status_code == 200


async def test_a_shared_template_is_for_those_who_are_in_the_project_now(
    mary: Person, percy: Person, manuscript: Manuscript
):
    """Neither for who was in it when it was shared, nor of a project that is deleted."""
    await manuscript.welcome(percy, Role.READER)
    project = f"/api/projects/{manuscript.project['id']}"
    body = {"name": "Beginnings", "shared": True}
    job = await done(mary, await mary.post(f"{project}/templates", body))
    template = f"/api/templates/{job['templateId']}"
    reader = await percy.with_scopes("read")
    assert (await reader.get(template)).status_code == 200
    assert is_problem(await reader.post(f"{template}/projects", {}), 403, "FORBIDDEN")
    assert (await percy.post(f"{template}/projects", {})).status_code == 202

    version = (await mary.get(project)).json()["version"]
    gone = await mary.ask("DELETE", project, params={"baseVersion": version})
    assert gone.status_code == 204, gone.text
    assert is_problem(await percy.get(template), 404, "NOT_FOUND")
    assert is_problem(await percy.post(f"{template}/projects", {}), 404, "NOT_FOUND")
    assert (await percy.get("/api/templates")).json()["items"] == []
    assert (await mary.get(template)).status_code == 200

    assert (await mary.post(f"{project}/restore")).is_success
    assert (await percy.get(template)).status_code == 200
    out = await mary.ask("DELETE", f"{project}/members/{percy.id}")
    assert out.status_code == 204
    assert is_problem(await percy.post(f"{template}/projects", {}), 404, "NOT_FOUND")
