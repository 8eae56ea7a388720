"""Compaction and retention by two replicas that walk over the same scenes."""

import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from libs.contracts.collab.persistence import PERSISTENCE_HEALTH, AskHealth
from tests.collab.upkeep.support import ACTOR, OLD, PAST_RETENTION, Desk, text_of, typed
from tests.support.waiting import until

ROWS = 240
YOUNG = timedelta(hours=1)
ADA, BEN = UUID(int=1), UUID(int=2)


async def test_old_rows_become_one_and_nobody_does_it_twice(desk: Desk):
    """Both replicas walk all the time; each scene is compacted once, and reads as before."""
    rows = typed(ROWS)
    before = await desk.metric('yjs_primary_compactions_total{outcome="compacted"}')
    scenes = [await desk.log(rows, OLD) for _ in range(6)]
    for scene in scenes:
        await until(lambda scene=scene: desk.marked(scene))
    done = [await desk.ledger(scene) for scene in scenes]

    assert [len(each) for each in done] == [1] * len(scenes)
    assert await desk.metric('yjs_primary_compactions_total{outcome="compacted"}') == before + 6
    for scene, (entry,) in zip(scenes, done, strict=True):
        assert (entry["seq"], entry["from_seq"], entry["updates"]) == (ROWS, 1, ROWS)
        assert entry["bytes_before"] == sum(map(len, rows))
        assert entry["verified_at"]
        assert await desk.seqs(scene) == list(range(1, ROWS + 1))
        assert await desk.text(scene) == text_of(rows)
    left = await desk.owner.fetchval(
        "SELECT count(*) FROM scene_versions WHERE scene_id = ANY($1) AND compacted_by IS NULL",
        scenes,
    )
    assert left == len(scenes)  # the compacted rows themselves


async def test_what_is_young_or_little_is_left_alone(desk: Desk):
    """Under 24 hours or under 100 rows: the walk passes by."""
    young = await desk.log(typed(ROWS), YOUNG)
    little = await desk.log(typed(99), OLD)
    mixed = await desk.log(typed(150), OLD)
    await desk.log(typed(20, seed=2), YOUNG, scene=mixed)
    entry = await until(lambda: desk.marked(mixed))

    assert entry["seq"] == 150
    assert await desk.ledger(young) == []
    assert await desk.ledger(little) == []


async def test_asked_of_both_replicas_at_once(desk: Desk):
    """The lock lets one work; whoever comes next finds nothing left to do."""
    rows = typed(3_000)
    scene = await desk.log(rows, YOUNG)
    answers = await asyncio.gather(*(desk.compact(scene, patient=False) for _ in range(8)))

    outcomes = [answer.outcome for answer in answers]
    assert outcomes.count("compacted") == 1
    assert set(outcomes) <= {"compacted", "busy", "not_due"}
    assert len(await desk.ledger(scene)) == 1
    assert await desk.text(scene) == text_of(rows)


async def test_originals_go_after_retention_and_nothing_else_changes(desk: Desk):
    """The text, who wrote when, and the numbering of what comes next."""
    old, newer = typed(ROWS), typed(150, seed=2)
    authors = [ADA, BEN, BEN]
    scene = await desk.log(old, PAST_RETENTION, authors=authors)
    await desk.log(newer, OLD, scene=scene, authors=authors)
    sessions = await desk.sessions(scene)
    entry = await until(lambda: desk.marked(scene))

    async def pruned() -> bool:
        return await desk.seqs(scene) == list(range(ROWS + 1, ROWS + 151))

    await until(pruned)
    (entry,) = await desk.ledger(scene)
    assert entry["pruned_rows"] == ROWS
    assert entry["pruned_bytes"] == sum(map(len, old))
    assert entry["pruned_at"] is None
    await desk.owner.execute("DELETE FROM docs WHERE scene_id = $1", scene)
    assert await desk.text(scene) == text_of(old + newer)
    assert await desk.sessions(scene) == sessions
    assert [each["updates"] for each in sessions] == [ROWS, 150]
    assert sessions[0]["authors"][str(ADA)]["updates"] == ROWS / 3
    more = typed(3, seed=3)
    await desk.log(more, timedelta(0), scene=scene)
    assert (await desk.seqs(scene))[-1] == ROWS + 153
    assert await desk.text(scene) == text_of(old + newer + more)


async def test_a_second_compacted_row_holds_the_first(desk: Desk):
    """It is cumulative; when its originals are gone nothing begins at the older one any more."""
    first, second = typed(ROWS), typed(120, seed=2)
    scene = await desk.log(first, PAST_RETENTION)
    await until(lambda: desk.pruned(scene))
    sessions = await desk.sessions(scene)
    await desk.log(second, PAST_RETENTION - timedelta(minutes=10), scene=scene)
    done = await desk.compact(scene)

    assert (done.outcome, done.seq, done.updates) == ("compacted", ROWS + 120, 120)
    await until(lambda: desk.pruned(scene))
    assert await desk.seqs(scene) == []
    assert await desk.seqs(scene, compacted=True) == [ROWS + 120]
    assert await desk.text(scene) == text_of(first + second)
    # Ten minutes are no pause, wherever the log was cut.
    (session,) = await desk.sessions(scene)
    assert session["updates"] == ROWS + 120
    assert (session["seq_from"], session["seq_to"]) == (1, ROWS + 120)
    assert session["started_at"] == sessions[0]["started_at"]


