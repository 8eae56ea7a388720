"""Blocks that came from elsewhere: kept, migrated, and merged with what was written meanwhile."""

import asyncio
from uuid import UUID, uuid4

import pytest
import zstandard

from libs.contracts.collab.migration import (
    LIST_IMPORTED,
    MIGRATE_SCENE,
    ListImported,
    MigrateScene,
    MigrationOutcome,
    SceneMigration,
)
from libs.contracts.collab.persistence import PUT_SNAPSHOT, PutSnapshot, SnapshotSource
from libs.errors import Conflict
from tests.collab.snapshots.support import Desk
from tests.support.waiting import until

BLOCKS = [{"type": "action", "children": [{"text": "John enters."}]}]
MEANWHILE = [{"type": "action", "children": [{"text": "Mary waits."}]}]


async def bring(desk: Desk, scene: UUID) -> None:
    await desk.caller.ask(
        PUT_SNAPSHOT,
        PutSnapshot(
            scene_id=scene, snapshot_id=uuid4(), source=SnapshotSource.IMPORT, blocks=BLOCKS
        ),
        desk.actor,
        deadline_s=20,
    )


async def migrated(
    desk: Desk, scene: UUID, *, dry_run: bool = False, verify_only: bool = False
) -> SceneMigration:
    question = MigrateScene(scene_id=scene, dry_run=dry_run, verify_only=verify_only)
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


async def test_an_edit_between_the_head_check_and_the_commit_merges(desk: Desk):
    """The scene was empty when it was looked at, and is not when its blocks are committed: both
    stay, whichever way it is read, and what was migrated is still told from what was written."""
    scene = await desk.scenery.scene()
    await bring(desk, scene)
    # It has looked and converted, and stands still before it keeps the update that it will commit.
    async with desk.nobody_writes("migrated_scenes") as stuck:
        asked = asyncio.create_task(migrated(desk, scene))
        await until(stuck)
        waited = not asked.done()
        answer = await desk.person.http.put(
            f"/api/scenes/{scene}/content", json={"format": "blocks", "content": MEANWHILE}
        )
        answer.raise_for_status()
        alone = await desk.scenery.text(scene)
    told = await asked
    blocks = await desk.person.ask("GET", f"/api/scenes/{scene}/content?format=blocks")
    verified = await migrated(desk, scene, verify_only=True)
    await desk.snap(scene, force=True)

    assert waited
    assert alone == "Mary waits."
    assert told.outcome is MigrationOutcome.MIGRATED
    assert sorted(blocks, key=str) == sorted(BLOCKS + MEANWHILE, key=str)
    assert await desk.blocks(scene) == blocks
    assert verified.outcome is MigrationOutcome.VERIFIED, verified.reason
    assert await waiting(desk, scene) is None
