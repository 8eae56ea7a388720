"""kill -9 between any two steps of a job: nothing is visible in half, and the next one goes on.

The only replica of events dies at one step after the other, each time going on from what the last
one left; then collab dies while texts are under way.
"""

import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from libs.postgres import Pool, connect
from libs.tasks.failpoints import CRASH
from tests.gateway.support import Json, Manuscript, Person
from tests.support.stack import TEST_LIMITS
from tests.support.waiting import until
from tools.stack import Stack
from tools.stack.part import Spec

STEPS = (
    "workspaces.taken",
    "workspaces.reading",
    "workspaces.read",
    "workspaces.writing",
    "workspaces.written",
    "workspaces.copying",
    "workspaces.copied",
    "workspaces.claimed",
    "workspaces.finishing",
    "workspaces.finished",
)
SOME_STEPS = ("workspaces.written", "workspaces.finished")
DYING = "events-1"
DEATH_WAIT_S = 60.0
SCENES = 10
DIARY = b"It was on a dreary night of November."


class Frail(Stack):
    """A stack whose parts can be given another environment for their next start."""

    def __init__(self, folder: Path) -> None:
        self.environments: dict[str, dict[str, str]] = {}
        super().__init__(
            folder / "data",
            replicas={"events": 1, "collab": 1, "blobs": 1, "gateway": 1},
            environment=TEST_LIMITS,
            log_format="json",
        )

    def _describe(self, service: str, number: int) -> Spec:
        spec = super()._describe(service, number)
        self.environments[spec.name] = dict(spec.environment)
        return replace(spec, environment=self.environments[spec.name])

    async def start_dying_at(self, step: str | None) -> None:
        """Start the one that dies, to die at *step*."""
        told = self.environments[DYING]
        told.pop(CRASH, None)
        if step:
            told[CRASH] = step
        self.release(DYING)
        await self.wait_ready(DYING, DEATH_WAIT_S)
        self.hold(DYING)

    async def fell(self) -> None:
        self.hold(DYING)
        self.kill(DYING)
        await self.wait_ended(DYING, DEATH_WAIT_S)


@pytest.fixture(scope="module")
async def frail(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Frail]:
    async with Frail(tmp_path_factory.mktemp("frail")) as running:
        yield running


@pytest.fixture(scope="module")
async def behind(frail: Frail) -> AsyncIterator[Pool]:
    """The database of events as its owner."""
    url = frail.postgres_url("events", "events_owner")
    opened = await connect(url, application="tests-behind", size_max=2)
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
async def mary(frail: Frail) -> AsyncIterator[Person]:
    async with httpx.AsyncClient(base_url=frail.gateways[0], timeout=30) as http:
        yield await Person.register(http, "Mary")


async def novel(mary: Person) -> Manuscript:
    """Scenes with texts, and a note with a file."""
    manuscript = await Manuscript.begin(mary)
    path = f"/api/projects/{manuscript.project['id']}/entities"
    note = await mary.made(path, {"type": "note", "name": "Diary"})
    answer = await mary.ask("PUT", f"/api/entities/{note['id']}/file", content=DIARY)
    assert answer.status_code == 200, answer.text
    scenes = [manuscript.scene]
    for number in range(1, SCENES):
        path = f"/api/chapters/{manuscript.chapter['id']}/scenes"
        scenes.append(await mary.made(path, {"title": str(number)}))
    for number, scene in enumerate(scenes):
        body = {"format": "text", "content": f"Text of {number}"}
        answer = await mary.ask("PUT", f"/api/scenes/{scene['id']}/content", json=body)
        assert answer.status_code == 200
    return manuscript


async def texts(mary: Person, project_id: str) -> list[str]:
    """The texts of a project, as its export has them."""
    answer = await mary.get(f"/api/projects/{project_id}/export")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return [archive.read(n).decode() for n in archive.namelist() if n.endswith(".md")]


async def ended(mary: Person, job_id: str) -> Json:
    async def look() -> Json | None:
        job = (await mary.get(f"/api/jobs/{job_id}")).json()
        return None if job.get("status", "running") == "running" else job

    return await until(look)


