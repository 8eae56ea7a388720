"""Snapshots by themselves: of what changed, once, also when replicas die."""

import asyncio
from uuid import UUID

import asyncpg

from libs.contracts.collab.persistence import SNAPSHOT_HISTORY, AskSnapshots
from libs.contracts.collab.upkeep import COMPACT, CompactScene
from tests.collab.snapshots.support import REPLICAS, Desk
from tests.support.waiting import until

DOUBLE_S = 2.5
"""Two intervals of the busy stack and a half."""
INTERVAL_S = 3.0
SCENES = 8


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


async def test_a_changed_scene_rests_before_its_snapshot(desk: Desk):
    """No scene is taken before half an interval has passed since its change."""
    # No walk, which would bring along scenes that other tests left.
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

    assert waited and waited[0] >= 0.5 * INTERVAL_S
