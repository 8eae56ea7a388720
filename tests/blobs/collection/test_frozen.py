"""A writer is frozen between its upload and its reference, for longer than any grace period.

SIGSTOP a gateway, collect, SIGCONT: the reference is refused with a clear error, or the bytes are
there; never a reference to nothing. ANCHORS tells of those who lost bytes to this.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from libs.bus import Caller, connect_broker
from libs.contracts.actor import Actor
from services.blobs.storage.local import LocalStorage
from tests.blobs.collection.support import LONG, Desk, Vault, check
from tests.events.support import World
from tests.gateway.support import Json, Person, is_problem
from tests.support.breakable import BreakableStack
from tests.support.waiting import until

GATEWAY = "gateway-1"
WAIT_S = 30.0
HASTY = {"SCRIPTORIUM_COLLECTION_INTERVAL_S": "0.1", "SCRIPTORIUM_COLLECTION_DUTY": "1"}


@dataclass
class Scene:
    """A person at a gateway that can be frozen."""

    stack: BreakableStack
    person: Person
    desk: Desk
    frozen: asyncio.Event

    @property
    def project_id(self) -> UUID:
        return self.desk.project_id

    async def upload(self, content: bytes) -> str:
        path = f"/api/projects/{self.project_id}/blobs"
        answer = await self.person.ask("POST", path, content=content)
        assert answer.status_code == 201, answer.text
        return answer.json()["sha256"]

    async def entity(self) -> Json:
        path = f"/api/projects/{self.project_id}/entities"
        return await self.person.made(path, {"name": "Ishmael", "type": "character"})

    def freeze_between(self, claim: bytes) -> None:
        """Freeze the gateway when the answer to *claim* is on its way to it."""
        bridge, asked = self.stack.bridges[GATEWAY], asyncio.Event()

        def sees(data: bytes) -> bool:
            if claim in data:
                asked.set()
            return False

        def answers(_subject: str) -> bool:
            if asked.is_set() and not self.frozen.is_set():
                self.freeze()
            return False

        bridge.holds, bridge.loses = sees, answers

    def freeze_before(self, command: bytes) -> None:
        """Freeze the gateway when *command* has left it and reached nobody."""

        def sees(data: bytes) -> bool:
            if command in data and not self.frozen.is_set():
                self.freeze()
            return self.frozen.is_set()

        self.stack.bridges[GATEWAY].holds = sees

    def freeze(self) -> None:
        self.stack.freeze(GATEWAY)
        self.frozen.set()

    def thaw(self) -> None:
        self.stack.thaw(GATEWAY)
        bridge = self.stack.bridges[GATEWAY]
        bridge.loses = None
        bridge.let_go()

    async def until(self, sha256: str, *states: str) -> None:
        async def reached() -> bool:
            return await self.desk.state(sha256) in states

        await until(reached, WAIT_S)

    async def collect(self, sha256: str) -> None:
        """A whole collection by the real replicas, all its waits over."""
        await self.desk.pass_time(LONG)
        await self.until(sha256, "condemned")
        await self.desk.pass_time(timedelta(days=2))
        await self.until(sha256, "collected", "live")


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BreakableStack]:
    async with BreakableStack(
        tmp_path_factory.mktemp("frozen"),
        replicas={"gateway": 1, "events": 1, "blobs": 2},
        bridged=[GATEWAY],
        environment=HASTY,
    ) as running:
        yield running


@pytest.fixture
async def scene(stack: BreakableStack) -> AsyncIterator[Scene]:
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="hands"
    )
    hot = LocalStorage(str(stack.data_dir / "blobs"))
    async with (
        httpx.AsyncClient(base_url=stack.url, timeout=60) as http,
        Vault.open(stack, stack.data_dir / "hands", hot=hot) as vault,
    ):
        person = await Person.register(http)
        project = await person.made("/api/projects", {"name": "Pequod"})
        actor = Actor(user_id=UUID(person.id), project_id=UUID(project["id"]))
        desk = Desk(vault, World(Caller(client), actor))
        yield Scene(stack, person, desk, asyncio.Event())
    with suppress(KeyError):
        stack.thaw(GATEWAY)
    await broker.stop()


@pytest.mark.parametrize("where", ["after its claim", "before its command"])
async def test_frozen_through_a_collection(scene: Scene, where: str) -> None:
    """The writer wakes up when the bytes are gone, and is told so."""
    # Not a text: of a text the gateway would read the first words, and find out by that.
    entity, content = await scene.entity(), b"\0\xff" + where.encode()
    sha256 = await scene.upload(content)
    if where == "after its claim":
        scene.freeze_between(b"rpc.blobs.claim_blob")
    else:
        scene.freeze_before(b"rpc.events.attach_file")
    path = f"/api/entities/{entity['id']}/file"
    writing = asyncio.create_task(scene.person.post(path, {"sha256": sha256}))
    await asyncio.wait_for(scene.frozen.wait(), WAIT_S)
    await scene.collect(sha256)
    assert await scene.desk.state(sha256) == "collected"
    scene.thaw()
    answer = await writing

    assert is_problem(answer, 410, "BLOB_UNAVAILABLE")
    assert (await scene.person.get(f"/api/entities/{entity['id']}")).json()["file"] is None
    fetched = await scene.person.get(f"/api/projects/{scene.project_id}/blobs/{sha256}")
    assert is_problem(fetched, 410, "BLOB_UNAVAILABLE")
    await check(scene.desk)
    # Uploading them again and trying again works.
    assert await scene.upload(content) == sha256
    assert (await scene.person.post(path, {"sha256": sha256})).status_code == 200
    assert (await scene.person.get(path)).content == content


async def test_thawed_before_the_end_of_the_grace_period(scene: Scene) -> None:
    """The other order: its command comes before the settlement, and the bytes stay."""
    entity, content = await scene.entity(), b"\0\xffthawed in time"
    sha256 = await scene.upload(content)
    scene.freeze_between(b"rpc.blobs.claim_blob")
    path = f"/api/entities/{entity['id']}/file"
    writing = asyncio.create_task(scene.person.post(path, {"sha256": sha256}))
    await asyncio.wait_for(scene.frozen.wait(), WAIT_S)
    await scene.desk.pass_time(LONG)
    await scene.until(sha256, "condemned")
    scene.thaw()
    answer = await writing

    assert answer.status_code == 200, answer.text
    for _ in range(2):
        await scene.desk.pass_time(LONG)
        await asyncio.sleep(1)
    assert await scene.desk.state(sha256) == "live"
    assert (await scene.person.get(path)).content == content
    await check(scene.desk)


@pytest.mark.parametrize("late", [True, False], ids=["too late", "in time"])
async def test_frozen_before_it_points_a_path(scene: Scene, late: bool) -> None:
    """Paths need no claim: their transaction locks the blob's row and looks."""
    content = f"a path, {late}".encode()
    sha256 = await scene.upload(content)
    scene.freeze_before(b"rpc.blobs.put_path")
    writing = asyncio.create_task(
        scene.person.ask(
            "PUT",
            f"/api/projects/{scene.project_id}/path",
            params={"path": "project/a"},
            json={"sha256": sha256},
        )
    )
    await asyncio.wait_for(scene.frozen.wait(), WAIT_S)
    if late:
        await scene.collect(sha256)
        assert await scene.desk.state(sha256) == "collected"
    else:
        await scene.desk.pass_time(LONG)
        await scene.until(sha256, "condemned")
    scene.thaw()
    answer = await writing

    if late:
        assert is_problem(answer, 410, "BLOB_UNAVAILABLE")
    else:
        assert answer.status_code == 200, answer.text
        await scene.desk.pass_time(timedelta(days=2))
        await asyncio.sleep(1)
        assert await scene.desk.read(sha256) == content
    await check(scene.desk)


async def test_frozen_blobs_replica_harms_nobody(scene: Scene, stack: BreakableStack) -> None:
    """Frozen over its collection, it wakes up late; the other one went on or waited."""
    content = hashlib.sha256(b"x").digest() * 1000
    sha256 = await scene.upload(content)
    stack.freeze("blobs-1")
    try:
        await scene.desk.pass_time(LONG)
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await scene.until(sha256, "condemned")
    finally:
        stack.thaw("blobs-1")
    await scene.until(sha256, "condemned")
    await scene.desk.put_path("project/kept", sha256)
    await scene.desk.pass_time(timedelta(days=2))
    await asyncio.sleep(1)

    assert await scene.desk.read(sha256) == content
    await check(scene.desk)
