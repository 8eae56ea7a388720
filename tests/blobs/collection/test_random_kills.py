"""Parts, killed at random while people upload, refer, let go, read, and bytes are collected.

The schedule of kills and of what people do is drawn from a seed.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import httpx
import pytest

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.blobs import operations as c
from libs.contracts.blobs import transfers as b
from libs.contracts.ids import new_id
from tests.blobs.collection.processes import HASTY, Mortal, hands
from tests.blobs.collection.support import DAY, Desk, check
from tests.blobs.support import Desk as Client
from tests.blobs.support import sha256, text
from tests.gateway.support import Person

REPLICAS = ("blobs-1", "blobs-2")
PATHS, ENTITIES, UPLOADERS, READERS = 4, 3, 2, 2
CONTENTS = 24
ASK_S = 3.0
SETTLE_S = 90.0
PIECE_BYTES = 100_000
PAUSE_S = 0.02
HASTIER = {**HASTY, "SCRIPTORIUM_RETENTION_ATTACHMENT_S": "2"}


class Lost(Exception):
    """An answer did not come: it was done or it was not."""


@contextmanager
def losing() -> Generator[None]:
    try:
        yield
    except (errors.Unavailable, errors.DeadlineExceeded, httpx.TransportError) as error:
        raise Lost from error


@dataclass(eq=False)
class Held:
    """Something refers to these bytes, as somebody was told."""

    sha256: str


@dataclass
class Crowd:
    """People in one project, and what they know."""

    desk: Desk
    client: Client
    seed: int
    held: dict[str, Held] = field(default_factory=dict[str, Held])
    done: Counter[str] = field(default_factory=Counter[str])
    over: bool = False

    def __post_init__(self) -> None:
        draw = Random(self.seed)
        sizes = [0, 1, 100_000, 1_200_000, *(draw.randint(1, 60_000) for _ in range(CONTENTS - 4))]
        self.contents = [
            text(size) if number % 2 else draw.randbytes(size) for number, size in enumerate(sizes)
        ]

    async def work(self) -> None:
        """Do things until it is over; raises what must never happen."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(PATHS):
                tasks.create_task(self._keep_path(f"project/{number}"))
            for number in range(ENTITIES):
                tasks.create_task(self._keep_entity(number))
            for number in range(UPLOADERS):
                tasks.create_task(self._keep_uploading(number))
            for number in range(READERS):
                tasks.create_task(self._keep_reading(number))

    async def upload(self, content: bytes, *, resumable: bool) -> str:
        """Upload until it is there, under one id, as clients do."""
        upload_id = new_id()
        while True:
            try:
                with losing():
                    begun = await self.client.begin(
                        upload_id=upload_id, resumable=resumable, size=len(content)
                    )
                    if begun.upload.blob is None:
                        await self._send(begun, content, resumable=resumable)
                        continue
            except Lost:
                self.done["lost"] += 1
                await asyncio.sleep(PAUSE_S)
                continue
            assert begun.upload.blob.sha256 == sha256(content)
            self.done["uploaded"] += 1
            return begun.upload.blob.sha256

    async def _send(self, begun: b.Begun, content: bytes, *, resumable: bool) -> None:
        assert begun.ticket
        if resumable:
            start = begun.upload.offset
            piece = content[start : start + PIECE_BYTES]
            answer = await self.client.patch(begun.ticket, start, piece)
        else:
            answer = await self.client.send(begun.ticket, content)
        if answer.status_code in {503, 409}:
            raise Lost
        assert answer.status_code == 200, answer.text

    async def _keep_path(self, path: str) -> None:
        draw, now, version = Random(f"{self.seed} {path}"), None, 0
        while not self.over:
            goal: str | None = None
            if now is None or draw.random() < 0.6:
                goal = await self.upload(draw.choice(self.contents), resumable=False)
            self.held.pop(path, None)
            try:
                with losing():
                    found = await self._point(path, goal, version)
                now, version = goal, found.version
            except errors.BlobUnavailable:
                # Nothing referred to it since it was uploaded, and the waits are short here.
                self.done["too late"] += 1
            except Lost:
                self.done["lost"] += 1
                told, version = await self._insist(lambda: self._what(path))
                assert told in {now, goal}, f"{path} points at what nobody asked for"
                now = told
            except errors.ConcurrencyConflict:
                # The lost one came later than the look.
                now, version = await self._insist(lambda: self._what(path))
            if now is not None:
                self.held[path] = Held(now)
            await asyncio.sleep(draw.random() / 3)

    async def _point(self, path: str, goal: str | None, version: int) -> b.BlobPath:
        if goal is None:
            gone = b.DeletePath(path=path, base_version=version)
            return await self.client.ask(b.DELETE_PATH, gone, deadline_s=ASK_S)
        put = b.PutPath(path=path, sha256=goal, base_version=version)
        found = await self.client.ask(b.PUT_PATH, put, deadline_s=ASK_S)
        self.done["pointed"] += 1
        return found

    async def _what(self, path: str) -> tuple[str | None, int]:
        question = b.PathHistory(path=path, limit=1)
        page: b.Paths = await self.client.ask(b.PATH_HISTORY, question, deadline_s=ASK_S)
        return (page.paths[0].sha256, page.paths[0].version) if page.paths else (None, 0)

    async def _keep_entity(self, number: int) -> None:
        draw, name = Random(f"{self.seed} entity {number}"), f"entity {number}"
        entity = await self._insist(self.desk.entity)
        while not self.over:
            if name in self.held and draw.random() < 0.4:
                del self.held[name]
                await self._insist(lambda: self.desk.detach(entity))
                self.done["detached"] += 1
            else:
                digest = await self.upload(draw.choice(self.contents), resumable=False)
                # From the first try on it may have the new one, and the old one may go.
                had = self.held.pop(name, None)
                try:
                    await self._attach(entity, digest)
                except errors.BlobUnavailable:
                    self.done["too late"] += 1
                except Lost:
                    self.done["lost"] += 1
                else:
                    had = Held(digest)
                if had:
                    self.held[name] = had
            await asyncio.sleep(draw.random() / 3)

    async def _attach(self, entity: UUID, digest: str) -> None:
        claim = b.ClaimBlob(claim_id=new_id(), sha256=digest, source="entity", source_id=entity)
        with losing():
            await self.client.ask(b.CLAIM_BLOB, claim, deadline_s=ASK_S)
        # The claim holds, until then what it had before does.
        command = entity, digest, claim.claim_id, new_id()
        await self._insist(lambda: self.desk.attach(*command))
        self.done["attached"] += 1

    async def _keep_uploading(self, number: int) -> None:
        draw = Random(f"{self.seed} uploader {number}")
        while not self.over:
            await self.upload(draw.choice(self.contents), resumable=draw.random() < 0.5)
            await asyncio.sleep(draw.random() / 5)

    async def _keep_reading(self, number: int) -> None:
        draw = Random(f"{self.seed} reader {number}")
        while not self.over:
            await asyncio.sleep(PAUSE_S)
            if self.held:
                name = draw.choice(sorted(self.held))
                held = self.held[name]
                try:
                    await self.read(held.sha256)
                except Lost:
                    continue
                except errors.AppError:
                    assert self.held.get(name) is not held, f"{name} refers to nothing"

    async def read(self, digest: str) -> None:
        """Read a blob to its end."""
        with losing():
            answer = await self.client.read(digest)
        if answer.status_code == 503:
            raise Lost
        if answer.status_code in {404, 410}:
            raise errors.BlobUnavailable
        assert answer.status_code == 200, answer.text
        assert sha256(answer.content) == digest, "other bytes than were asked for"
        self.done["read"] += 1

    async def _insist[T](self, work: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                with losing():
                    return await work()
            except Lost:
                await asyncio.sleep(PAUSE_S)


async def visit(base_url: str, crowd: Crowd) -> None:
    """Send, name and fetch files as any client does, again until it is answered."""
    async with httpx.AsyncClient(base_url=base_url, timeout=20) as http:
        person = await Person.register(http)
        project = await person.made("/api/projects", {"name": "Visited"})
        place = f"/api/projects/{project['id']}"
        draw, named = Random(f"{crowd.seed} visitor"), dict[str, bytes]()

        async def ask(method: str, path: str, **more: Any) -> httpx.Response:
            while True:
                with suppress(httpx.TransportError):
                    answer = await person.ask(method, f"{place}/{path}", **more)
                    if answer.status_code != 503:
                        return answer
                crowd.done["visitor lost"] += 1
                await asyncio.sleep(PAUSE_S)

        while not crowd.over:
            content = draw.choice(crowd.contents)
            stored = await ask("POST", "blobs", content=content)
            assert stored.status_code in {200, 201}, stored.text
            path = f"path?path=project/{draw.randrange(PATHS)}"
            put = await ask("PUT", path, json={"sha256": sha256(content)})
            if put.status_code == 410:
                continue
            assert put.status_code in {200, 201}, put.text
            named[path.replace("path?", "path/content?")] = content
            for each, expected in named.items():
                answer = await ask("GET", each)
                assert (answer.status_code, answer.content) == (200, expected), each
            crowd.done["visited"] += 1


async def kill_at_random(
    stack: Mortal, crowd: Crowd, seconds: float, parts: Sequence[str] = REPLICAS
) -> None:
    """Kill one or all now and then; each is started again at once."""
    draw, clock = Random(f"{crowd.seed} kills"), asyncio.get_running_loop()
    end = clock.time() + seconds

    async def kill(part: str) -> None:
        stack.hold(part)
        stack.kill(part)
        await stack.wait_ended(part)
        crowd.done["killed"] += 1
        stack.release(part)
        await stack.wait_ready(part)

    while clock.time() < end:
        await asyncio.sleep(draw.uniform(0.2, 2.5))
        victims = parts if draw.random() < 0.2 else (draw.choice(parts),)
        await asyncio.gather(*(kill(part) for part in victims))
    crowd.over = True


async def settle(crowd: Crowd, *, hurry: bool) -> None:
    """Wait until all that is unreferenced is gone."""
    desk, owner = crowd.desk, crowd.desk.vault.owner
    project_id, needed = desk.project_id, {each.sha256 for each in crowd.held.values()}
    await owner.execute(
        "UPDATE uploads SET expires_at = now() WHERE project_id = $1 AND blob_sha256 IS NULL",
        project_id,
    )
    if hurry:
        # What a replica was told when it died is told again after 30 s, or when events is asked.
        await crowd.client.caller.ask(
            c.RECONCILE, c.Reconcile(project_id=project_id), Actor(user_id=new_id()), deadline_s=20
        )
    async with asyncio.timeout(SETTLE_S):
        while True:
            await desk.pass_time(DAY)
            rows = await owner.fetch(
                "SELECT sha256, state FROM blobs WHERE project_id = $1", project_id
            )
            kept = {row["sha256"] for row in rows if row["state"] != "collected"}
            assert needed <= kept
            if kept == needed and len(desk.vault.keys(project_id)) == len(needed):
                break
            await asyncio.sleep(0.2)
    assert {row["state"] for row in rows} <= {"live", "collected"}


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mortal]:
    replicas = {"events": 1, "blobs": 2}
    async with Mortal(tmp_path_factory.mktemp("kills"), replicas, HASTIER) as running:
        yield running


