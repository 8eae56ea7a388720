"""Connections cut at any byte and services killed at any step: nothing is half done."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest

from libs.contracts.events.sync import Pulled
from libs.contracts.ids import new_id
from tests.events.bundling import create, put
from tests.events.syncing import Copy, checkpoint
from tests.gateway.cutting import Cut, cutting_proxy
from tests.gateway.support import Json, Manuscript, Person
from tests.support.stack import real_stack
from tests.support.waiting import until
from tools.stack import Stack

SEED = 20261
CHECKPOINTS = 25
OPERATIONS = 8
KILLS = 2
PARTS = 3
PART_OPERATIONS = 100


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Parts that are killed come back by themselves; no text is written here, so one collab."""
    replicas = {"events": 1, "collab": 1, "gateway": 1}
    async with real_stack(tmp_path_factory.mktemp("stack"), replicas=replicas) as running:
        yield running


@pytest.fixture(scope="module")
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack.url, timeout=15) as client:
        yield client


async def insist(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """Ask again until there is an answer that is not "try again"."""
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await ask()
            except httpx.TransportError:
                continue
            if answer.status_code != 503:
                return answer
            await asyncio.sleep(0.05)


class CutPeer:
    """A peer whose every connection ends after a random number of bytes."""

    def __init__(self, person: Person, base: str, project_id: str) -> None:
        self.session_id = new_id()
        self.breaks = 0
        self._person = person
        self._base = base
        self._path = f"/api/projects/{project_id}/sync"

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request on a connection of its own."""
        headers = {"Authorization": f"Bearer {self._person.access_token}"}
        async with httpx.AsyncClient(base_url=self._base, timeout=15) as client:
            return await client.request(method, self._path + path, headers=headers, **more)

    async def push(self, bodies: list[Json]) -> None:
        """Bring all checkpoints, going on after the last one that arrived."""
        last = 0
        while last < len(bodies):
            try:
                answer = await self.ask("POST", "/push", json=bodies[last])
            except httpx.TransportError:
                self.breaks += 1
                resumed = await insist(lambda: self.ask("GET", f"/sessions/{self.session_id}"))
                last = resumed.json()["lastCheckpoint"]
                continue
            assert answer.status_code == 200, answer.text
            assert {each["status"] for each in answer.json()["results"]} == {"applied"}
            last = answer.json()["lastCheckpoint"]

    async def pull(self, copy: Copy) -> None:
        """Fetch all there is; a page that did not arrive whole is fetched again."""
        more = True
        while more:
            params = {} if copy.after is None else {"after": copy.after}
            try:
                answer = await self.ask("GET", "/pull", params=params)
            except httpx.TransportError:
                self.breaks += 1
                continue
            assert answer.status_code == 200, answer.text
            pulled = Pulled.model_validate_json(answer.content)
            copy.take(pulled)
            more = pulled.more


async def test_a_peer_whose_connection_is_cut_at_any_byte_ends_up_equal(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    """Each push and pull may break anywhere, going and coming; both sides agree in the end."""
    dice = random.Random(SEED)
    mary = await Person.register(http, "Mary")
    manuscript = await Manuscript.begin(mary)
    chapter = manuscript.chapter["id"]
    target = urlsplit(stack.url).port
    assert target

    def cut() -> Cut:
        match dice.randrange(3):
            case 0:
                return Cut(sent=dice.randrange(1, 5_000))
            case 1:
                return Cut(received=dice.randrange(1, 3_000))
            case _:
                return Cut()

    async with cutting_proxy(target, cut) as base:
        peer = CutPeer(mary, base, manuscript.project["id"])
        bodies: list[Json] = []
        wanted: dict[str, str] = {}
        for number in range(1, CHECKPOINTS + 1):
            operations: list[Json] = []
            for _ in range(OPERATIONS // 2):
                scene = str(new_id())
                wanted[scene] = f"{dice.random()}"
                operations.append(create("scene", scene, chapter, title="first"))
                operations.append(put("scene", scene, "title", wanted[scene], oldValue="first"))
            bodies.append(checkpoint(peer.session_id, number, *operations))
        await peer.push(bodies)
        copy = Copy()

        async def all_there() -> bool:
            await peer.pull(copy)
            return all(UUID(scene) in copy.rows for scene in wanted)

        await until(all_there, 60)

    pushed = {each["id"] for body in bodies for each in body["operations"]}
    assert peer.breaks > CHECKPOINTS / 4
    assert pushed <= {str(each) for each in copy.ids}
    assert len(copy.ids) == len(set(copy.ids))
    items = (await mary.get(f"/api/chapters/{chapter}/scenes?limit=500")).json()["items"]
    assert {each["id"]: each["title"] for each in items if each["title"] != "Ice"} == wanted
    for each in items:
        row = copy.rows[UUID(each["id"])]
        assert row and (row["title"], row["version"]) == (each["title"], each["version"])


@pytest.mark.long
async def test_a_job_that_dies_at_any_step_is_one_bundle_or_nothing(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    """The service is killed while parts are staged and while they are committed."""
    dice = random.Random(SEED)
    mary = await Person.register(http, "Mary")
    manuscript = await Manuscript.begin(mary)
    project = f"/api/projects/{manuscript.project['id']}"
    (part,) = [each for each in stack.parts if each.startswith("events")]

    async def visible(chapter: str) -> int:
        answer = await insist(lambda: mary.get(f"/api/chapters/{chapter}/scenes?limit=500"))
        return len(answer.json()["items"])

    async def killed(ask: Callable[[], Awaitable[httpx.Response]]) -> None:
        """Ask, and kill the service while it works on it; its answer may never come."""
        asked = asyncio.create_task(insist(ask))
        await asyncio.sleep(dice.random() * 0.12)
        stack.kill(part)
        await stack.wait_ready(part)
        answer = await asked
        assert answer.status_code == 200, answer.text

    for kill in range(KILLS):
        chapter = (
            await insist(
                lambda: mary.post(f"/api/books/{manuscript.book['id']}/chapters", {"title": "J"})
            )
        ).json()["id"]
        job = f"{project}/jobs/{new_id()}"
        for number in range(1, PARTS + 1):
            body = {
                "part": number,
                "operations": [
                    create("scene", new_id(), chapter, title="by a job")
                    for _ in range(PART_OPERATIONS)
                ],
            }

            async def stage(body: Json = body, job: str = job) -> httpx.Response:
                return await mary.post(f"{job}/operations", body)

            if kill % 2 and number == 2:
                await killed(stage)
            else:
                assert (await insist(stage)).status_code == 200
            assert await visible(chapter) == 0

        async def commit(job: str = job) -> httpx.Response:
            return await mary.post(f"{job}/commit", {"parts": PARTS})

        if kill % 2:
            assert (await insist(commit)).status_code == 200
        else:
            await killed(commit)
        assert await visible(chapter) == PARTS * PART_OPERATIONS
        again = (await insist(commit)).json()["bundle"]
        assert again["operations"] == PARTS * PART_OPERATIONS

    listed = (await mary.get(f"{project}/bundles?type=job_output&limit=500")).json()["items"]
    assert len(listed) == KILLS


async def test_a_job_killed_before_its_commit_leaves_nothing(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    """What was staged survives the service, and is dropped when the job is."""
    mary = await Person.register(http, "Mary")
    manuscript = await Manuscript.begin(mary)
    project = f"/api/projects/{manuscript.project['id']}"
    job = f"{project}/jobs/{new_id()}"
    body = {"part": 1, "operations": [create("scene", new_id(), manuscript.chapter["id"])]}
    assert (await mary.post(f"{job}/operations", body)).status_code == 200
    before = (await mary.get(f"{project}/bundles")).json()
    (part,) = [each for each in stack.parts if each.startswith("events")]

    stack.kill(part)
    await stack.wait_ready(part)

    assert (await insist(lambda: mary.get(f"{project}/bundles"))).json() == before
    assert (await insist(lambda: mary.ask("DELETE", job))).status_code == 204
    answer = await insist(lambda: mary.post(f"{job}/commit", {"parts": 1}))
    assert (answer.status_code, answer.json()["code"]) == (410, "GONE")
    scenes = (await mary.get(f"/api/chapters/{manuscript.chapter['id']}/scenes")).json()["items"]
    assert [each["title"] for each in scenes] == ["Ice"]
