"""Serves `libs.contracts.collab.migration`: one scene at a time, again as often as anybody likes.

What is made of a scene's blocks is stored before it goes to the log. Killed in between, the next
attempt writes the same update, of which a document takes no notice the second time.
"""

from uuid import UUID

import asyncpg
import structlog

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.migration import (
    Imported,
    ListImported,
    MigrateScene,
    MigrationOutcome,
    SceneMigration,
)
from libs.contracts.collab.persistence import SnapshotSource
from libs.contracts.editors import SceneEditor
from libs.contracts.ids import new_id
from libs.postgres import Pool, load_queries
from libs.postgres.pool import UNREACHABLE
from libs.tasks import passed
from services.collab import heavy
from services.collab.commits import Commits
from services.collab.formats import jobs
from services.collab.migrating import converting
from services.collab.migrating.converting import Converted
from services.collab.scenes import SceneUnreadable
from services.collab.snapshots import rendering
from services.collab.snapshots.rendering import Packed
from services.collab.snapshots.store import SnapshotStore
from services.collab.snapshots.taking import Snapshots
from services.collab.store import Store, Trust
from services.collab.workers import WorkerDied, Workers

log = structlog.get_logger(__name__)

SQL = load_queries("services.collab.migrating")

PAGE_SCENES_MAX = 1_000


