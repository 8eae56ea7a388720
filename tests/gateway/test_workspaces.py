"""Projects as a whole over HTTP: what is copied opens, and stands by itself."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
from pycrdt import Doc

from libs.contracts.actor import Role
from tests.gateway.exchange import (
    RICH,
    done,
    exported,
    files_of,
    first_scene,
    novel,
    put_state,
    state_of,
)
from tests.gateway.support import Manuscript, Person, is_problem
from tests.support.yclient import YClient
from tools.stack import Stack

SECRET = "the name that was taken out again"


def address(stack: Stack, person: Person, scene_id: str, gateway: int = 0) -> Callable[[], str]:
    base = stack.gateways[gateway].replace("http", "ws", 1)
    return lambda: f"{base}/collab/{scene_id}?token={person.access_token}&acks=1"


async def test_real_clients_open_a_cloned_scene(
    stack: Stack, mary: Person, manuscript: Manuscript
) -> None:
    """It reads as the original did, has nothing of what was deleted, and goes its own way."""
    scene = manuscript.scene["id"]
    async with (
        YClient(address(stack, mary, scene), "one") as one,
        YClient(address(stack, mary, scene, 1), "two") as two,
    ):
        await one.wait_synced()
        await two.wait_synced()
        one.type("Walton sailed. " + SECRET)
        await two.until_reads("Walton sailed. " + SECRET)
        two.type("North. ", 0)
        await one.until_reads("North. Walton sailed. " + SECRET)
        del one.text[len("North. Walton sailed. ") :]
        one.publish()
        await two.until_reads("North. Walton sailed. ")
        await one.until(lambda: one.acked >= one.clock)
        answer = await mary.post(f"/api/projects/{manuscript.project['id']}/clone", {})
        job = await done(mary, answer)

        copy = (await first_scene(mary, job["projectId"]))["id"]
        async with (
            YClient(address(stack, mary, copy), "reader") as reader,
            YClient(address(stack, mary, copy, 1), "writer") as writer,
        ):
            await reader.until_reads("North. Walton sailed. ")
            await writer.until_reads("North. Walton sailed. ")
            assert reader.clocks() == one.clocks()
            writer.type("South. ", 0)
            await reader.until_reads("South. North. Walton sailed. ")
            one.type("East. ", 0)
            await two.until_reads("East. North. Walton sailed. ")

        assert str(one.text) == "East. North. Walton sailed. "
    assert copy != scene
    assert SECRET.encode() in await state_of(mary, scene)
    assert SECRET.encode() not in await state_of(mary, copy)


async def test_rich_layouts_survive(mary: Person, manuscript: Manuscript) -> None:
    """To the byte of the state, marks and attributes and all."""
    state = RICH
    await put_state(mary, manuscript.scene["id"], state)

    job = await done(mary, await mary.post(f"/api/projects/{manuscript.project['id']}/clone", {}))

    copy = (await first_scene(mary, job["projectId"]))["id"]
    old: Doc[Any] = Doc()
    new: Doc[Any] = Doc()
    old.apply_update(await state_of(mary, manuscript.scene["id"]))
    new.apply_update(await state_of(mary, copy))
    assert new.get_update() == old.get_update() == state
    for form in ("prosemirror", "blocks", "markdown"):
        query = {"format": form}
        one = await mary.get(f"/api/scenes/{manuscript.scene['id']}/content", params=query)
        other = await mary.get(f"/api/scenes/{copy}/content", params=query)
        assert other.text == one.text and one.status_code == 200
        assert other.headers["scriptorium-seq"] == "1"


async def test_who_may_clone_and_export(
    mary: Person, percy: Person, http: httpx.AsyncClient, manuscript: Manuscript
) -> None:
    """To clone takes a MAINTAINER; to export takes a READER; a stranger sees nothing."""
    project = manuscript.project["id"]
    stranger = await Person.register(http, "Claire")
    await manuscript.welcome(percy, Role.READER)

    assert is_problem(await percy.post(f"/api/projects/{project}/clone", {}), 403, "FORBIDDEN")
    body = {"name": "T"}
    assert is_problem(
        await percy.post(f"/api/projects/{project}/templates", body), 403, "FORBIDDEN"
    )
    assert files_of(await exported(percy, project))
    for path in (f"/api/projects/{project}/clone", f"/api/projects/{project}/templates"):
        assert is_problem(await stranger.post(path, body), 404, "NOT_FOUND")
    answer = await stranger.get(f"/api/projects/{project}/export")
    assert is_problem(answer, 404, "NOT_FOUND")
    reading = await mary.with_scopes("read")
    assert is_problem(await reading.post(f"/api/projects/{project}/clone", {}), 403, "FORBIDDEN")
    job = await done(mary, await mary.post(f"/api/projects/{project}/clone", {}))
    assert is_problem(await percy.get(f"/api/jobs/{job['id']}"), 404, "NOT_FOUND")
    assert is_problem(await percy.get(f"/api/projects/{job['projectId']}"), 404, "NOT_FOUND")
    members = (await mary.get(f"/api/projects/{job['projectId']}/members")).json()["items"]
    assert [(each["userId"], each["role"]) for each in members] == [(mary.id, "OWNER")]


async def test_a_retry_clones_once(mary: Person, manuscript: Manuscript) -> None:
    path, key = f"/api/projects/{manuscript.project['id']}/clone", {"Idempotency-Key": "k"}

    answers = [await mary.post(path, {"name": "Twice"}, headers=key) for _ in range(2)]
    jobs = [await done(mary, each) for each in answers]

    assert jobs[0] == jobs[1]
    named = [each["name"] for each in (await mary.get("/api/projects")).json()["items"]]
    assert named.count("Twice") == 1


async def test_templates_keep_their_texts(
    mary: Person, percy: Person, manuscript: Manuscript
) -> None:
    """Also when the project they come from is gone; members use shared ones."""
    await novel(mary, manuscript)
    await manuscript.welcome(percy, Role.READER)
    path = f"/api/projects/{manuscript.project['id']}/templates"
    body = {"name": "Gothic", "description": "Cold", "shared": True}
    job = await done(mary, await mary.post(path, body))
    template = f"/api/templates/{job['templateId']}"
    listed = (await percy.get("/api/templates")).json()["items"]
    theirs = await done(percy, await percy.post(f"{template}/projects", {"name": "Mine"}))
    assert is_problem(await percy.ask("DELETE", template), 403, "FORBIDDEN")
    address_of = f"/api/projects/{manuscript.project['id']}"
    tag = (await mary.get(address_of)).headers["etag"]
    gone = await mary.ask("DELETE", address_of, headers={"If-Match": tag})
    assert gone.status_code < 300, gone.text

    own = await done(mary, await mary.post(f"{template}/projects", {}))

    assert [each["name"] for each in listed] == ["Gothic"]
    assert listed[0]["kinds"]["scene"] == 3
    for person, made in ((percy, theirs), (mary, own)):
        scene = await first_scene(person, made["projectId"])
        assert await state_of(person, scene["id"]) == RICH
    assert (await mary.ask("DELETE", template)).status_code == 204
    assert is_problem(await mary.get(template), 404, "NOT_FOUND")


async def test_a_library(mary: Person, manuscript: Manuscript) -> None:
    """A project like any other, in no list; what is imported can be undone at once."""
    project = manuscript.project["id"]
    hero = await mary.made(
        f"/api/projects/{project}/entities", {"type": "character", "name": "Victor"}
    )
    things = {"things": [{"kind": "entity", "id": hero["id"]}]}
    saved = await mary.post(f"/api/projects/{project}/save-to-library", things)
    assert saved.status_code == 200, saved.text
    shelf = (await mary.get("/api/library")).json()["projectId"]
    kept = (await mary.get(f"/api/projects/{shelf}/entities")).json()["items"]
    other = await mary.made("/api/projects", {"name": "Other"})
    back = {"things": [{"kind": "entity", "id": kept[0]["id"]}]}

    answer = await mary.post(f"/api/projects/{other['id']}/import-from-library", back)

    assert answer.status_code == 200, answer.text
    assert answer.json()["bundle"]["type"] == "import"
    path = f"/api/projects/{other['id']}/entities"
    copies = (await mary.get(path)).json()["items"]
    assert [each["name"] for each in copies] == ["Victor"]
    assert len({hero["id"], kept[0]["id"], copies[0]["id"]}) == 3
    listed = (await mary.get("/api/projects")).json()["items"]
    assert shelf not in {each["id"] for each in listed}
    undone = await mary.post(f"/api/bundles/{answer.json()['bundle']['id']}/undo", {})
    assert undone.status_code == 200, undone.text
    assert (await mary.get(path)).json()["items"] == []


async def test_a_writer_imports_what_they_may_make(
    mary: Person, percy: Person, manuscript: Manuscript
) -> None:
    """A READER imports nothing; and nobody sees another one's library."""
    project = manuscript.project["id"]
    await manuscript.welcome(percy, Role.READER)
    hero = await mary.made(
        f"/api/projects/{project}/entities", {"type": "character", "name": "Victor"}
    )
    things = {"things": [{"kind": "entity", "id": hero["id"]}]}
    saved = await percy.post(f"/api/projects/{project}/save-to-library", things)
    assert saved.status_code == 200, saved.text
    shelf = (await percy.get("/api/library")).json()["projectId"]

    answer = await percy.post(f"/api/projects/{project}/import-from-library", things)

    assert is_problem(answer, 403, "FORBIDDEN")
    assert is_problem(await mary.get(f"/api/projects/{shelf}/entities"), 404, "NOT_FOUND")


async def test_many_at_once(mary: Person, manuscript: Manuscript) -> None:
    """Clones of one project at once: each whole, each with a slug of its own."""
    await novel(mary, manuscript)
    path = f"/api/projects/{manuscript.project['id']}/clone"

    answers = await asyncio.gather(*(mary.post(path, {}) for _ in range(4)))
    jobs = await asyncio.gather(*(done(mary, each) for each in answers))

    found = [(await mary.get(f"/api/projects/{each['projectId']}")).json() for each in jobs]
    assert len({each["slug"] for each in found}) == 4
    for each in jobs:
        scene = await first_scene(mary, each["projectId"])
        assert await state_of(mary, scene["id"]) == RICH
