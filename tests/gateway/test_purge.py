"""Purging through the API, and what the whole system knows of it afterwards: nothing."""

import asyncio
from contextlib import AsyncExitStack

import asyncpg
import httpx

from libs.contracts.actor import Role
from tests.gateway.support import Json, Manuscript, Person, is_problem
from tests.support.waiting import until
from tests.support.yclient import YClient
from tools.stack import Stack

PURGE_S_MAX = 30.0
LOG = "SELECT count(*) FROM scene_versions WHERE scene_id = $1"


async def deleted(person: Person, path: str) -> str:
    """Delete something; returns the ETag of the version that is deleted."""
    tag = (await person.get(path)).headers["etag"]
    assert (await person.ask("DELETE", path, headers={"If-Match": tag})).status_code == 204
    version = int(tag.rpartition("v")[2].rstrip('"')) + 1
    return f'{tag.rpartition("v")[0]}v{version}"'


async def done(person: Person, answer: httpx.Response) -> Json:
    """Wait until a purge that was ordered is done; returns how it ended."""
    assert answer.status_code == 202, answer.text
    where = answer.headers["location"]

    async def ended() -> bool:
        return (await person.get(where)).json()["state"] == "done"

    await until(ended, PURGE_S_MAX)
    return (await person.get(where)).json()


async def test_a_scene_is_gone_everywhere(
    manuscript: Manuscript, mary: Person, stack: Stack, http2: httpx.AsyncClient
) -> None:
    """Text, history and snapshots go from collab, too; an open socket is closed, none comes in."""
    scene = manuscript.scene["id"]
    path = f"/api/scenes/{scene}"
    await mary.ask("PUT", f"{path}/content", json={"format": "text", "content": "Secret"})
    await mary.made(f"{path}/snapshots", {"name": "one"})
    await mary.made(f"{path}/branches", {"name": "other"})
    url = stack.gateways[1].replace("http", "ws")
    there = Person(http2, mary.id, mary.email, mary.access_token, "")
    collab = await asyncpg.connect(stack.postgres_url("collab", "postgres"))
    async with AsyncExitStack() as stays:
        stays.push_async_callback(collab.close)
        editor = await stays.enter_async_context(
            YClient(lambda: f"{url}/collab/{scene}?token={mary.access_token}")
        )
        assert await collab.fetchval(LOG, scene)
        tag = await deleted(mary, path)
        await editor.until(lambda: editor.closes != [])
        ordered = await mary.post(f"{path}/purge", headers={"If-Match": tag})
        end = await done(mary, ordered)

        async def erased() -> bool:
            return not await collab.fetchval(LOG, scene)

        await until(erased, PURGE_S_MAX)
        left = [
            await collab.fetchval(f"SELECT count(*) FROM {table} WHERE scene_id = $1", scene)
            for table in ("docs", "named_snapshots", "branches", "scene_snapshots")
        ]

    assert (end["kind"], end["targetId"], end["things"]) == ("scene", scene, 1)
    assert left == [0, 0, 0, 0]
    assert editor.closes[0][0] == 4404
    for person in (mary, there):
        for each in (path, f"{path}/content", f"{path}/history"):
            assert is_problem(await person.get(each), 404, "NOT_FOUND")
        assert is_problem(await person.post(f"{path}/restore"), 404, "NOT_FOUND")


async def test_it_has_to_be_deleted_and_its_version_named(
    manuscript: Manuscript, mary: Person, percy: Person
) -> None:
    """Nobody removes for ever by mistake; only owners may, and a retry orders nothing twice."""
    project = f"/api/projects/{manuscript.project['id']}"
    await manuscript.welcome(percy, Role.MAINTAINER)
    tag = (await mary.get(project)).headers["etag"]
    living = await mary.post(f"{project}/purge", headers={"If-Match": tag})
    deleted_tag = await deleted(mary, project)
    unnamed = await mary.post(f"{project}/purge")
    anything = await mary.post(f"{project}/purge", headers={"If-Match": "*"})
    old = await mary.post(f"{project}/purge", headers={"If-Match": tag})
    other = await percy.post(f"{project}/purge", headers={"If-Match": deleted_tag})
    again = {"If-Match": deleted_tag, "Idempotency-Key": "once"}
    first = await mary.post(f"{project}/purge", headers=again)
    second = await mary.post(f"{project}/purge", headers=again)
    restored = await mary.post(f"{project}/restore")
    end = await done(mary, first)
    third = await mary.post(f"{project}/purge", headers=again)

    assert is_problem(living, 409, "CONFLICT")
    assert is_problem(unnamed, 428, "PRECONDITION_REQUIRED")
    assert is_problem(anything, 428, "PRECONDITION_REQUIRED")
    assert is_problem(old, 412, "PRECONDITION_FAILED")
    assert is_problem(other, 403, "FORBIDDEN")
    assert first.json()["id"] == second.json()["id"] == end["id"]
    assert restored.status_code in (404, 410), restored.text
    assert is_problem(third, 404, "NOT_FOUND")
    for person in (mary, percy):
        assert is_problem(await person.get(project), 404, "NOT_FOUND")
    assert is_problem(await percy.get(first.headers["location"]), 404, "NOT_FOUND")
    assert manuscript.project["id"] not in (await mary.get("/api/projects")).text


async def test_purging_while_others_write(manuscript: Manuscript, mary: Person) -> None:
    """The other books of the project are written in all along, and nothing of them is lost."""
    project = f"/api/projects/{manuscript.project['id']}"
    book = await mary.made(f"{project}/books", {"title": "Stays"})
    stop = asyncio.Event()

    async def write() -> int:
        count = 0
        while not stop.is_set():
            await mary.made(f"/api/books/{book['id']}/chapters", {"title": f"{count}"})
            count += 1
        return count

    writing = asyncio.create_task(write())
    path = f"/api/books/{manuscript.book['id']}"
    end = await done(
        mary, await mary.post(f"{path}/purge", headers={"If-Match": await deleted(mary, path)})
    )
    stop.set()
    written = await writing

    assert end["things"] == 3
    page = await mary.get(f"/api/books/{book['id']}/chapters?limit=500")
    assert len(page.json()["items"]) == min(written, 500)
