"""What becomes of the copies that were made of a project which is purged."""

import pytest

from libs import errors
from libs.contracts.events import workspaces as w
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.workspaces.worker import JobWorker
from tests.events.lifecycle.support import Ending, finish, furnished, tables_with
from tests.events.support import World
from tests.events.workspaces import clone, ended, planted, taken, things

KEEP = """
INSERT INTO templates (template_id, package_id, owner_id, project_id, shared, name)
VALUES ($1, $2, $3, $4, true, 'Kept')
"""


async def purge(world: World, ending: Ending, pool: Pool) -> None:
    await world.remove("project", world.project_id)
    ordered = await ending.purge("project", world.project_id)
    await finish(pool, ordered.id)


async def test_templates_stay_and_packages_go(
    world: World, ending: Ending, pool: Pool, owner: Pool
) -> None:
    """A template is its owner's copy; an export that is under way is of the project."""
    await furnished(world, "Wetterfahne")
    kept, export = await taken(pool, world.project_id), await taken(pool, world.project_id)
    await pool.execute(KEEP, new_id(), kept, new_id(), world.project_id)
    before = await things(pool, kept)

    await purge(world, ending, pool)

    found = await pool.fetch(
        "SELECT package_id FROM packages WHERE project_id = $1", world.project_id
    )
    assert [row["package_id"] for row in found] == [kept]
    assert await things(pool, export) == []
    assert await things(pool, kept) == before
    assert set(await tables_with(owner, "Wetterfahne")) == set()
    assert await planted(pool, kept, new_id())


async def test_a_copy_under_way_fails(
    world: World, ending: Ending, pool: Pool, worker: JobWorker
) -> None:
    """Its job was waiting for a text; nothing of what it had read is left."""
    await world.scene()
    job = await clone(world)
    await purge(world, ending, pool)
    left = "SELECT count(*) FROM packages WHERE package_id = $1"
    assert await pool.fetchval(left, job.id) == 0

    await pool.execute("UPDATE workspace_jobs SET due_at = now() WHERE job_id = $1", job.id)
    worker.wake()
    job = await ended(world, job)

    assert job.error and job.error["code"] == "NOT_FOUND"
    assert await pool.fetchval(left, job.id) == 0


async def test_an_export_under_way_ends(
    world: World, ending: Ending, pool: Pool, worker: JobWorker
) -> None:
    """Its next page is not there any more."""
    del worker
    await world.book()
    question = w.TakePackage(package_id=new_id())
    await world.caller.ask(w.TAKE_PACKAGE, question, world.actor)
    page = w.ReadPage(package_id=question.package_id, page=0)
    assert (await world.caller.ask(w.READ_PAGE, page, world.actor)).body

    await purge(world, ending, pool)

    with pytest.raises(errors.NotFound):
        await world.caller.ask(w.READ_PAGE, page, world.actor)
