"""Snapshots by themselves: of what changed, once, also when replicas die."""

import asyncio
from uuid import UUID

import asyncpg
import pytest

from libs.contracts.persistence import SNAPSHOT_HISTORY, AskSnapshots
from libs.contracts.upkeep import COMPACT, CompactScene
from tests.collab.snapshots.support import REPLICAS, Desk, until

DOUBLE_S = 2.5
"""Two intervals of the busy stack and a half."""
INTERVAL_S = 6.0
SCENES = 16
"""By chance alone all of so many are due in one half of their time once in 30,000 runs."""


async def up_to_date(desk: Desk, scene: UUID) -> asyncpg.Record | None:
    return await desk.owner.fetchrow(
        "SELECT * FROM scene_snapshots WHERE scene_id = $1 AND seq ="
        " (SELECT max(seq) FROM scene_versions WHERE scene_id = $1)",
        scene,
    )


async def test_what_changed_gets_one_and_what_rests_gets_none(busy: Desk):
    """Two replicas commit the scene's edits; each change is snapshotted once."""
    resting, written = await busy.write("resting"), await busy.write("one")
    await until(lambda: up_to_date(busy, resting))
    first = await until(lambda: up_to_date(busy, written))
    rested = len(await busy.history(resting))
    for text in ("two", "three", "four"):
        await busy.write(text, written)
    second = await until(lambda: up_to_date(busy, written))
    assert first and second
    await asyncio.sleep(DOUBLE_S)
    history = await busy.history(written)

    assert first["snapshot_source"] == "yjs" and first["first_yjs_seq"] == first["seq"]
    assert second["first_yjs_seq"] == first["seq"]
    assert len(await busy.history(resting)) == rested == 1
    # Each at a seq of its own: nobody did what another had done.
    assert len({row["yjs_version_count"] for row in history}) == len(history) <= 4
    assert "four" in str(await busy.blocks(written))


async def test_a_compaction_is_followed_by_a_snapshot_that_says_so(busy: Desk):
    """Read back from the compacted row, once, though nobody wrote; the history tells."""
    scene = await busy.write("one")
    await until(lambda: up_to_date(busy, scene))
    done = await busy.caller.ask(COMPACT, CompactScene(scene_id=scene, force=True), busy.actor)

    async def says_so() -> bool:
        return [row["snapshot_source"] for row in await busy.history(scene)][1:] == ["compacted"]

    await until(says_so)
    await asyncio.sleep(DOUBLE_S)
    told = await busy.caller.ask(SNAPSHOT_HISTORY, AskSnapshots(scene_id=scene), busy.actor)

    assert done.outcome == "compacted"
    assert [each.source for each in told.snapshots] == ["compacted", "yjs"]
    assert (told.freshness, told.state, told.yjs_update_count) == ("fresh", "YJS_COMPACTED", 1)
    assert "one" in str(await busy.blocks(scene))


async def test_the_worker_and_a_person_at_once_do_one_thing(busy: Desk):
    """Whoever comes second finds it done; asking without force then says so."""
    scene = await busy.write("one")
    answers = await asyncio.gather(*(busy.snap(scene) for _ in range(4)))
    await until(lambda: up_to_date(busy, scene))
    await asyncio.sleep(DOUBLE_S)
    history = await busy.history(scene)
    statuses = [answer.status_code for answer in answers]

    assert set(statuses) <= {200, 400}
    assert statuses.count(200) <= 1
    assert len(history) == 1


async def test_what_dead_replicas_left_is_found(busy: Desk):
    """Both are killed before any snapshot was due; who comes later walks over all scenes."""
    scene = await busy.write("left behind")
    for replica in REPLICAS:
        busy.stack.kill(replica)
    await asyncio.gather(*(busy.stack.wait_ended(replica) for replica in REPLICAS))
    left = await busy.snapshot(scene)
    await asyncio.gather(*(busy.stack.restart(replica) for replica in REPLICAS))
    await until(lambda: up_to_date(busy, scene))

    assert left is None
    assert "left behind" in str(await busy.blocks(scene))
    assert len(await busy.history(scene)) == 1


async def test_what_changed_at_once_is_not_snapshotted_at_once(desk: Desk):
    """A busy moment does not come back as one: each scene has a time of its own for it, from half
    an interval to a whole one after its change."""
    # No walk, which would bring along what other tests left; and no rests, which spread them, too.
    settings = {"interval_s": INTERVAL_S, "walk_s": 600, "duty": 1, "duty_behind": 1}
    async with desk.told(REPLICAS, **{f"snapshot_{k}": v for k, v in settings.items()}):
        scenes = await asyncio.gather(*(desk.write(f"scene {n}") for n in range(SCENES)))

        async def delays() -> list[float] | None:
            found = await desk.owner.fetch(
                "SELECT extract(epoch FROM s.snapshot_at - v.created_at)::float8 AS delay_s"
                " FROM scene_snapshots s JOIN scene_versions v USING (scene_id, seq)"
                " WHERE s.scene_id = ANY ($1) ORDER BY 1",
                scenes,
            )
            return [row["delay_s"] for row in found] if len(found) == SCENES else None

        waited = await until(delays)

    assert waited
    middle = 0.75 * INTERVAL_S
    assert 0.5 * INTERVAL_S <= waited[0] < middle < waited[-1]
    most = max(sum(each <= other < each + 0.5 for other in waited) for each in waited)
    assert most <= SCENES / 2, waited


@pytest.mark.parametrize("table", ["scene_snapshots", "scene_snapshot_metadata", "snapshot_checks"])
async def test_a_crash_between_any_two_steps_is_harmless(desk: Desk, table: str):
    """A replica is killed while it waits at each table it writes: nothing of it is left, the lock
    is free, and the next one does it all."""
    scene = await desk.write(f"killed at {table}")
    # The snapshot stands still before that step.
    async with desk.nobody_writes(table) as stuck:
        asked = asyncio.create_task(desk.snap(scene))
        name = await until(stuck)
        assert name
        desk.stack.kill(name)
        await desk.stack.wait_ended(name)
    assert await desk.snapshot(scene) is None

    asked.cancel()
    taken = await desk.snap(scene, validate=True)
    await desk.stack.restart(name)

    assert taken.status_code == 200, taken.text
    assert taken.json()["validation"]["passed"]
    assert len(await desk.history(scene)) == 1