async def visible(behind: Pool, job: Json) -> dict[str, int]:
    """How much of a copy there is, in any table that says something about it."""
    found: dict[str, int] = {}
    project_id = UUID(job["projectId"])
    for table in ("events", "aggregates", "scenes", "bundles", "members"):
        query = f"SELECT count(*) FROM {table} WHERE project_id = $1"
        found[table] = await behind.fetchval(query, project_id) or 0
    query = "SELECT count(*) FROM outbox WHERE payload ->> 'projectId' = $1"
    found["outbox"] = await behind.fetchval(query, str(project_id)) or 0
    return found


@pytest.mark.parametrize(
    "steps", [SOME_STEPS, pytest.param(STEPS, marks=pytest.mark.long)], ids=["some", "all"]
)
async def test_killed_at_steps_of_a_clone(
    frail: Frail, behind: Pool, mary: Person, steps: tuple[str, ...]
) -> None:
    """Nothing of it is there before all of it is, and then it is there once."""
    manuscript = await novel(mary)
    expected = await texts(mary, manuscript.project["id"])
    await frail.fell()
    # It dies as soon as it works, so it has to come up before it is asked.
    await frail.start_dying_at(steps[0])
    answer = await mary.post(f"/api/projects/{manuscript.project['id']}/clone", {})
    job: Json = answer.json()
    seen: list[dict[str, int]] = []
    for step in steps:
        if step != steps[0]:
            await _release_to_die(frail, behind, step)
        await frail.wait_ended(DYING, DEATH_WAIT_S)
        seen.append(await visible(behind, job))
    await frail.start_dying_at(None)
    done = await ended(mary, job["id"])

    things = SCENES + 2 + 2 + 2
    assert [set(each.values()) for each in seen[:-1]] == [{0}] * (len(steps) - 1)
    assert (done["status"], done["error"]) == ("done", None)
    whole = await visible(behind, job)
    assert (whole["events"], whole["scenes"], whole["bundles"]) == (things, SCENES, 1)
    assert seen[-1] == whole
    assert await texts(mary, done["projectId"]) == expected
    assert len(expected) == SCENES
    assert await behind.fetchval("SELECT count(*) FROM packages") == 0
    (note,) = (await mary.get(f"/api/projects/{done['projectId']}/entities")).json()["items"]
    assert (await mary.get(f"/api/entities/{note['id']}/file")).content == DIARY


async def _release_to_die(frail: Frail, behind: Pool, step: str) -> None:
    """Start it again, to go on with the job that is due at once and die at *step*."""
    await behind.execute("UPDATE workspace_jobs SET due_at = now() WHERE status = 'running'")
    told = frail.environments[DYING]
    told[CRASH] = step
    frail.release(DYING)

    async def born() -> bool:
        return frail.pid(DYING) is not None

    await until(born)
    frail.hold(DYING)


async def test_collab_dies_while_texts_are_under_way(
    frail: Frail, behind: Pool, mary: Person
) -> None:
    """The job waits for the next one and goes on."""
    manuscript = await novel(mary)
    expected = await texts(mary, manuscript.project["id"])
    frail.hold("collab-1")
    frail.kill("collab-1")
    await frail.wait_ended("collab-1")
    answer = await mary.post(f"/api/projects/{manuscript.project['id']}/clone", {})
    job: Json = answer.json()
    tries = "SELECT tries FROM workspace_jobs WHERE job_id = $1"

    async def tried() -> bool:
        return (await behind.fetchval(tries, UUID(job["id"])) or 0) >= 2

    await until(tried)
    assert set((await visible(behind, job)).values()) == {0}
    frail.release("collab-1")
    await frail.wait_ready("collab-1")

    done = await ended(mary, job["id"])

    assert done["status"] == "done"
    assert await texts(mary, done["projectId"]) == expected


async def test_an_export_that_is_cut_short_is_no_zip_file(frail: Frail, mary: Person) -> None:
    """Its client notices, by the transfer and by the file."""
    manuscript = await novel(mary)
    frail.hold("collab-1")
    frail.kill("collab-1")
    await frail.wait_ended("collab-1")
    got: Any = b""
    try:
        with pytest.raises(httpx.RemoteProtocolError):
            async with mary.http.stream(
                "GET",
                f"/api/projects/{manuscript.project['id']}/export",
                headers={"Authorization": f"Bearer {mary.access_token}"},
            ) as answer:
                assert answer.status_code == 200
                async for part in answer.aiter_bytes():
                    got += part
    finally:
        frail.release("collab-1")
        await frail.wait_ready("collab-1")

    assert got.startswith(b"PK")
    assert not zipfile.is_zipfile(io.BytesIO(got))