class MigrationHandlers:
    """Moves scenes into the log."""

    def __init__(
        self, pool: Pool, store: Store, snapshots: Snapshots, workers: Workers, commits: Commits
    ) -> None:
        """Wire the parts."""
        self._pool = pool
        self._store = store
        self._kept = SnapshotStore(pool)
        self._snapshots = snapshots
        self._workers = workers
        self._commits = commits

    async def list(self, question: ListImported, _actor: Actor) -> Imported:
        """List scenes that have blocks from elsewhere."""
        limit = min(question.limit, PAGE_SCENES_MAX)
        rows = await self._pool.fetch(SQL.imported, question.after, limit)
        total = await self._pool.fetchval(SQL.imported_count)
        return Imported(scene_ids=[row["scene_id"] for row in rows], total=total)

    async def migrate(self, question: MigrateScene, actor: Actor) -> SceneMigration:
        """Migrate or verify one scene."""
        try:
            if question.verify_only:
                return await self._verify(question.scene_id, question.editor)
            if question.dry_run:
                return await self._try(question)
            return await self._migrate(question.scene_id, actor, question.editor)
        except (*UNREACHABLE, asyncpg.PostgresError, WorkerDied, SceneUnreadable) as error:
            raise errors.Unavailable from error

    async def _try(self, question: MigrateScene) -> SceneMigration:
        """Tell what `_migrate` would do, and write nothing."""
        scene, blocks = question.scene_id, question.blocks
        known = await self._pool.fetchrow(SQL.read, scene)
        if known and known["seq"]:
            return _told(scene, MigrationOutcome.SKIPPED, "was migrated before")
        if known is None:
            given = None if blocks is None else await self._workers.run(rendering.pack, blocks)
            made = await self._converted(scene, question.editor, given.packed if given else None)
            if isinstance(made, SceneMigration):
                return made
            found, update = made
            count = found.block_count
        else:
            count, update = known["block_count"], known["yjs_update"]
        return _told(scene, MigrationOutcome.READY, blocks=count, update_bytes=len(update))

    async def _migrate(
        self, scene: UUID, actor: Actor, editor: SceneEditor | None
    ) -> SceneMigration:
        known = await self._pool.fetchrow(SQL.read, scene)
        if known and known["seq"]:
            return await self._migrated_before(scene, known)
        if known is None:
            made = await self._converted(scene, editor)
            if isinstance(made, SceneMigration):
                return made
            found, update = made
            await self._pool.execute(SQL.begin, scene, *found, update)
            passed("migrating.begun")
            known = await self._pool.fetchrow(SQL.read, scene)
            assert known is not None
        seq = 0
        for piece in await self._workers.run(jobs.cut, known["yjs_update"]):
            seq = await self._commits.commit(scene, actor, piece)
        passed("migrating.committed")
        await self._pool.execute(SQL.finish, scene, seq)
        passed("migrating.finished")
        return await self._conclude(scene, known)

    async def _migrated_before(self, scene: UUID, known: asyncpg.Record) -> SceneMigration:
        """Take the snapshot that somebody died before; all the rest is done."""
        kept = await self._kept.read(scene)
        if kept and kept.yjs_derived:
            return _told(scene, MigrationOutcome.SKIPPED, "was migrated before")
        return await self._conclude(scene, known)

    async def _conclude(self, scene: UUID, known: asyncpg.Record) -> SceneMigration:
        await self._snapshots.take(scene, SnapshotSource.MIGRATED, snapshot=new_id(), by=None)
        count, size = known["block_count"], len(known["yjs_update"])
        log.info("scene migrated", scene_id=str(scene), blocks=count, update_bytes=size)
        return _told(scene, MigrationOutcome.MIGRATED, blocks=count, update_bytes=size)

    async def _converted(
        self, scene: UUID, editor: SceneEditor | None, given: Packed | None = None
    ) -> tuple[Packed, bytes] | SceneMigration:
        """The blocks of a scene that nobody began to migrate and their update, or why not."""
        waiting = await self._pool.fetchrow(SQL.waiting, scene)
        if head := (await self._store.heads([scene.bytes]))[0]:
            reason = f"has {head} Yjs updates already"
            if waiting:
                reason = (
                    "was written in before it was migrated: it "
                    f"{reason}; its blocks stay in imported_scenes"
                )
            return _told(scene, MigrationOutcome.SKIPPED, reason)
        found = given or (Packed(*waiting) if waiting else None)
        if found is None:
            return _told(scene, MigrationOutcome.SKIPPED, "has no blocks from elsewhere")
        made: Converted = await self._workers.run(
            converting.convert, found.content, found.size_bytes, editor
        )
        if made.reason:
            return _told(scene, MigrationOutcome.FAILED, made.reason)
        return found, made.update

    async def _verify(self, scene: UUID, editor: SceneEditor | None) -> SceneMigration:
        known = await self._pool.fetchrow(SQL.read, scene)
        if known is None or known["seq"] is None:
            reason = "was not migrated yet" if known is None else "was migrated only in part"
            return _told(scene, MigrationOutcome.SKIPPED, reason)
        count, size = known["block_count"], len(known["yjs_update"])
        stored = await self._store.load(scene, upto=known["seq"], trust=Trust.ORIGINALS)
        if stored.pruned or not stored.rows:
            reason = "its first updates are compacted and gone"
            return _told(scene, MigrationOutcome.EDITED, reason, blocks=count, update_bytes=size)
        # Edits that arrived between the look at the log and the commit stand among the pieces, and
        # merged with them: what they say is not what the blocks said.
        pieces = set(await self._workers.run(jobs.cut, known["yjs_update"]))
        rows = [row for row in stored.rows if row in pieces]
        state = await self._workers.run(heavy.integrate, rows)
        said = (known["content_blocks"], known["content_bytes"], editor)
        if state and await self._workers.run(converting.matches, state[0], *said):
            return _told(scene, MigrationOutcome.VERIFIED, blocks=count, update_bytes=size)
        reason = "the log does not say what the blocks said"
        return _told(scene, MigrationOutcome.FAILED, reason, blocks=count, update_bytes=size)


def _told(
    scene: UUID,
    outcome: MigrationOutcome,
    reason: str = "",
    *,
    blocks: int = 0,
    update_bytes: int = 0,
) -> SceneMigration:
    return SceneMigration(
        scene_id=scene, outcome=outcome, reason=reason, blocks=blocks, update_bytes=update_bytes
    )
