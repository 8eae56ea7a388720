"""Snapshots on demand."""

import asyncio
from datetime import datetime
from uuid import UUID, uuid4

import pytest
import zstandard

from libs.contracts.migration import (
    LIST_IMPORTED,
    MIGRATE_SCENE,
    ListImported,
    MigrateScene,
    MigrationOutcome,
    SceneMigration,
)
from libs.contracts.persistence import PUT_SNAPSHOT, PutSnapshot, SnapshotSource
from libs.errors import Conflict
from tests.collab.snapshots.support import Desk
from tests.support.people import People

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


BLOCKS = [{"type": "action", "children": [{"text": "John enters."}]}]


async def bring(desk: Desk, scene: UUID) -> None:
    await desk.caller.ask(
        PUT_SNAPSHOT,
        PutSnapshot(
            scene_id=scene, snapshot_id=uuid4(), source=SnapshotSource.IMPORT, blocks=BLOCKS
        ),
        desk.actor,
    )


async def migrated(desk: Desk, scene: UUID, *, dry_run: bool = False) -> SceneMigration:
    question = MigrateScene(scene_id=scene, dry_run=dry_run)
    return await desk.caller.ask(MIGRATE_SCENE, question, desk.actor)


async def waiting(desk: Desk, scene: UUID) -> str | None:
    """What an import brought and nobody migrated."""
    found = await desk.owner.fetchval(
        "SELECT content_blocks FROM imported_scenes WHERE scene_id = $1", scene
    )
    return zstandard.decompress(found).decode() if found else None


async def test_a_written_scene_keeps_what_an_import_brought(desk: Desk):
    """One edit and its snapshot overwrite the fallback, not the blocks; migration tells of them."""
    scene = await desk.scenery.scene()
    await bring(desk, scene)
    await desk.write("written", scene)
    await desk.snap(scene, force=True)
    listed = await desk.caller.ask(LIST_IMPORTED, ListImported(limit=1000), desk.actor)
    told = await migrated(desk, scene)

    assert "John" not in str(await desk.blocks(scene))
    assert scene in listed.scene_ids
    assert told.outcome is MigrationOutcome.SKIPPED
    assert "written in before it was migrated: it has 1 Yjs updates" in told.reason
    assert "John enters." in (await waiting(desk, scene) or "")


async def test_a_migration_moves_the_blocks_and_ends_with_its_snapshot(desk: Desk):
    """Tried, nothing changes; done, nothing waits; and the snapshot is taken if it is missing."""
    scene = await desk.scenery.scene()
    await bring(desk, scene)
    tried = await migrated(desk, scene, dry_run=True)
    before = await desk.snapshot(scene)

    assert tried.outcome is MigrationOutcome.READY
    assert (tried.blocks, tried.update_bytes > 20) == (1, True)
    assert before
    assert not before["yjs_derived"]
    assert await waiting(desk, scene)
    assert await desk.scenery.text(scene) == ""

    done = await migrated(desk, scene)
    await desk.owner.execute("DELETE FROM scene_snapshots WHERE scene_id = $1", scene)
    finished, again = await migrated(desk, scene), await migrated(desk, scene)
    derived = await desk.snapshot(scene)

    assert done.outcome is MigrationOutcome.MIGRATED
    assert await waiting(desk, scene) is None
    assert [finished.outcome, again.outcome] == [
        MigrationOutcome.MIGRATED,
        MigrationOutcome.SKIPPED,
    ]
    assert derived
    assert (derived["snapshot_source"], derived["seq"]) == ("migrated", 1)
    assert await desk.scenery.text(scene) == "John enters."


async def test_an_import_stands_until_yjs_takes_over(desk: Desk):
    scene = await desk.scenery.scene()
    await bring(desk, scene)
    imported = await desk.snapshot(scene)
    assert imported
    assert await desk.blocks(scene) == BLOCKS
    assert (imported["snapshot_source"], imported["yjs_derived"], imported["seq"]) == (
        "import",
        False,
        0,
    )

    await desk.write("John leaves.", scene)
    await desk.snap(scene, force=True)
    derived = await desk.snapshot(scene)
    assert derived
    assert (derived["yjs_derived"], derived["seq"], derived["first_yjs_seq"]) == (True, 1, 1)

    unseen = await desk.write("no snapshot yet")
    for live in (scene, unseen):
        question = PutSnapshot(
            scene_id=live, snapshot_id=uuid4(), source=SnapshotSource.MIGRATED, blocks=BLOCKS
        )
        with pytest.raises(Conflict):
            await desk.caller.ask(PUT_SNAPSHOT, question, desk.actor)
    assert await desk.snapshot(unseen) is None
    assert "leaves" in str(await desk.blocks(scene))


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
