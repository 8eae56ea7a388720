"""Uploads in the database: begun, piece by piece, done, expired; and the leases of keys."""

from datetime import UTC, datetime
from uuid import UUID

from libs import errors
from libs.contracts.blobs.transfers import BeginUpload, BlobState, Upload
from libs.contracts.values import BLOB_BYTES_MAX
from libs.postgres import Connection
from services.blobs import metrics
from services.blobs.store.committing import (
    UPLOAD_KEPT_S,
    Stored,
    commit,
    doom,
    finish,
    rescue,
    upload_of,
)
from services.blobs.store.database import SQL, Database, Row
from services.blobs.store.quotas import Quotas

PIECES_MAX = 10_000
"""Pieces of an upload, which limits the cost of tiny pieces."""
LATE_S = 3600.0
"""Time after the end of a direct upload in which its bytes may still arrive in storage."""
AGAIN_S_MIN, AGAIN_S_MAX = 10.0, 600.0
"""From the last byte of an upload to the first background try to finish it; the pause doubles each
time, up to the second figure."""
LEASE_S = 120.0
"""Time for which a lease of a key lasts without a renewal."""


class UploadStore:
    """The uploads of all projects."""

    def __init__(self, database: Database, quota_bytes: int | None) -> None:
        """Keep them in *database*."""
        self._database = database
        self._quota_bytes = quota_bytes
        self._quotas = Quotas(quota_bytes)

    async def begin(
        self,
        project_id: UUID,
        user_id: UUID,
        wanted: BeginUpload,
        *,
        life_s: float,
        direct_key: str | None,
    ) -> tuple[Row, Upload]:
        """Begin an upload, or find it; one whose bytes the project has is done at once.

        Raises:
            errors.QuotaExceeded: The project may not keep that much more.
            errors.LimitReached: OPEN_UPLOADS_MAX are open.
            errors.Conflict: The id stands for another upload.
        """

        async def work(connection: Connection) -> tuple[Row, Upload]:
            where = wanted.upload_id, project_id
            row = await connection.fetchrow(SQL.lock_upload, *where)
            if row is None:
                await self._quotas.require_begin(connection, project_id, wanted)
                row = await connection.fetchrow(
                    SQL.put_upload,
                    *where,
                    user_id,
                    wanted.size,
                    wanted.sha256,
                    wanted.file_name,
                    wanted.media_type,
                    wanted.asset_type,
                    wanted.resumable,
                    direct_key,
                    life_s,
                    wanted.metadata,
                )
                if row is None:
                    # Another request was first at this moment.
                    row = await connection.fetchrow(SQL.lock_upload, *where)
                if row is not None and direct_key is not None and row["direct_key"] == direct_key:
                    # An object that a client writes is never a blob's own object.
                    await connection.execute(
                        SQL.doom, direct_key, project_id, "hot", life_s + LATE_S, "direct"
                    )
            said = (wanted.size, wanted.sha256, wanted.resumable)
            if row is None or row["user_id"] != user_id:
                raise errors.Conflict("This id stands for another upload.")
            _require_not_refused(row)
            if row["blob_sha256"] is None and (
                (row["size"], row["sha256"], row["resumable"]) != said
            ):
                raise errors.Conflict("This id stands for an upload with other properties.")
            if row["blob_sha256"] is not None:
                return row, await self._told(connection, row)
            return row, await self._known(connection, row)

        row, upload = await self._database.transact(work)
        if row["blob_sha256"] is None and upload.blob is not None:
            # Behind the commit, and not when it is only told again.
            metrics.uploads.labels("deduplicated").inc()
            metrics.deduplicated_bytes.inc(upload.blob.size)
        return row, upload

    async def find(self, project_id: UUID, upload_id: UUID) -> tuple[Row, Upload]:
        """Return an upload.

        Raises:
            errors.NotFound: There is none, or it was too long ago.
            errors.Gone: The upload was refused for good; `refusal` says why.
        """
        row = _require_open(await self._database.row(SQL.upload, upload_id, project_id))
        blob = None
        if row["blob_sha256"] is not None:
            blob = await self._database.row(SQL.blob, project_id, row["blob_sha256"])
        return row, upload_of(row, blob)

    async def cancel(self, project_id: UUID, user_id: UUID, upload_id: UUID) -> None:
        """Delete an upload of *user_id*, with its bytes."""

        async def work(connection: Connection) -> None:
            row = await connection.fetchrow(SQL.lock_upload, upload_id, project_id)
            if row is not None and row["user_id"] == user_id:
                await self._forget(connection, row["id"], row["project_id"], "cancelled")

        await self._database.transact(work)

    async def commit(self, project_id: UUID, upload_id: UUID, stored: Stored) -> Upload:
        """Make what was stored a blob. Done by another attempt already, that is the answer.

        Raises:
            errors.NotFound: The upload was cancelled or has expired.
            errors.Conflict: It was done with other bytes.
            errors.QuotaExceeded: The project may not keep that much more.
        """

        async def work(connection: Connection) -> Upload:
            row = await connection.fetchrow(SQL.lock_upload, upload_id, project_id)
            if row is None:
                raise errors.NotFound("There is no such upload, or it has expired.")
            if row["blob_sha256"] is None:
                return await commit(connection, row, stored, quota_bytes=self._quota_bytes)
            await doom(connection, project_id, stored.key, "duplicate")
            if row["blob_sha256"] != stored.sha256:
                raise errors.Conflict("This upload has ended with other bytes.")
            return await self._told(connection, row)

        return await self._database.transact(work)

    async def add_piece(
        self, project_id: UUID, upload_id: UUID, *, start: int, length: int, digest: bytes, key: str
    ) -> Upload:
        """Record that *length* more bytes arrived, stored under *key*.

        Raises:
            errors.NotFound: The upload was cancelled or has expired.
            errors.Conflict: Its offset is another one by now; `offset` says which.
            errors.QuotaExceeded, errors.LimitReached: No more may be sent.
        """

        async def work(connection: Connection) -> Upload:
            where = upload_id, project_id
            row = require_offset(await connection.fetchrow(SQL.lock_upload, *where), start)
            pieces = await connection.fetchval(SQL.count_pieces, *where)
            if pieces >= PIECES_MAX:
                raise errors.LimitReached(
                    f"An upload has at most {PIECES_MAX:,} pieces. Begin it anew with larger ones.",
                    limit=PIECES_MAX,
                )
            await self._quotas.require_piece(connection, row, length)
            if not await connection.fetchval(SQL.release, key, project_id):
                raise errors.Unavailable("Storing this took too long; try again.")
            await connection.execute(SQL.put_piece, *where, start, length, digest, key)
            row = await connection.fetchrow(SQL.move_offset, *where, start + length, AGAIN_S_MIN)
            assert row is not None
            return upload_of(row, None)

        return await self._database.transact(work)

    async def set_size(
        self, project_id: UUID, upload_id: UUID, start: int, size: int
    ) -> tuple[Row, Upload]:
        """Record how long an upload at *start* will be, which was not told when it began.

        Raises:
            errors.NotFound, errors.Gone: It is over.
            errors.Conflict: Its offset is another one; `offset` says which.
            errors.Invalid: Another size was declared before, or more bytes were received.
            errors.TooLarge, errors.QuotaExceeded: That is too much.
        """

        async def work(connection: Connection) -> Row:
            where = upload_id, project_id
            row = _require_open(await connection.fetchrow(SQL.lock_upload, *where))
            if row["size"] == size:
                return row
            if row["size"] is not None:
                raise _wrong_length("differs from the declared one")
            require_offset(row, start)
            if size < row["offset"]:
                raise _wrong_length("is less than the bytes received")
            if size > BLOB_BYTES_MAX:
                raise errors.TooLarge(limitBytes=BLOB_BYTES_MAX)
            await self._quotas.require_piece(connection, row, size - row["offset"])
            row = await connection.fetchrow(SQL.set_size, *where, size, AGAIN_S_MIN)
            assert row is not None
            return row

        row = await self._database.transact(work)
        return row, upload_of(row, None)

    async def refuse(self, project_id: UUID, upload_id: UUID, refusal: errors.AppError) -> None:
        """Refuse an upload for good and delete its bytes; do nothing if it has ended."""

        async def work(connection: Connection) -> None:
            where = upload_id, project_id
            row = await connection.fetchrow(SQL.lock_upload, *where)
            if row is None or row["blob_sha256"] is not None or row["refusal"] is not None:
                return
            await connection.execute(SQL.doom_pieces, *where, "refused")
            said = {"code": refusal.code, "detail": refusal.detail, **refusal.data}
            await connection.execute(SQL.refuse_upload, *where, said, UPLOAD_KEPT_S)

        await self._database.transact(work)

    async def take_received(self, limit: int) -> list[Row]:
        """Return uploads that have arrived, are due and not finished; they are due later then."""
        return await self._database.rows(SQL.take_received, limit, AGAIN_S_MIN, AGAIN_S_MAX)

    async def count_received(self) -> int:
        """Return how many uploads wait to be finished although that was tried."""
        row = await self._database.row(SQL.count_received)
        return row[0] if row else 0

    async def pieces(self, project_id: UUID, upload_id: UUID) -> list[Row]:
        """Return what arrived of an upload, in order."""
        return await self._database.rows(SQL.pieces, upload_id, project_id)

    async def lease(self, project_id: UUID, key: str, reason: str, tier: str) -> None:
        """Write down a key before anything is stored under it."""
        await self._execute(SQL.lease, key, project_id, tier, LEASE_S, reason)

    async def renew(self, project_id: UUID, key: str) -> None:
        """Say that the writer of a key lives.

        Raises:
            errors.Unavailable: It was taken for dead.
        """
        if await self._database.row(SQL.renew, key, project_id, LEASE_S) is None:
            raise errors.Unavailable("Storing this took too long; try again.")

    async def give_up(self, project_id: UUID, key: str, tier: str) -> None:
        """Have what was stored under a leased key deleted now."""
        await self._execute(SQL.doom, key, project_id, tier, 0.0, "given_up")

    async def let_be(self, project_id: UUID, key: str) -> None:
        """Forget a leased key, under which there is nothing of ours to delete."""
        await self._execute(SQL.release, key, project_id)

    async def expire(self, limit: int) -> int:
        """Forget uploads whose time is over, at most *limit*; returns how many."""

        async def work(connection: Connection) -> int:
            rows = await connection.fetch(SQL.expired_uploads, limit)
            for row in rows:
                await self._forget(connection, row["id"], row["project_id"], "expired")
            return len(rows)

        return await self._database.transact(work)

    async def _execute(self, query: str, *args: object) -> None:
        await self._database.rows(query, *args)

    async def _forget(
        self, connection: Connection, upload_id: UUID, project_id: UUID, reason: str
    ) -> None:
        await connection.execute(SQL.doom_pieces, upload_id, project_id, reason)
        await connection.execute(SQL.forget_upload, upload_id, project_id)

    async def _known(self, connection: Connection, row: Row) -> Upload:
        """Finish an upload of declared bytes that the project has."""
        if row["sha256"] is None:
            return upload_of(row, None)
        rows = await connection.fetch(SQL.lock_blobs, row["project_id"], [row["sha256"]])
        blob = rows[0] if rows else None
        if (
            blob is None
            or blob["state"] not in {BlobState.LIVE, BlobState.CONDEMNED}
            or row["size"] not in {None, blob["size"]}
        ):
            return upload_of(row, None)
        blob = await rescue(connection, blob, row["user_id"], row["asset_type"])
        return await finish(connection, row, blob, deduplicated=True)

    async def _told(self, connection: Connection, row: Row) -> Upload:
        blob = None
        if row["blob_sha256"] is not None:
            blob = await connection.fetchrow(SQL.blob, row["project_id"], row["blob_sha256"])
        return upload_of(row, blob)


