"""No count is lost: not by a replica that died, nor by events being away or knowing less."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg

from libs.bus import Caller, connect_broker
from libs.contracts.actor import Actor
from libs.contracts.collab.persistence import PUT_SNAPSHOT, PutSnapshot, SnapshotSource
from libs.contracts.events.word_counts import RECORD_WORD_COUNTS, RecordWordCounts, WordCount
from libs.contracts.rpc import DEADLINE_S_DEFAULT
from services.collab.word_counts.store import AGAIN_S
from tests.collab.snapshots.support import Desk
from tests.support.waiting import until

KNOWN = "SELECT words FROM word_counts WHERE scene_id = $1"


async def known(desk: Desk, database: str, scene: UUID) -> int | None:
    owner = await asyncpg.connect(desk.stack.postgres_url(database, "postgres"))
    try:
        return await owner.fetchval(KNOWN, scene)
    finally:
        await owner.close()


async def until_known(desk: Desk, scene: UUID, words: int) -> None:
    """Wait until events knows a count."""

    async def is_known() -> bool:
        return await known(desk, "events", scene) == words

    await until(is_known)


async def test_scenes_that_nobody_counted_are_found(desk: Desk):
    """Those from before an upgrade, and those of a replica that died before it counted."""
    missing, behind = await desk.write("one two"), await desk.write("one two three")
    for scene, words in ((missing, 2), (behind, 3)):
        await until_known(desk, scene, words)
    events = await asyncpg.connect(desk.stack.postgres_url("events", "postgres"))
    try:
        await events.execute("DELETE FROM word_counts WHERE scene_id = ANY ($1)", [missing, behind])
    finally:
        await events.close()
    await desk.owner.execute("DELETE FROM word_counts WHERE scene_id = $1", missing)
    await desk.owner.execute(
        "UPDATE word_counts SET seq = 0, words = 1 WHERE scene_id = $1", behind
    )

    await until_known(desk, missing, 2)
    await until_known(desk, behind, 3)


async def test_other_rules_count_anew(desk: Desk):
    """A release that counts otherwise does so for all scenes, not only for those that change."""
    scene = await desk.write("one two")
    await until_known(desk, scene, 2)
    await desk.owner.execute(
        "UPDATE word_counts SET rules = 99, words = 7 WHERE scene_id = $1", scene
    )

    async def counted() -> bool:
        return await known(desk, "collab", scene) == 2

    await until(counted)


async def test_events_is_told_when_it_is_back(desk: Desk):
    """Counting goes on without it, and what it missed is told."""
    scene = await desk.scenery.scene()
    blocks = [{"type": "action", "children": [{"text": "John enters, late."}]}]
    desk.stack.freeze("events-1")
    try:
        # Not by way of the gateway, which would ask events.
        await desk.caller.ask(
            PUT_SNAPSHOT,
            PutSnapshot(
                scene_id=scene, snapshot_id=uuid4(), source=SnapshotSource.IMPORT, blocks=blocks
            ),
            desk.actor,
        )

        async def counted() -> bool:
            return await known(desk, "collab", scene) == 3

        await until(counted)
        # Longer than a request waits for its answer.
        await asyncio.sleep(DEADLINE_S_DEFAULT + 1)
        before = await known(desk, "events", scene)
    finally:
        desk.stack.thaw("events-1")

    assert before is None
    await until_known(desk, scene, 3)


async def test_events_that_lost_a_count_is_told_again(desk: Desk):
    """As after an older backup of its database: within a day, here a day later at once."""
    scene = await desk.write("one two")
    await until_known(desk, scene, 2)
    events = await asyncpg.connect(desk.stack.postgres_url("events", "postgres"))
    try:
        await events.execute("DELETE FROM word_counts WHERE scene_id = $1", scene)
    finally:
        await events.close()
    await desk.owner.execute(
        "UPDATE word_counts SET told_at = told_at - make_interval(secs => $2) WHERE scene_id = $1",
        scene,
        AGAIN_S,
    )
    # Any count that changes makes a replica look for what is to be told.
    await desk.write("Another scene.")

    await until_known(desk, scene, 2)


async def test_older_counts_and_purged_scenes_change_nothing(desk: Desk):
    """Requests may come twice, and overtake each other."""
    broker, client = await connect_broker(
        desk.stack.nats_url("collab"), service="collab", replica="test"
    )
    scene, nobody = uuid4(), Actor(user_id=UUID(int=0))
    events = await asyncpg.connect(desk.stack.postgres_url("events", "postgres"))
    try:
        now = await events.fetchval("SELECT now()")

        async def tell(scene: UUID, words: int, age_s: float) -> None:
            count = WordCount(
                scene_id=scene, words=words, counted_at=now - timedelta(seconds=age_s)
            )
            await Caller(client).ask(RECORD_WORD_COUNTS, RecordWordCounts(counts=[count]), nobody)

        told: list[int | None] = []
        for words, age_s in ((5, 10), (4, 20), (5, 10), (6, 0)):
            await tell(scene, words, age_s)
            told.append(await events.fetchval(KNOWN, scene))
        purged = uuid4()
        await events.execute("SET session_replication_role = replica")
        await events.execute(
            "INSERT INTO tombstones (aggregate_id, purge_id, project_id, kind, depth)"
            " VALUES ($1, $1, $1, 'scene', 3)",
            purged,
        )
        await tell(purged, 3, 0)
        of_purged = await events.fetchval(KNOWN, purged)
    finally:
        await events.close()
        await broker.stop()

    assert told == [5, 5, 5, 6]
    assert of_purged is None