async def test_a_session_may_be_cut_by_a_compaction(desk: Desk):
    """What is kept and what is computed join to what it would be without a cut."""
    rows, authors = typed(200), [ADA, BEN]
    scene = await desk.log(rows[:150], YOUNG + timedelta(minutes=5), authors=authors)
    await desk.log(rows[150:], YOUNG, scene=scene, authors=authors, apart=timedelta(seconds=40))
    whole = await desk.sessions(scene)
    # From now on they are due, and not before: the walk may come by at any moment.
    await desk.owner.execute(
        "UPDATE scene_versions SET created_at = created_at - $2::interval "
        "WHERE scene_id = $1 AND seq <= 180",
        scene,
        OLD,
    )
    cut = await desk.sessions(scene)
    await until(lambda: desk.marked(scene))

    assert len(whole) == 1
    assert len(cut) == 2
    kept = await desk.owner.fetch("SELECT * FROM editing_sessions WHERE scene_id = $1", scene)
    assert [row["seq_to"] for row in kept] == [180]
    assert await desk.sessions(scene) == cut


async def test_a_row_that_waits_for_another_stops_compaction(desk: Desk):
    """What the state will be is not known yet, so nothing can be proved equal to it."""
    rows = typed(ROWS)
    scene = await desk.log(rows[:50] + rows[51:], YOUNG)
    done = await desk.compact(scene)

    assert done.outcome == "waiting"
    assert await desk.ledger(scene) == []
    await desk.log(rows[50:51], timedelta(0), scene=scene)
    assert (await desk.compact(scene)).outcome == "compacted"
    assert await desk.text(scene) == text_of(rows)


async def test_a_compacted_row_that_differs_costs_nothing(desk: Desk):
    """Well-formed, with a fitting checksum, and wrong: it is found before any original goes."""
    rows = typed(ROWS)
    scene = await desk.log(rows, OLD)
    await until(lambda: desk.marked(scene))
    await desk.owner.execute(
        """
        UPDATE scene_versions SET yjs_update = other.yjs_update, checksum = other.checksum
        FROM (SELECT yjs_update, checksum FROM scene_versions WHERE scene_id = $1 AND seq = 1
              AND NOT is_compacted) AS other
        WHERE scene_id = $1 AND is_compacted
        """,
        scene,
    )
    await desk.owner.execute(
        "UPDATE scene_versions SET created_at = created_at - interval '40 days'"
        " WHERE scene_id = $1 AND NOT is_compacted",
        scene,
    )
    await until(lambda: desk.pruned(scene))
    (finding,) = await desk.findings(scene)

    assert (finding["kind"], finding["outcome"]) == ("compacted", "repaired")
    assert finding["evidence"] == rows[0]
    assert await desk.text(scene) == text_of(rows)
    await desk.owner.execute("DELETE FROM docs WHERE scene_id = $1", scene)
    assert await desk.text(scene) == text_of(rows)


async def test_a_tail_left_by_a_dead_replica_is_rolled_up(desk: Desk):
    """Nobody who is alive committed these rows, and nobody opens the scene."""
    scene = await desk.log(typed(120), YOUNG)
    head = await until(lambda: desk.head(scene))

    assert head["upto_seq"] == 120


async def test_the_log_defends_itself(desk: Desk):
    """By rights and triggers, against whoever has the service's own password."""
    rows = typed(5)
    scene = await desk.log(rows, YOUNG)
    service = await asyncpg.connect(desk.stack.postgres_url("collab", "collab"))
    try:
        with pytest.raises(asyncpg.RestrictViolationError):
            await service.execute("DELETE FROM scene_versions WHERE scene_id = $1", scene)
        with pytest.raises(asyncpg.RestrictViolationError):
            await service.execute(
                "UPDATE scene_versions SET yjs_update = '\\x00' WHERE scene_id = $1", scene
            )
    finally:
        await service.close()

    assert len(await desk.seqs(scene)) == 5


async def test_figures_for_the_health_endpoint(desk: Desk):
    """A compaction counts when it is done, and saves once its originals are gone."""
    before = (await desk.caller.ask(PERSISTENCE_HEALTH, AskHealth(), ACTOR)).compaction
    scene = await desk.log(typed(ROWS), PAST_RETENTION)
    entry = await until(lambda: desk.pruned(scene))
    # Scenes of other tests may be pruned meanwhile.
    least = await saved_mb(desk)
    found = (await desk.caller.ask(PERSISTENCE_HEALTH, AskHealth(), ACTOR)).compaction
    most = await saved_mb(desk)

    assert found.scenes_compacted is not None
    assert found.scenes_compacted > (before.scenes_compacted or 0)
    assert found.last_run is not None
    assert found.last_run >= entry["created_at"]
    assert found.storage_saved_mb is not None
    assert least <= found.storage_saved_mb <= most
    assert entry["pruned_bytes"] - entry["bytes_after"] > 0


async def saved_mb(desk: Desk) -> float:
    saved = "SELECT sum(pruned_bytes - bytes_after) FROM compactions WHERE pruned_rows > 0"
    return round(int(await desk.owner.fetchval(saved)) / (1 << 20), 2)
