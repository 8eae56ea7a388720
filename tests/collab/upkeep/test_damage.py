"""Damage done on purpose: found by readers and by the check, repaired where it can be."""

from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from libs import errors
from libs.contracts.collab.upkeep import SCENES, ListScenes
from services.collab import updates
from tests.collab.upkeep.support import ACTOR, OLD, PAST_RETENTION, Desk, text_of, typed
from tests.support.waiting import until

ROWS = 200
READS = 16
"""So many that each replica answers some."""
YOUNG = timedelta(hours=1)


async def _settled(desk: Desk, scene: UUID) -> asyncpg.Record | None:
    """The only finding about a scene, once something came of it."""
    found = await desk.findings(scene)
    return found[0] if found and found[0]["outcome"] != "open" else None


async def _rolled_up(desk: Desk, scene: UUID, upto: int) -> asyncpg.Record:
    async def look() -> asyncpg.Record | None:
        head = await desk.head(scene)
        return head if head and head["upto_seq"] == upto else None

    return await until(look)


async def test_a_damaged_head_is_replaced_though_it_reaches_no_less(desk: Desk):
    """Whoever opens the scene reads the log, and a new head takes the place of the old one."""
    rows = typed(ROWS)
    scene = await desk.log(rows, YOUNG)
    before = await _rolled_up(desk, scene, ROWS)
    await desk.flip_head(scene)

    assert await desk.text(scene) == text_of(rows)
    found = await until(lambda: _settled(desk, scene))
    assert (found["kind"], found["outcome"], found["severity"]) == ("head", "repaired", "MINOR")
    assert found["detail"] == {"seq": ROWS, "reason": "checksum mismatch"}
    assert found["repaired_at"]
    after = await desk.head(scene)
    assert after
    assert (after["upto_seq"], after["version"]) == (ROWS, before["version"] + 1)
    assert after["checksum"] == before["checksum"]
    assert (await desk.verify(scene)).damage == []


async def test_damage_is_found_though_nobody_reads(desk: Desk):
    """The check goes round by itself; one finding each, however often it is met."""
    scenes = [await desk.log(typed(ROWS, seed=number), YOUNG) for number in (1, 2, 3)]
    for scene in scenes:
        await _rolled_up(desk, scene, ROWS)
        await desk.flip_head(scene)
    found = [await until(lambda scene=scene: _settled(desk, scene)) for scene in scenes]

    assert [each["outcome"] for each in found] == ["repaired"] * 3
    for scene in scenes:
        assert len(await desk.findings(scene)) == 1


async def test_a_head_with_a_fitting_checksum_and_a_wrong_text_is_found(desk: Desk):
    """Only comparing it with the log can tell; no replica goes on with what it read meanwhile."""
    rows = typed(ROWS)
    scene = await desk.log(rows, YOUNG)
    await _rolled_up(desk, scene, ROWS)
    other = await desk.log(typed(ROWS, seed=5), YOUNG)
    await _rolled_up(desk, other, ROWS)
    await desk.owner.execute(
        """
        UPDATE docs SET snapshot = other.snapshot, size = other.size, checksum = other.checksum,
            state_vector = other.state_vector
        FROM (SELECT * FROM docs WHERE scene_id = $2) AS other WHERE docs.scene_id = $1
        """,
        scene,
        other,
    )
    wrong = {await desk.text(scene) for _ in range(READS)}
    found = await until(lambda: _settled(desk, scene))

    assert wrong != {text_of(rows)}, "the damage was mended before anybody could meet it"
    assert found["detail"]["reason"] == "differs from the log"
    assert found["outcome"] == "repaired"
    assert {await desk.text(scene) for _ in range(READS)} == {text_of(rows)}


async def test_a_damaged_compacted_row_is_rewritten_from_its_originals(desk: Desk):
    """Within retention everything it held is still there."""
    rows = typed(ROWS)
    scene = await desk.log(rows, OLD)
    await until(lambda: desk.marked(scene))
    await desk.owner.execute("DELETE FROM docs WHERE scene_id = $1", scene)
    await desk.flip_row(scene, ROWS, compacted=True)

    assert await desk.text(scene) == text_of(rows)
    found = await until(lambda: _settled(desk, scene))
    assert (found["kind"], found["outcome"]) == ("compacted", "repaired")
    assert found["action"] == "rewritten from the log"
    assert found["evidence"]
    assert (await desk.verify(scene)).damage == []
    assert (await desk.inspect(scene)).quarantined == []


async def test_a_damaged_compacted_row_is_rewritten_from_the_head(desk: Desk):
    """Its originals are gone and the head stands where it stands; the ledger knows what it said."""
    rows = typed(ROWS)
    scene = await desk.log(rows, PAST_RETENTION)
    await _rolled_up(desk, scene, ROWS)
    await until(lambda: desk.pruned(scene))
    await desk.flip_row(scene, ROWS, compacted=True)
    found = await until(lambda: _settled(desk, scene))

    assert (found["outcome"], found["action"]) == ("repaired", "rewritten from the head")
    await desk.owner.execute("DELETE FROM docs WHERE scene_id = $1", scene)
    assert await desk.text(scene) == text_of(rows)


