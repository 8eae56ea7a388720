"""A replica dies at each step of finding, applying and reverting; another one carries on.

The steps are those of `libs.tasks.passed` in `services/collab/review`.
"""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from libs.tasks.failpoints import CRASH
from tests.collab.review.novels import RENAMED, TEXT, Novel
from tests.support.people import People
from tests.support.stack import TwoCollabs
from tests.support.waiting import until

pytestmark = pytest.mark.long

DYING, OTHER = "collab-1", "collab-2"
DEATH_WAIT_S = 60.0
ENDED_WAIT_S = 60.0
SCENES = 25
_FINDING = ("refactor.scene_found", "refactor.found")
_WRITING = (
    *("refactor.stored", "refactor.committed", "refactor.texts_done"),
    *("refactor.fields_done", "refactor.ended"),
)


@pytest.fixture(scope="module")
async def two(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TwoCollabs]:
    async with TwoCollabs(tmp_path_factory.mktemp("crashes"), {}) as stack:
        yield stack


@pytest.fixture(scope="module")
async def novelist(two: TwoCollabs) -> AsyncIterator[People]:
    async with People(two.url) as joined:
        yield joined


async def alone(stack: TwoCollabs, step: str) -> None:
    """Let one replica run alone, to die at a step."""
    for part in (DYING, OTHER):
        stack.hold(part)
        stack.kill(part)
        await stack.wait_ended(part)
    stack.environments[DYING][CRASH] = step
    await _born(stack, DYING)


async def succeeded(stack: TwoCollabs) -> None:
    """Wait for the death, and let the other replica carry on alone; then both are there."""
    await stack.wait_ended(DYING, DEATH_WAIT_S)
    stack.release(OTHER)
    await stack.wait_ready(OTHER)


async def both(stack: TwoCollabs) -> None:
    stack.environments[DYING].pop(CRASH, None)
    for part in (DYING, OTHER):
        stack.release(part)
        await stack.wait_ready(part)


async def _born(stack: TwoCollabs, part: str) -> None:
    stack.release(part)

    async def born() -> bool:
        return stack.pid(part) is not None

    await until(born)
    stack.hold(part)


async def state_of(novel: Novel, refactor: str) -> str:
    return (await novel.read(refactor))["state"]


async def ordered(novel: Novel, refactor: str, what: str) -> None:
    """Order it until a replica hears that; a replica that dies then does not answer."""
    path = f"/api/refactors/{refactor}/{what}"

    async def heard() -> bool:
        try:
            answer = await novel.person.http.post(path, json={}, timeout=5)
        except httpx.HTTPError:
            return True
        return answer.status_code != 503

    await until(heard)


async def test_finding_goes_on_where_it_ended(two: TwoCollabs, novelist: People) -> None:
    """Each scene is looked at once, with one set of hits."""
    ada = await novelist.join("Ada")
    novel = await Novel.written(ada, [TEXT] * SCENES)
    for step in _FINDING:
        await alone(two, step)
        try:

            async def asked() -> bool:
                return (await novel.propose()).status_code == 201

            await until(asked)
            listed = await ada.ask("GET", f"/api/projects/{novel.project}/refactors")
            made = listed["items"][0]["id"]
            await succeeded(two)

            async def ready(refactor: str = made) -> bool:
                return await state_of(novel, refactor) == "READY"

            await until(ready, ENDED_WAIT_S)
        finally:
            await both(two)
        found = await novel.read(made)
        assert found["progress"] == {"done": SCENES, "total": SCENES}
        # Five hits and a title in each scene, three fields of the entity, and the book.
        assert found["counts"]["hits"] == 6 * SCENES + 4


@pytest.mark.parametrize("step", _WRITING)
async def test_an_order_is_carried_out_by_the_next_replica(
    two: TwoCollabs, novelist: People, step: str
) -> None:
    """Never half: before the transaction nothing is written, after it all, then the bundle."""
    ada = await novelist.join("Ada")
    novel = await Novel.written(ada, [TEXT] * SCENES)
    made = (await novel.found())["id"]
    for what, ended, texts, name in (
        ("apply", "APPLIED", RENAMED, "Nora Voss"),
        ("revert", "REVERTED", TEXT, "Mara Voss"),
    ):
        await alone(two, step)
        try:
            order = asyncio.create_task(ordered(novel, made, what))
            await succeeded(two)
            await order

            async def done(wanted: str = ended) -> bool:
                return await state_of(novel, made) == wanted

            if await state_of(novel, made) in ("READY", "APPLIED") and not await done():
                await ordered(novel, made, what)  # It was not heard.
            await until(done, ENDED_WAIT_S)
        finally:
            await both(two)
        assert await novel.texts() == [texts] * SCENES
        assert await novel.name() == name
        assert await novel.title(novel.scenes[-1]) == f"{name.split()[0]} {SCENES - 1}"
        heads = {await ada.seq(scene) for scene in novel.scenes}
        assert heads == {2 if what == "apply" else 3}
        bundles = await ada.ask("GET", f"/api/projects/{novel.project}/bundles?limit=500")
        labels = [each["label"] for each in bundles["items"] if each["label"]]
        assert labels.count("Rename Mara Voss to Nora Voss") == 1
