"""Snapshots broken on purpose: found, graded, repaired, and on record. The log is always right."""

from typing import Any
from uuid import UUID

import pytest

from libs.contracts.collab.persistence import Severity
from tests.collab.snapshots.support import Desk
from tests.support.waiting import until

LINES = "\n".join(f"line {number}" for number in range(20))


async def snapped(desk: Desk) -> UUID:
    scene = await desk.write(LINES)
    assert (await desk.snap(scene)).status_code == 200
    return scene


def worded(block: dict[str, Any], text: str) -> dict[str, Any]:
    return {**block, "children": [{"text": text}]}


async def test_a_snapshot_that_is_only_behind_has_not_diverged(desk: Desk):
    """It is compared with the log at its own place, not with the text of now."""
    scene = await snapped(desk)
    await desk.write("all of it is new", scene)
    report = await desk.check(scene)

    assert (report.compared, report.diverged, report.severity) == (True, False, None)
    assert report.yjs_checksum == report.rest_checksum != ""
    assert report.yjs_block_count == report.rest_block_count == 20
    assert await desk.repairs(scene) == []


async def test_it_is_compared_at_its_place_also_past_a_head(desk: Desk):
    """When the head of the log reaches further than the snapshot, the originals still tell."""
    scene = await snapped(desk)
    for number in range(30):
        await desk.write(f"text {number}", scene)

    async def has_head() -> bool:
        return bool(await desk.owner.fetchval("SELECT 1 FROM docs WHERE scene_id = $1", scene))

    await until(has_head)
    report = await desk.check(scene)

    assert (report.compared, report.diverged) == (True, False)
    assert report.yjs_block_count == 20


async def test_flipped_bytes_are_critical_and_repaired(desk: Desk):
    scene = await snapped(desk)
    await desk.flip(scene)
    found = await desk.check(scene)
    repaired = await desk.check(scene, repair=True)
    again = await desk.check(scene)
    audit = await desk.repairs(scene)

    assert (found.diverged, found.severity, found.repaired) == (True, Severity.CRITICAL, False)
    assert repaired.repaired
    assert not again.diverged
    assert "line 7" in str(await desk.blocks(scene))
    assert [(row["kind"], row["severity"]) for row in audit] == [("snapshot", "CRITICAL")]
    assert audit[0]["repaired_at"] and audit[0]["outcome"].startswith("snapshot renewed")
    assert audit[0]["requested_by"] == UUID(desk.person.id)


async def test_a_changed_block_is_moderate_and_shown(desk: Desk):
    scene = await snapped(desk)
    blocks = await desk.blocks(scene)
    blocks[7] = worded(blocks[7], "forged")
    await desk.rewrite(scene, blocks)
    report = await desk.check(scene, repair=True)
    assert report.diff
    shown = report.diff["blocks"]

    assert (report.severity, report.repaired) == (Severity.MODERATE, True)
    assert report.diff["blocks_differing"] == report.diff["blocks_reading_differently"] == 1
    assert (shown[0]["yjs_index"], shown[0]["rest_index"]) == (7, 7)
    assert "line 7" in shown[0]["yjs"] and "forged" in shown[0]["rest"]
    assert not (await desk.check(scene)).diverged


async def test_a_lost_block_does_not_shift_the_others(desk: Desk):
    scene = await snapped(desk)
    blocks = await desk.blocks(scene)
    await desk.rewrite(scene, blocks[:5] + blocks[6:])
    report = await desk.check(scene)

    assert (report.severity, report.yjs_block_count, report.rest_block_count) == (
        Severity.MODERATE,
        20,
        19,
    )
    assert report.diff and report.diff["blocks_differing"] == 1


async def test_another_form_of_the_same_words_is_minor(desk: Desk):
    scene = await snapped(desk)
    blocks = await desk.blocks(scene)
    blocks[3]["type"] = "quote"
    await desk.rewrite(scene, blocks)

    assert (await desk.check(scene)).severity is Severity.MINOR


async def test_an_emptied_or_largely_other_snapshot_is_critical(desk: Desk):
    scene = await snapped(desk)
    blocks = await desk.blocks(scene)
    await desk.rewrite(scene, [])
    emptied = await desk.check(scene)
    await desk.rewrite(scene, [worded(block, "forged") for block in blocks[:11]] + blocks[11:])
    forged = await desk.check(scene)

    assert emptied.severity is forged.severity is Severity.CRITICAL


@pytest.mark.parametrize("column", ["yjs_checksum", "yjs_position"])
async def test_a_wrong_checksum_is_minor(desk: Desk, column: str):
    """The words are right, but nothing could be proved by it any more."""
    scene = await snapped(desk)
    await desk.owner.execute(
        f"UPDATE scene_snapshots SET {column} = $2 WHERE scene_id = $1", scene, "0" * 64
    )

    assert (await desk.check(scene)).severity is Severity.MINOR


async def test_a_snapshot_ahead_of_the_log_is_critical_and_repaired_backwards(desk: Desk):
    """As after a recovery that brought the log back to an earlier moment."""
    scene = await snapped(desk)
    await desk.owner.execute("UPDATE scene_snapshots SET seq = 9 WHERE scene_id = $1", scene)
    report = await desk.check(scene, repair=True)
    stored = await desk.snapshot(scene)

    assert (report.severity, report.repaired) == (Severity.CRITICAL, True)
    assert stored and stored["seq"] == 1


async def test_validation_tells_of_what_was_replaced(desk: Desk):
    """A manual snapshot does not silently overwrite the evidence."""
    scene = await snapped(desk)
    await desk.flip(scene)
    taken = await desk.snap(scene, force=True, validate=True)
    audit = await desk.repairs(scene)

    assert taken.json()["validation"] == {
        "passed": False,
        "diverged": True,
        "checksum_match": True,
    }
    assert [(row["severity"], row["outcome"]) for row in audit] == [
        ("CRITICAL", "snapshot renewed from the log at seq 1")
    ]


async def test_sampling_finds_and_repairs_by_itself(busy: Desk):
    """Whichever replica comes by first: one finding, one repair, one row."""
    scene = await busy.write(LINES)
    await until(lambda: busy.snapshot(scene))
    await busy.flip(scene)
    audit = await until(lambda: busy.repairs(scene))

    assert "line 7" in str(await busy.blocks(scene))
    assert [(row["severity"], row["requested_by"]) for row in audit] == [("CRITICAL", None)]

    async def checked_again() -> bool:
        row = await busy.owner.fetchrow("SELECT * FROM snapshot_checks WHERE scene_id = $1", scene)
        return bool(row and row["repaired_at"] and row["checked_at"] > row["repaired_at"])

    assert await until(checked_again)
    assert len(await busy.repairs(scene)) == 1