LONG_S = float(os.environ.get("SCRIPTORIUM_TEST_SECONDS", "180"))
SEED = int(os.environ.get("SCRIPTORIUM_TEST_SEED", "2"))


@pytest.mark.parametrize(
    ("seed", "seconds"),
    [
        pytest.param(1, 8, marks=pytest.mark.long),
        pytest.param(SEED, LONG_S, marks=[pytest.mark.long, pytest.mark.timeout(600)]),
    ],
)
async def test_killed_at_random(stack: Mortal, seed: int, seconds: float) -> None:
    """Every reference is to bytes at all times, and in the end nothing else is kept."""
    await ordeal(stack, seed, seconds, REPLICAS)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_everything_on_the_way_is_killed_at_random(tmp_path: Path) -> None:
    """Gateway and events die, too, while somebody comes in by the public door."""
    replicas = {"gateway": 1, "events": 1, "blobs": 2}
    async with Mortal(tmp_path, replicas, HASTIER) as stack:
        await ordeal(stack, SEED, LONG_S, (*REPLICAS, "gateway-1", "events-1"))


async def ordeal(stack: Mortal, seed: int, seconds: float, parts: Sequence[str]) -> None:
    async with hands(stack) as (desk, client):
        crowd = Crowd(desk, client, seed)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(crowd.work())
            tasks.create_task(kill_at_random(stack, crowd, seconds, parts))
            if "gateway-1" in parts:
                tasks.create_task(visit(stack.url, crowd))
        collected = await desk.vault.owner.fetchval(
            "SELECT count(*) FROM audit WHERE project_id = $1 AND action = 'collected'",
            desk.project_id,
        )
        print(f"{dict(crowd.done)}, {collected} collected, {len(crowd.held)} held")
        await settle(crowd, hurry=seconds < 60)

        await check(desk)
        for held in crowd.held.values():
            await crowd.read(held.sha256)
        assert collected, "there was nothing to get in the way of"
        assert min(crowd.done[each] for each in ("killed", "lost", "read", "attached")) > 0
