"""kill -9 between any two steps of a job: it is one bundle or nothing, and whoever asks gets it.

The only replica of events dies at one step after the other, while the author of the job repeats
what was not answered.
"""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from uuid import UUID

import pytest

from libs.bus import Caller, connect_broker
from libs.contracts.events import bundles as b
from libs.contracts.ids import new_id
from libs.errors import Unavailable
from libs.postgres import Pool, connect
from tests.events.bundling import Bundling, create, put
from tests.events.support import World
from tests.support.breakable import BreakableStack

STEPS = (
    "jobs.staged",
    "jobs.advanced",
    "jobs.kept",
    "jobs.claimed",
    "jobs.appended",
    "jobs.ended",
    "jobs.dropped",
    "jobs.committed",
)
DYING = "events-1"
DEATH_WAIT_S = 60.0
SCENES = 50
PARTS = 2


@pytest.fixture
async def behind(stack: BreakableStack) -> AsyncIterator[Pool]:
    """The database of events as its owner."""
    url = stack.postgres_url("events", "events_owner")
    opened = await connect(url, application="tests-behind", size_max=2)
    yield opened
    await opened.close()


@pytest.fixture
async def world(stack: BreakableStack) -> AsyncIterator[World]:
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="author"
    )
    for part in stack.parts:
        await stack.wait_ready(part)
    yield await World.begin(Caller(client))
    await broker.stop()


async def author(world: World, job: UUID, chapter: str) -> b.Committed:
    """Stage all parts and commit them, repeating each until it is answered."""
    bundling = Bundling(world)

    async def stage(part: int) -> None:
        ids = [str(new_id()) for _ in range(SCENES)]
        made = [create("scene", each, chapter, title="Draft") for each in ids]
        named = [put("scene", each, "title", f"{part}.{n}") for n, each in enumerate(ids)]
        while True:
            try:
                await bundling.stage(job, part, *made, *named)
            except Unavailable:
                await asyncio.sleep(0.05)
                continue
            return

    for part in range(1, PARTS + 1):
        await stage(part)
    while True:
        try:
            return await bundling.commit_job(job, PARTS, label="Draft")
        except Unavailable:
            await asyncio.sleep(0.05)


async def visible(behind: Pool, project_id: UUID) -> dict[str, int]:
    """How much of the bundle there is, in any table that says something about it."""
    count = {
        "events": "event_type LIKE 'scene.%' AND project_id = $1",
        "scenes": "project_id = $1",
        "bundles": "label = 'Draft' AND project_id = $1",
        "outbox": "subject LIKE '%.scene.%' AND payload ->> 'projectId' = ($1::uuid)::text",
    }
    return {
        table: await behind.fetchval(f"SELECT count(*) FROM {table} WHERE {where}", project_id) or 0
        for table, where in count.items()
    }


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(("jobs.staged", "jobs.ended"), id="two"),
        pytest.param(STEPS, id="all", marks=pytest.mark.long),
    ],
)
async def test_killed_at_every_step_of_a_job(
    steps: tuple[str, ...], stack: BreakableStack, behind: Pool, world: World
) -> None:
    """Nothing of it is there before all of it is, and then it is there once."""
    chapter, job = (await world.chapter())["id"], new_id()
    stack.hold(DYING)
    stack.kill(DYING)
    await stack.wait_ended(DYING, DEATH_WAIT_S)
    await stack.die_next_at(DYING, steps[0])
    writing = asyncio.create_task(author(world, job, chapter))
    staged: list[int] = []
    seen: list[dict[str, int]] = []
    for _, after in pairwise((*steps, None)):
        await stack.wait_ended(DYING, DEATH_WAIT_S)
        seen.append(await visible(behind, world.project_id))
        query = "SELECT count(*) FROM staged WHERE job_id = $1"
        staged.append(await behind.fetchval(query, job) or 0)
        await stack.die_next_at(DYING, after)
    done = await writing

    made = PARTS * SCENES
    whole = await visible(behind, world.project_id)
    before = [found for step, found in zip(steps, seen, strict=True) if step != "jobs.committed"]
    assert [set(each.values()) for each in before] == [{0}] * len(before)
    assert seen[len(before) :] in ([], [whole])
    assert (whole["events"], whole["scenes"], whole["bundles"]) == (2 * made, made, 1)
    assert done.bundle is not None
    assert (done.bundle.causation_id, done.bundle.operations) == (job, 2 * made)
    parts = {"jobs.staged": 0, "jobs.advanced": 0, "jobs.kept": 1, "jobs.committed": 0}
    assert staged == [parts.get(step, PARTS) for step in steps]
    assert await behind.fetchval("SELECT count(*) FROM staged WHERE job_id = $1", job) == 0