def require_offset(row: Row | None, start: int) -> Row:
    """Return an open upload that is at *start*.

    Raises:
        errors.NotFound: It was cancelled or has expired.
        errors.Gone: It was refused.
        errors.Conflict: It is elsewhere, or done.
    """
    row = _require_open(row)
    if row["blob_sha256"] is not None or row["offset"] != start:
        raise errors.Conflict("The upload is at another offset.", offset=row["offset"])
    return row


def room_left(row: Row) -> int:
    """Return how many bytes an upload may still bring."""
    whole = BLOB_BYTES_MAX if row["size"] is None else row["size"]
    return whole - row["offset"]


def _require_open(row: Row | None) -> Row:
    """Return an upload that may still become something, or has.

    Raises:
        errors.NotFound: There is none, or its time is over.
        errors.Gone: It was refused.
    """
    if row is None or row["expires_at"] <= datetime.now(UTC):
        raise errors.NotFound("There is no such upload, or it has expired.")
    _require_not_refused(row)
    return row


def _require_not_refused(row: Row) -> None:
    if row["refusal"] is not None:
        detail = f"This upload was refused: {row['refusal']['detail']}"
        raise errors.Gone(detail, refusal=row["refusal"])


def _wrong_length(detail: str) -> errors.Invalid:
    return errors.Invalid(errors=[{"field": "header.Upload-Length", "detail": detail}])
