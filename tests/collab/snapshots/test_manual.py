"""Snapshots on demand."""

import asyncio
from datetime import datetime
from uuid import UUID, uuid4

from libs.postgres import AdvisoryLocks, LockKey, connect
from libs.tasks import Pace
from services.collab.scenes import Scenes
from services.collab.settings import CollabSettings
from services.collab.store import Store
from services.collab.upkeep.compaction import Outcome
from services.collab.upkeep.room import Parts
from services.collab.workers import Workers
from tests.collab.snapshots.support import HARDLY, Desk
from tests.support.people import People
from tests.support.tasks import running
from tests.support.waiting import until

FIELDS = {
    "snapshot_id", "scene_id", "source", "created_at", "yjs_update_count", "generation_time_ms",
    "snapshot_size_bytes", "validation",
}  # fmt: skip


async def test_a_snapshot_says_what_the_scene_says(desk: Desk):
    """The answer has exactly the members of the source, and each is what is stored."""
    scene = await desk.write("It was a dreary night\nof November.")
    answer = await desk.snap(scene, validate=True)
    told = answer.json()
    stored = await desk.snapshot(scene)
    history = await desk.history(scene)

    assert answer.status_code == 200, answer.text
    assert set(told) == FIELDS
    assert stored
    assert "".join(str(b) for b in await desk.blocks(scene)).count("dreary") == 1
    assert told["scene_id"] == str(scene)
    assert told["source"] == stored["snapshot_source"] == "manual"
    assert UUID(told["snapshot_id"]) == stored["snapshot_id"] == history[0]["snapshot_id"]
    assert datetime.fromisoformat(told["created_at"]) == stored["snapshot_at"]
    assert told["yjs_update_count"] == stored["seq"] == history[0]["yjs_version_count"] == 1
    assert told["snapshot_size_bytes"] == len(stored["content_blocks"])
    assert told["generation_time_ms"] == history[0]["generation_time_ms"] >= 0
    assert told["validation"] == {"passed": True, "diverged": False, "checksum_match": True}
    assert history[0]["created_by"] == UUID(desk.person.id)
    assert history[0]["yjs_checksum"] == stored["yjs_checksum"]
    version = await desk.owner.fetchval(
        "SELECT version_id FROM scene_versions WHERE scene_id = $1 AND seq = 1", scene
    )
    assert history[0]["yjs_latest_version_id"] == version


async def test_a_recent_one_is_reason_to_refuse_without_force(desk: Desk):
    scene = await desk.write("one")
    first = await desk.snap(scene)
    again = await desk.snap(scene)
    forced = await desk.snap(scene, force=True)

    assert first.json()["validation"] is None
    assert again.status_code == 400
    assert again.json()["code"] == "RECENT_SNAPSHOT"
    assert 0 <= again.json()["ageS"] < 60
    assert again.json()["snapshotId"] == first.json()["snapshot_id"]
    assert forced.json()["snapshot_id"] != first.json()["snapshot_id"]


async def test_the_same_request_sent_twice_takes_one(desk: Desk):
    scene = await desk.write("one")
    key = uuid4().hex
    both = [await desk.snap(scene, key=key), await desk.snap(scene, key=key)]

    assert both[0].json() == both[1].json()
    assert len(await desk.history(scene)) == 1


async def test_many_at_once_take_one(desk: Desk):
    """Two replicas, eight requests without force: one takes it, the others find it recent."""
    scene = await desk.write("one")
    answers = await asyncio.gather(*(desk.snap(scene) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    assert len(await desk.history(scene)) == 1


async def test_history_has_a_limit(desk: Desk):
    """Three rows here; the newest stay."""
    scene = await desk.write("one")
    taken = [(await desk.snap(scene, force=True)).json()["snapshot_id"] for _ in range(5)]

    assert [str(row["snapshot_id"]) for row in await desk.history(scene)] == taken[-3:]


async def test_an_empty_scene_has_nothing_to_take(desk: Desk):
    """And what an import brought is not overwritten by the nothing that Yjs knows."""
    scene = await desk.scenery.scene()
    refused = await desk.snap(scene, force=True)

    assert refused.status_code == 409
    assert refused.json()["code"] == "NOTHING_WRITTEN"
    assert await desk.snapshot(scene) is None


async def test_who_may_not_write_takes_none(desk: Desk):
    """A reader is refused; for a stranger the scene is not there."""
    scene = await desk.write("one")
    async with People(desk.stack.url) as people:
        reader, stranger = await people.join("Reader"), await people.join("Stranger")
        await desk.person.let_in(desk.scenery.project, reader, "READER")
        path = f"/api/scenes/{scene}/snapshot"
        refused = await reader.http.post(path, json={})
        unseen = await stranger.http.post(path, json={})

    assert (refused.status_code, unseen.status_code) == (403, 404)
    assert await desk.snapshot(scene) is None


async def test_a_long_compaction_delays_no_snapshot(desk: Desk, workers: Workers):
    """It rests most of the time, with its lock in hand, and a snapshot has a lock of its own."""
    scene = await desk.write("one")
    await desk.write("two", scene)
    url = desk.stack.postgres_url("collab", "collab")
    pool = await connect(url, application="compacting", size_max=3)
    store = Store(pool)
    parts = Parts(
        pool=pool,
        locks=AdvisoryLocks(pool),
        store=store,
        scenes=Scenes(store, workers, cache_bytes_max=1 << 20),
        workers=workers,
        settings=CollabSettings(postgres_url=url, nats_url="nats://unused", ops_port=1),
    )
    elsewhere = AdvisoryLocks(desk.owner)

    async def compact() -> None:
        # Looking whether the lock is held takes it for a moment; so does the stack's own upkeep.
        async def tried() -> bool:
            done = await parts.compactor.compact(scene, Pace(HARDLY), force=True)
            return done.outcome is not Outcome.BUSY

        await until(tried)

    async def works() -> bool:
        async with elsewhere.hold(LockKey.SCENE_UPKEEP, scene) as free:
            return not free

    try:
        async with running(compact()) as compacting:
            await until(works)
            answer = await desk.snap(scene, force=True)
            assert not compacting.done()
    finally:
        await pool.close()

    assert answer.status_code == 200, answer.text
    assert "two" in str(await desk.blocks(scene))
