"""Serves the migration of contents: one row at a time, repeatable at any time.

The id of a row is also the id of its upload, so that an attempt after a kill finds the work of the
first one. A path is pointed at the blob only where no path was.
"""

import hashlib
from collections.abc import AsyncGenerator
from uuid import UUID

import asyncpg
import structlog

from libs import errors
from libs.contracts import names
from libs.contracts.actor import Actor
from libs.contracts.blobs.operations import Import, Imported, ImportOutcome, ListImports
from libs.contracts.blobs.operations import Imports as Page
from libs.contracts.blobs.transfers import AssetType, BeginUpload, PutPath
from libs.contracts.values import BLOB_BYTES_MAX
from libs.postgres import Pool, load_queries
from libs.postgres.pool import UNREACHABLE
from libs.tasks import passed
from services.blobs.model.paths import require_file_name, require_path
from services.blobs.reading import Reading
from services.blobs.store import Row, Store
from services.blobs.uploads import Uploads

log = structlog.get_logger(__name__)

SQL = load_queries("services.blobs.migrating")

PART_BYTES = 1 << 20
"""Part of a row that is read at a time."""
LIFE_S = 86_400.0


class Imports:
    """Moves rows into storage."""

    def __init__(self, *, pool: Pool, store: Store, uploads: Uploads, reading: Reading) -> None:
        """Wire the parts."""
        self._pool = pool
        self._store = store
        self._uploads = uploads
        self._reading = reading

    async def list(self, question: ListImports, _: Actor) -> Page:
        """List rows, migrated or not."""
        rows = await self._pool.fetch(SQL.page, question.after, question.limit)
        total = await self._pool.fetchval(SQL.count)
        return Page(ids=[row["id"] for row in rows], total=total)

    async def migrate(self, question: Import, _: Actor) -> Imported:
        """Migrate or verify one row; a flaw of the row is its outcome.

        Raises:
            errors.NotFound: There is no such row.
            errors.Unavailable: Storage or database is away; try again.
        """
        try:
            return await self._one(question)
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            raise errors.Unavailable from error
        except (errors.Unavailable, errors.StorageFull, errors.NotFound):
            raise
        except errors.AppError as error:
            return Imported(
                id=question.id,
                outcome=ImportOutcome.FAILED,
                reason=f"{error.detail} ({error.code})",
            )

    async def _one(self, question: Import) -> Imported:
        row = await self._pool.fetchrow(SQL.row, question.id)
        if row is None:
            raise errors.NotFound
        if question.verify_only:
            return await self._verify(row)
        if row["blob_sha256"]:
            return _told(row, ImportOutcome.SKIPPED, "was migrated before")
        if reason := await self._unfit(row):
            return _told(row, ImportOutcome.FAILED, reason)
        if question.dry_run:
            return _told(row, ImportOutcome.READY)
        return await self._migrate(row)

    async def _unfit(self, row: Row) -> str:
        """Return why a row cannot be migrated; empty when it can."""
        try:
            require_path(names.normal(row["path"]))
            require_file_name(row["file_name"])
        except errors.Invalid as error:
            return f"the {error.data['errors'][0]['field']} {error.data['errors'][0]['detail']}"
        if row["size"] > BLOB_BYTES_MAX:
            return "is larger than a blob may be"
        whole = await self._digest(row)
        if row["sha256"] not in {None, whole}:
            return "differs from its checksum"
        try:
            path = await self._store.paths.read(row["project_id"], names.normal(row["path"]), None)
        except errors.NotFound:
            return ""
        return "" if path.sha256 == whole else "its path points at another file already"

    async def _migrate(self, row: Row) -> Imported:
        project_id, user_id = row["project_id"], row["user_id"]
        whole = await self._digest(row)
        wanted = BeginUpload(
            upload_id=row["id"],
            size=row["size"],
            sha256=whole,
            file_name=row["file_name"],
            media_type=row["media_type"],
            asset_type=AssetType(row["asset_type"]),
        )
        _, upload = await self._store.uploads.begin(
            project_id, user_id, wanted, life_s=LIFE_S, direct_key=None
        )
        passed("migrating.begun")
        if upload.blob is None:
            upload = await self._uploads.put(project_id, row["id"], self._content(row))
        passed("migrating.stored")
        await self._store.paths.put(
            project_id,
            user_id,
            PutPath(
                path=row["path"],
                sha256=whole,
                file_name=row["file_name"],
                asset_type=AssetType(row["asset_type"]),
            ),
        )
        passed("migrating.named")
        # Read back what is stored before the row counts as done.
        if reason := await self._differs(project_id, whole):
            return _told(row, ImportOutcome.FAILED, reason)
        await self._pool.execute(SQL.finish, row["id"], whole)
        log.info("content migrated", id=str(row["id"]), size_bytes=row["size"])
        return _told(row, ImportOutcome.MIGRATED)

    async def _verify(self, row: Row) -> Imported:
        if row["blob_sha256"] is None:
            return _told(row, ImportOutcome.SKIPPED, "was not migrated yet")
        if await self._digest(row) != row["blob_sha256"]:
            return _told(row, ImportOutcome.FAILED, "the row is no longer what was migrated")
        if reason := await self._differs(row["project_id"], row["blob_sha256"]):
            return _told(row, ImportOutcome.FAILED, reason)
        return _told(row, ImportOutcome.VERIFIED)

    async def _differs(self, project_id: UUID, sha256: str) -> str:
        """Return the flaw of the blob; empty when it has none."""
        blob = await self._store.blob(project_id, sha256)
        if blob["key"] is None:
            return "its blob was collected"
        whole = hashlib.sha256()
        async for plain in self._reading.frames(blob, 0, blob["size"]):
            whole.update(plain)
        return "" if whole.hexdigest() == sha256 else "its blob has another checksum"

    async def _digest(self, row: Row) -> str:
        whole = hashlib.sha256()
        async for part in self._content(row):
            whole.update(part)
        return whole.hexdigest()

    async def _content(self, row: Row) -> AsyncGenerator[bytes]:
        for start in range(1, row["size"] + 1, PART_BYTES):
            yield await self._pool.fetchval(SQL.part, row["id"], start, PART_BYTES)


def _told(row: Row, outcome: ImportOutcome, reason: str = "") -> Imported:
    return Imported(id=row["id"], outcome=outcome, reason=reason, size=row["size"])