async def test_a_damaged_compacted_row_is_replaced_by_one_further_on(desk: Desk):
    """Its originals are gone and the head stands further: that is what can be kept."""
    rows, more = typed(ROWS), typed(120, seed=2)
    scene = await desk.log(rows, PAST_RETENTION)
    await until(lambda: desk.pruned(scene))
    await desk.log(more, YOUNG, scene=scene)
    await _rolled_up(desk, scene, ROWS + 120)
    await desk.flip_row(scene, ROWS, compacted=True)
    found = await until(lambda: _settled(desk, scene))

    assert found["outcome"] == "repaired"
    assert found["action"] == f"replaced by one made of the head at {ROWS + 120}"
    (bad,) = (await desk.inspect(scene)).quarantined
    assert (bad.seq, bad.is_compacted) == (ROWS, True)
    await desk.owner.execute("DELETE FROM docs WHERE scene_id = $1", scene)
    assert await desk.text(scene) == text_of(rows + more)
    assert (await desk.verify(scene)).damage == []


async def test_a_damaged_log_row_is_quarantined_and_the_rest_is_read(desk: Desk):
    """Found by its checksum; what others wrote before and after it is there."""
    rows, others = typed(60), typed(60, seed=9)
    mixed = [row for pair in zip(rows, others, strict=True) for row in pair]
    scene = await desk.log(mixed, YOUNG)
    await desk.owner.execute("DELETE FROM docs WHERE scene_id = $1", scene)
    await desk.flip_row(scene, 41)
    await desk.owner.execute("DELETE FROM docs WHERE scene_id = $1", scene)
    found = await until(lambda: _settled(desk, scene))

    assert (found["kind"], found["outcome"]) == ("log", "quarantined")
    assert found["detail"] == {"seq": 41, "reason": "checksum mismatch"}
    assert found["repaired_at"] is None
    assert await desk.text(scene) == text_of([updates.merge(mixed[:40] + mixed[41:])])
    (bad,) = (await desk.inspect(scene)).quarantined
    assert (bad.seq, bad.reason) == (41, "checksum mismatch")


async def test_what_a_damaged_log_row_said_is_kept_when_the_head_has_it(desk: Desk):
    """The log cannot give it again, so a compacted row made of the head does from now on."""
    rows = typed(ROWS)
    scene = await desk.log(rows, YOUNG)
    await _rolled_up(desk, scene, ROWS)
    await desk.flip_row(scene, 77)
    found = await until(lambda: _settled(desk, scene))

    assert (found["kind"], found["outcome"], found["severity"]) == (
        "log",
        "quarantined",
        "MODERATE",
    )
    await desk.owner.execute("DELETE FROM docs WHERE scene_id = $1", scene)
    assert await desk.text(scene) == text_of(rows)


async def test_a_quarantined_row_survives_retention(desk: Desk):
    """Somebody should look at it; everything else of its age goes."""
    rows = typed(ROWS)
    scene = await desk.log(rows, OLD)
    await until(lambda: desk.marked(scene))
    await desk.flip_row(scene, 5)
    found = await until(lambda: _settled(desk, scene))
    await desk.owner.execute(
        "UPDATE scene_versions SET created_at = created_at - interval '40 days'"
        " WHERE scene_id = $1 AND NOT is_compacted",
        scene,
    )
    await until(lambda: desk.pruned(scene))

    assert found["severity"] == "MINOR"
    assert await desk.seqs(scene) == [5]
    await desk.owner.execute("DELETE FROM docs WHERE scene_id = $1", scene)
    assert await desk.text(scene) == text_of(rows)


async def test_an_unreadable_scene_is_never_shown_as_empty(desk: Desk):
    """Originals gone, compacted row and head both damaged: that is an error, and says so."""
    scene = await desk.log(typed(ROWS), PAST_RETENTION)
    await _rolled_up(desk, scene, ROWS)
    await until(lambda: desk.pruned(scene))
    async with desk.owner.acquire() as connection, connection.transaction():
        await connection.execute("UPDATE docs SET snapshot = '\\x00' WHERE scene_id = $1", scene)
        await connection.execute(
            "UPDATE scene_versions SET yjs_update = '\\x00' WHERE scene_id = $1", scene
        )

    with pytest.raises(errors.Unavailable):
        await desk.text(scene)

    async def both_failed() -> bool:
        found = await desk.findings(scene)
        return [each["outcome"] for each in found] == ["failed", "failed"]

    await until(both_failed)
    assert {each["severity"] for each in await desk.findings(scene)} == {"CRITICAL"}
    with pytest.raises(errors.Unavailable):
        await desk.text(scene)


async def test_an_operator_can_ask_and_have_it_repaired(desk: Desk):
    """The audit record says who asked."""
    rows = typed(ROWS)
    scene = await desk.log(rows, YOUNG)
    await _rolled_up(desk, scene, ROWS)
    await desk.flip_head(scene)
    done = await desk.repair(scene)
    seen = await desk.inspect(scene)

    (record,) = done.records
    assert (record.kind, record.outcome) == ("head", "repaired")
    assert record.requested_by in (ACTOR.user_id, None)  # the check may have been first
    assert (seen.rows, seen.oldest, seen.newest) == (ROWS, 1, ROWS)
    assert seen.head
    assert seen.head.upto == ROWS
    assert seen.log_bytes == sum(map(len, rows))
    listed = await desk.caller.ask(
        SCENES, ListScenes(after=UUID(int=scene.int - 1), limit=1), ACTOR
    )
    assert listed.scenes == [scene]
