"""The transaction in which bytes become a blob."""

from dataclasses import dataclass
from uuid import UUID

from libs import errors
from libs.contracts.blobs.transfers import BlobState, Codec, Upload
from libs.postgres import Connection
from services.blobs.model.frames import LEVEL, Frame
from services.blobs.store.database import SQL, Row, blob_of, fact, record

UPLOAD_KEPT_S = 86_400.0
"""Time for which a finished upload is remembered, for clients that ask again."""
READERS_S = 3600.0
"""Time for which a replaced object stays for readers that have begun."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The object that an attempt stored under its key. Sizes are bytes."""

    key: str
    sha256: str
    size: int
    stored_size: int
    codec: Codec
    media_type: str
    charset: str | None
    frames: list[Frame]

    @property
    def level(self) -> int | None:
        """The level of compression, if any."""
        return LEVEL if self.codec is Codec.ZSTD else None


async def commit(
    connection: Connection, upload: Row, stored: Stored, *, quota_bytes: int | None
) -> Upload:
    """Make *stored* a blob and finish *upload*, which is locked and open.

    Raises:
        errors.QuotaExceeded: The project may not keep that much more.
        errors.Unavailable: The key was taken for one whose writer died.
    """
    project_id, user_id = upload["project_id"], upload["user_id"]
    row = await connection.fetchrow(
        SQL.put_blob,
        project_id,
        stored.sha256,
        stored.size,
        stored.stored_size,
        stored.codec,
        stored.level,
        stored.media_type,
        upload["asset_type"],
        stored.key,
        user_id,
        stored.charset,
    )
    if row:
        await _put_frames(connection, project_id, stored)
        await _name(connection, project_id, stored.key)
        told = fact("blob.uploaded", project_id, stored.sha256, _said(row), user_id)
        await record(connection, [told])
        done = await finish(connection, upload, row, deduplicated=False)
        # Last, because all uploads of a project meet here.
        await _charge(connection, project_id, stored.size, stored.stored_size, 1, quota_bytes)
        return done
    row = (await connection.fetch(SQL.lock_blobs, project_id, [stored.sha256]))[0]
    if row["state"] not in {BlobState.LIVE, BlobState.CONDEMNED}:
        return await _replace(connection, upload, row, stored, quota_bytes)
    row = await rescue(connection, row, user_id, upload["asset_type"])
    await doom(connection, project_id, stored.key, "duplicate")
    return await finish(connection, upload, row, deduplicated=True)


async def rescue(
    connection: Connection, row: Row, user_id: UUID, used_as: str | None = None
) -> Row:
    """Keep a blob, whose row is locked, because a request refers to it; return its new row.

    Its asset type in that request counts for the retention.
    """
    project_id, sha256 = row["project_id"], row["sha256"]
    kept = await connection.fetchrow(SQL.touch_blob, project_id, sha256, used_as)
    assert kept is not None
    if row["state"] == BlobState.CONDEMNED:
        await record(connection, [fact("blob.rescued", project_id, sha256, {}, user_id)])
    return kept


async def finish(connection: Connection, upload: Row, blob: Row, *, deduplicated: bool) -> Upload:
    """Record the blob that an open upload became, and delete the pieces of the upload."""
    where = upload["id"], upload["project_id"]
    row = await connection.fetchrow(
        SQL.finish_upload, *where, blob["sha256"], blob["size"], deduplicated, UPLOAD_KEPT_S
    )
    assert row is not None
    if upload["resumable"]:
        await connection.execute(SQL.doom_pieces, *where, "piece")
    return upload_of(row, blob)


async def doom(
    connection: Connection, project_id: UUID, key: str, reason: str, *, after_s: float = 0.0
) -> None:
    """Have an object in storage deleted that no row names any more."""
    await connection.execute(SQL.doom, key, project_id, "hot", after_s, reason)


def upload_of(row: Row, blob: Row | None) -> Upload:
    """Return what the contract tells of a row of `uploads`."""
    return Upload(
        id=row["id"],
        size=row["size"],
        offset=row["offset"],
        expires_at=row["expires_at"],
        blob=blob_of(blob) if blob else None,
        resumable=row["resumable"],
        metadata=row["metadata"],
        deduplicated=row["deduplicated"],
    )


async def _replace(
    connection: Connection, upload: Row, old: Row, stored: Stored, quota_bytes: int | None
) -> Upload:
    """Bytes that were gone, away or damaged are here again."""
    project_id, sha256 = old["project_id"], old["sha256"]
    row = await connection.fetchrow(
        SQL.replace_bytes,
        project_id,
        sha256,
        stored.stored_size,
        stored.codec,
        stored.level,
        stored.key,
        stored.media_type,
        upload["asset_type"],
        stored.charset,
    )
    assert row is not None
    await connection.execute(SQL.drop_frames, project_id, sha256)
    await _put_frames(connection, project_id, stored)
    await connection.execute(SQL.resolve_damage, project_id, sha256)
    await _name(connection, project_id, stored.key)
    if old["key"] is not None:
        await connection.execute(
            SQL.doom, old["key"], project_id, old["tier"], READERS_S, "replaced"
        )
    said = _said(row) | {"was": old["state"]}
    await record(connection, [fact("blob.uploaded", project_id, sha256, said, upload["user_id"])])
    done = await finish(connection, upload, row, deduplicated=False)
    if old["state"] == BlobState.COLLECTED:
        await _charge(connection, project_id, stored.size, stored.stored_size, 1, quota_bytes)
    else:
        more = stored.stored_size - old["stored_size"]
        await _charge(connection, project_id, 0, more, 0, None)
    return done


async def _put_frames(connection: Connection, project_id: UUID, stored: Stored) -> None:
    frames = stored.frames
    await connection.execute(
        SQL.put_frames,
        project_id,
        stored.sha256,
        [frame.start for frame in frames],
        [frame.length for frame in frames],
        [frame.digest for frame in frames],
    )


async def _charge(  # noqa: PLR0917 (in the order of the columns)
    connection: Connection,
    project_id: UUID,
    size: int,
    stored_size: int,
    blobs: int,
    quota_bytes: int | None,
) -> None:
    row = await connection.fetchrow(SQL.charge, project_id, size, stored_size, blobs)
    assert row is not None
    allowed = quota_bytes if row["quota_bytes"] is None else row["quota_bytes"]
    if size and allowed is not None and row["bytes"] > allowed:
        raise errors.QuotaExceeded(quotaBytes=allowed, neededBytes=row["bytes"])


async def _name(connection: Connection, project_id: UUID, key: str) -> None:
    """Take a key that has a row now out of those to be deleted."""
    if not await connection.fetchval(SQL.release, key, project_id):
        raise errors.Unavailable("Storing this took too long; try again.")


def _said(blob: Row) -> dict[str, object]:
    return {
        "size": blob["size"],
        "storedSize": blob["stored_size"],
        "mediaType": blob["media_type"],
        "assetType": blob["asset_type"],
    }
