"""Jobs: what is staged is nobody's to see, and becomes one bundle or nothing."""

import asyncio

import pytest

from libs import errors
from libs.contracts.events.bundles import OPERATIONS_MAX, BundleType
from libs.contracts.events.event import Source
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.bundles.jobs import JobExpiry
from tests.events.bundling import Bundling, bundle_of, create, put
from tests.events.support import World


@pytest.fixture
def bundling(world: World) -> Bundling:
    return Bundling(world)


async def test_parts_become_one_bundle(world: World, bundling: Bundling, pool: Pool) -> None:
    chapter, job = await world.chapter(), new_id()
    one, two = str(new_id()), str(new_id())
    before = await bundling.list()
    await bundling.stage(job, 1, create("scene", one, chapter["id"], title="One"))
    staged = await bundling.stage(
        job, 2, put("scene", one, "title", "1"), create("scene", two, chapter["id"], title="Two")
    )
    assert (staged.status, staged.parts, staged.operations) == ("open", 2, 3)
    assert await world.items("scene", chapter["id"]) == []
    assert await bundling.list() == before

    done = bundle_of(await bundling.commit_job(job, 2, label="Draft"))

    assert [s["title"] for s in await world.items("scene", chapter["id"])] == ["1", "Two"]
    assert (done.type, done.source, done.label) == (BundleType.JOB_OUTPUT, "automation", "Draft")
    assert (done.causation_id, done.operations) == (job, 3)
    assert done.source is Source.AUTOMATION
    assert await pool.fetchval("SELECT count(*) FROM staged WHERE job_id = $1", job) == 0


async def test_every_step_may_be_repeated(world: World, bundling: Bundling) -> None:
    chapter, job = await world.chapter(), new_id()
    part = create("scene", new_id(), chapter["id"])

    staged = [await bundling.stage(job, 1, part) for _ in range(3)]
    done = [await bundling.commit_job(job, 1) for _ in range(3)]
    after = await bundling.stage(job, 1, part)

    assert {each.operations for each in staged} == {1}
    assert done[0] == done[1] == done[2]
    assert after.status == "committed"
    assert len(await world.items("scene", chapter["id"])) == 1


async def test_at_once_is_still_once(world: World, bundling: Bundling) -> None:
    chapter, job = await world.chapter(), new_id()
    part = create("scene", new_id(), chapter["id"])
    await asyncio.gather(*(bundling.stage(job, 1, part) for _ in range(5)))

    done = await asyncio.gather(*(bundling.commit_job(job, 1) for _ in range(5)))

    assert len({bundle_of(each).id for each in done}) == 1
    assert len(await world.items("scene", chapter["id"])) == 1


async def test_a_part_is_not_replaced_and_none_is_left_out(bundling: Bundling) -> None:
    chapter, job = await bundling.world.chapter(), new_id()
    await bundling.stage(job, 1, create("scene", new_id(), chapter["id"]))

    with pytest.raises(errors.IdempotencyKeyReused):
        await bundling.stage(job, 1, create("scene", new_id(), chapter["id"]))
    with pytest.raises(errors.Conflict) as gap:
        await bundling.stage(job, 3, create("scene", new_id(), chapter["id"]))
    with pytest.raises(errors.Conflict) as short:
        await bundling.commit_job(job, 2)

    assert gap.value.data["expectedPart"] == short.value.data["expectedPart"] == 2
    assert await bundling.world.items("scene", chapter["id"]) == []


async def test_a_commit_that_is_refused_leaves_nothing(world: World, bundling: Bundling) -> None:
    scene, job = await world.scene(title="Old"), new_id()
    chapter = scene["chapterId"]
    await bundling.stage(
        job,
        1,
        create("scene", new_id(), chapter),
        put("scene", scene["id"], "title", "Job", oldValue="Old"),
    )
    await world.change("scene", scene["id"], title="Person")

    with pytest.raises(errors.Conflict):
        await bundling.commit_job(job, 1)

    assert [s["title"] for s in await world.items("scene", chapter)] == ["Person"]
    await bundling.abandon(job)
    with pytest.raises(errors.Gone):
        await bundling.commit_job(job, 1)


async def test_abandoned_is_dropped(bundling: Bundling, pool: Pool) -> None:
    chapter, job = await bundling.world.chapter(), new_id()
    await bundling.stage(job, 1, create("scene", new_id(), chapter["id"]))

    await bundling.abandon(job)
    await bundling.abandon(job)

    assert await pool.fetchval("SELECT count(*) FROM staged WHERE job_id = $1", job) == 0
    with pytest.raises(errors.Gone):
        await bundling.stage(job, 2, create("scene", new_id(), chapter["id"]))
    await bundling.abandon(new_id())


async def test_a_silent_job_expires(bundling: Bundling, pool: Pool) -> None:
    chapter, silent, busy = await bundling.world.chapter(), new_id(), new_id()
    for job in (silent, busy):
        await bundling.stage(job, 1, create("scene", new_id(), chapter["id"]))
    await pool.execute(
        "UPDATE jobs SET updated_at = now() - interval '61 s' WHERE job_id = $1", silent
    )

    await JobExpiry(pool, kept_s=60).once()

    with pytest.raises(errors.Gone):
        await bundling.commit_job(silent, 1)
    assert await pool.fetchval("SELECT count(*) FROM staged WHERE job_id = $1", silent) == 0
    assert bundle_of(await bundling.commit_job(busy, 1)).operations == 1


async def test_a_job_is_bounded(bundling: Bundling) -> None:
    chapter, job = await bundling.world.chapter(), new_id()
    part = [put("chapter", chapter["id"], "title", str(n)) for n in range(OPERATIONS_MAX // 2)]
    for number in (1, 2):
        await bundling.stage(job, number, *part)

    with pytest.raises(errors.TooLarge):
        await bundling.stage(job, 3, part[0])


async def test_a_job_belongs_to_who_began_it(world: World, bundling: Bundling) -> None:
    chapter, job = await world.chapter(), new_id()
    await bundling.stage(job, 1, create("scene", new_id(), chapter["id"]))
    for other in (world.as_user(new_id()), await World.begin(world.caller)):
        with pytest.raises(errors.NotFound):
            await Bundling(other).commit_job(job, 1)
        await Bundling(other).abandon(job)

    with pytest.raises(errors.Forbidden):
        await bundling.commit_job(job, 1, may=frozenset({"scene.update"}))
    assert bundle_of(await bundling.commit_job(job, 1)).operations == 1
