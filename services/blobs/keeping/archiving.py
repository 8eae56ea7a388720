"""The cold tier: a second storage for blobs that are not read, from which a read restores them.

A move copies the stored frames under a new key, verified on the way, and then changes the row. The
old object stays for a while, so that downloads can end.
"""

import hashlib
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import structlog

from libs import errors
from libs.contracts.blobs.transfers import Blob, BlobState
from libs.postgres import Connection, Pool
from libs.tasks import PeriodicTask, SharedTask, TaskPositions, passed, progressed
from services.blobs.collection.model import Place
from services.blobs.keeping import metrics
from services.blobs.keeping.uses import SQL
from services.blobs.leases import leased
from services.blobs.reading import Storages
from services.blobs.storage import Missing, Reader, Writer
from services.blobs.store import Row, Store, blob_of, fact, record
from services.blobs.threads import blocking

log = structlog.get_logger(__name__)

TASK, RETURNS = "archive", "restore"
HOT, COLD = "hot", "cold"
PAGE_BLOBS = 1_000
RETURNS_MAX = 20
"""Brought back in one go, before others are looked for."""
POLL_S = 2.0
"""Interval of the search for blobs that a client waits for."""
INTERVAL_S = 3600.0


class Archiver:
    """Moves blobs between the tiers."""

    def __init__(
        self,
        *,
        pool: Pool,
        positions: TaskPositions,
        store: Store,
        storages: Storages,
        after_s: float | None,
        bytes_min: int,
        readers_wait_s: float,
    ) -> None:
        """Wire the parts; without a cold storage nothing is archived."""
        self._pool = pool
        self._positions = positions
        self._store = store
        self._storages = storages
        self._after = timedelta(seconds=after_s) if after_s is not None else None
        self._bytes_min = bytes_min
        self._readers_wait = timedelta(seconds=readers_wait_s)
        self._returning = PeriodicTask(RETURNS, self._bring_back, interval_s=POLL_S)
        self.task = SharedTask(TASK, self._archive_idle, positions=positions, every_s=INTERVAL_S)

    def tasks(self) -> list[PeriodicTask]:
        """Return what a replica does in the background; without a cold tier nothing is archived."""
        archives = self._after is not None and COLD in self._storages
        return [self._returning, self.task] if archives else [self._returning]

    async def _bring_back(self) -> None:
        await self.bring_back()

    async def bring_back(self) -> int:
        """Restore the blobs that clients wait for; return their number."""
        count = 0
        async with self._positions.turn(RETURNS) as mine:
            if not mine:
                return 0
            for row in await self._pool.fetch(SQL.restoring, RETURNS_MAX):
                with suppress(errors.BlobDamaged):
                    await self._move(row["project_id"], row["sha256"], HOT)
                    count += 1
        return count

    async def _archive_idle(self, position: str) -> str | None:
        """Archive those of the next blobs that were not read for long."""
        after = Place.at(position)
        rows = await self._pool.fetch(
            SQL.idle, after.project_id, after.sha256, PAGE_BLOBS, self._after, self._bytes_min
        )
        for row in rows:
            if row["is_due"]:
                with suppress(errors.BlobDamaged):
                    await self._move(row["project_id"], row["sha256"], COLD)
                    self.task.report["archived"] += 1
        return str(Place(rows[-1]["project_id"], rows[-1]["sha256"])) if rows else None

    async def archive(self, project_id: UUID, sha256: str) -> Blob:
        """Move a blob to the cold tier now.

        Raises:
            errors.NotOffered: There is no cold tier.
            errors.NotFound: The project never had it.
            errors.Conflict: Its state does not allow it.
            errors.BlobDamaged: It cannot be moved, because its bytes are damaged.
            errors.Unavailable: Storage or database is away; nothing was changed.
        """
        return await self._move(project_id, sha256, COLD)

    async def restore(self, project_id: UUID, sha256: str) -> Blob:
        """Bring a blob back now. Raises as `archive`."""
        await self._store.ask_return(project_id, sha256)
        return await self._move(project_id, sha256, HOT)

    async def _move(self, project_id: UUID, sha256: str, tier: str) -> Blob:
        blob = await self._store.blob(project_id, sha256)
        if blob["tier"] == tier and blob["state"] in _STANDS[tier]:
            return blob_of(blob)
        if tier not in self._storages or blob["tier"] not in self._storages:
            raise errors.NotOffered("There is no cold tier here; set SCRIPTORIUM_COLD_URL.")
        if blob["state"] not in _MOVES[tier]:
            raise errors.Conflict(f"A blob that is {blob['state']} cannot be moved.")
        async with leased(self._store, project_id, "move", tier=tier) as key:
            passed("move.leased")
            await self._copy(blob, key, tier)
            passed("move.copied")
            moved = await self._rename(blob, key, tier)
            passed("move.renamed")
        metrics.moves.labels(tier).inc()
        log.info("blob moved", project_id=str(project_id), sha256=sha256, tier=tier)
        return moved

    async def _copy(self, blob: Row, key: str, tier: str) -> None:
        frames = await self._pool.fetch(SQL.frames, blob["project_id"], blob["sha256"])
        try:
            reader = await blocking(
                self._storages[blob["tier"]].reader, blob["key"], 0, blob["stored_size"]
            )
        except Missing:
            raise await self._damaged(blob, 0, "missing") from None
        try:
            writer = await blocking(self._storages[tier].writer, key)
            try:
                await self._copy_frames(blob, reader, writer, frames)
                await blocking(writer.commit)
            except BaseException:
                await blocking(writer.abort)
                raise
        finally:
            await blocking(reader.close)

    async def _copy_frames(
        self, blob: Row, reader: Reader, writer: Writer, frames: list[Row]
    ) -> None:
        for number, frame in enumerate(frames):
            if not await blocking(_pass_on, reader, writer, frame):
                raise await self._damaged(blob, number, "digest")
            progressed()

    async def _damaged(self, blob: Row, frame: int, reason: str) -> errors.BlobDamaged:
        await self._store.put_damage(blob, frame=frame, reason=reason)
        log.error(
            "blob is damaged and was not moved",
            project_id=str(blob["project_id"]),
            sha256=blob["sha256"],
            reason=reason,
        )
        return errors.BlobDamaged()

    async def _rename(self, blob: Row, key: str, tier: str) -> Blob:
        project_id, sha256 = blob["project_id"], blob["sha256"]

        async def work(connection: Connection) -> Blob:
            now = await connection.fetchrow(SQL.lock_blob, project_id, sha256)
            assert now
            if now["key"] != blob["key"] or now["state"] not in _MOVES[tier]:
                raise errors.Conflict("The blob changed while it was moved.")
            if not await connection.fetchval(SQL.release, key, project_id):
                raise errors.Unavailable("Moving this took too long; try again.")
            state = BlobState.ARCHIVED if tier == COLD else BlobState.LIVE
            await connection.execute(SQL.move, project_id, sha256, key, tier, state)
            await connection.execute(
                SQL.doom, blob["key"], project_id, blob["tier"], self._readers_wait
            )
            if tier == HOT:
                await connection.execute(SQL.note_reads, [project_id], [sha256])
            said = f"blob.{'archived' if tier == COLD else 'restored'}"
            data = {"storedSize": blob["stored_size"]}
            await record(connection, [fact(said, project_id, sha256, data, None)])
            row = await connection.fetchrow(SQL.blob, project_id, sha256)
            assert row
            return blob_of(row)

        return await self._store.database.transact(work)


_STANDS = {HOT: {"live", "condemned"}, COLD: {"archived", "condemned"}}
_MOVES = {HOT: {"restoring"}, COLD: {"live"}}


def _pass_on(reader: Reader, writer: Writer, frame: Row) -> bool:
    """Copy one stored frame; return False when its digest is wrong."""
    stored = reader.read(frame["length"])
    if hashlib.sha256(stored).digest() != frame["digest"]:
        return False
    writer.write(stored)
    return True
