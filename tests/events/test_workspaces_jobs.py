"""Jobs as who began them sees them; collab and blobs are away here."""

import asyncio

import pytest

from libs import errors
from libs.contracts.events import workspaces as w
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.workspaces.worker import TRIES_MAX, JobWorker
from tests.events.support import World
from tests.events.test_log import require_replayed
from tests.events.workspaces import (
    ENDS_WITHIN_S,
    clone,
    ended,
    everything_of,
    ids_of,
    inside,
    stranger,
    without_scenes,
)

pytestmark = pytest.mark.usefixtures("worker")


async def test_a_clone(world: World, pool: Pool, owner: Pool) -> None:
    await without_scenes(world)

    job = await ended(world, await clone(world, name="Second"))

    there = inside(world, job.project_id)
    project = await there.read("project", there.project_id)
    assert (job.status, job.error, job.template_id) == ("done", None, None)
    assert (project["name"], project["slug"][:6]) == ("Second", "second")
    assert [each["name"] for each in await there.items("entity", there.project_id)] == ["Victor"]
    assert [each.role for each in await there.members()] == ["OWNER"]
    assert await pool.fetchval("SELECT count(*) FROM packages WHERE package_id = $1", job.id) == 0
    text = await everything_of(owner, there.project_id)
    assert [each for each in await ids_of(owner, world.project_id) if each in text] == []
    await require_replayed(owner, there.project_id)


async def test_asked_twice_it_is_cloned_once(world: World, pool: Pool) -> None:
    await without_scenes(world)
    job_id = new_id()

    jobs = await asyncio.gather(*(clone(world, job_id=job_id) for _ in range(4)))
    done = [await ended(world, each) for each in jobs]
    again = await clone(world, job_id=job_id)

    assert {each.project_id for each in done} == {again.project_id}
    assert again.status == "done"
    count = "SELECT count(*) FROM projects WHERE created_by = $1"
    assert await pool.fetchval(count, world.actor.user_id) == 2
    with pytest.raises(errors.NotFound):
        await clone(inside(stranger(world), world.project_id), job_id=job_id)


async def test_many_workers_do_a_job_once(world: World, pool: Pool, worker: JobWorker) -> None:
    """Even when one believes that it still holds what another one took over."""
    await without_scenes(world)
    job = await clone(world)
    row = dict(await pool.fetchrow("SELECT * FROM workspace_jobs WHERE job_id = $1", job.id) or {})

    outcomes = await asyncio.gather(
        *(worker.work.carry_on(row) for _ in range(3)), return_exceptions=True
    )
    job = await ended(world, job)

    count = "SELECT count(*) FROM projects WHERE created_by = $1"
    assert [each for each in outcomes if each and not isinstance(each, errors.Unavailable)] == []
    assert job.status == "done"
    assert await pool.fetchval(count, world.actor.user_id) == 2


async def test_it_waits_while_collab_is_away(world: World, pool: Pool, worker: JobWorker) -> None:
    """It is tried again, later and later, and given up in the end; nothing of it is visible."""
    await world.scene()
    job = await clone(world)
    tries = "SELECT tries FROM workspace_jobs WHERE job_id = $1"
    async with asyncio.timeout(ENDS_WITHIN_S):
        while (await pool.fetchval(tries, job.id) or 0) < 2:  # noqa: ASYNC110 (sends no signal)
            await asyncio.sleep(0.05)
    job = await world.caller.ask(w.READ_JOB, w.ReadJob(job_id=job.id), world.actor)
    assert (job.status, job.step) == ("running", "reading")
    with pytest.raises(errors.NotFound):
        there = inside(world, job.project_id)
        await there.read("project", there.project_id)

    await pool.execute(
        "UPDATE workspace_jobs SET tries = $2, due_at = now() WHERE job_id = $1", job.id, TRIES_MAX
    )
    worker.wake()
    job = await ended(world, job)

    assert job.status == "failed"
    assert job.error and job.error["code"] == "INTERNAL"


async def test_only_who_began_it_sees_it(world: World) -> None:
    job = await clone(world)

    with pytest.raises(errors.NotFound):
        await world.caller.ask(w.READ_JOB, w.ReadJob(job_id=job.id), stranger(world).actor)
    await ended(world, job)


async def test_jobs_of_a_person_are_bounded(world: World, pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO workspace_jobs (job_id, user_id, kind, package_id, target_id, details, due_at)"
        " SELECT gen_random_uuid(), $1, 'clone', gen_random_uuid(), gen_random_uuid(), '{}',"
        " now() + interval '1 h' FROM generate_series(1, $2)",
        world.actor.user_id,
        w.JOBS_OPEN_MAX,
    )

    with pytest.raises(errors.LimitReached):
        await clone(world)
    await pool.execute("DELETE FROM workspace_jobs WHERE user_id = $1", world.actor.user_id)


async def test_a_deleted_project_is_not_cloned(world: World) -> None:
    await world.remove("project", world.project_id)

    job = await ended(world, await clone(world))

    assert job.error and job.error["code"] == "NOT_FOUND"
