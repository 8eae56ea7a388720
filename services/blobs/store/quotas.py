"""The quota of a project: checked before bytes arrive, decided by the commit."""

from uuid import UUID

from libs import errors
from libs.contracts.blobs.transfers import BeginUpload, BlobState
from libs.postgres import Connection
from services.blobs.store.database import SQL, Row

OPEN_UPLOADS_MAX = 1000
"""Open uploads of a project."""


class Quotas:
    """The quotas of all projects.

    Bytes that a project keeps count once, also when it is full: it may send them again, rescue a
    condemned blob with them, and repair a damaged one.
    """

    def __init__(self, quota_bytes: int | None) -> None:
        """Projects without a quota of their own may keep *quota_bytes*."""
        self._quota_bytes = quota_bytes

    async def require_begin(
        self, connection: Connection, project_id: UUID, wanted: BeginUpload
    ) -> None:
        """Refuse an upload whose bytes are new and too many.

        Raises:
            errors.QuotaExceeded: The project may not keep that much more.
            errors.LimitReached: OPEN_UPLOADS_MAX are open.
        """
        room = await self._room(connection, project_id)
        if room["uploads"] >= OPEN_UPLOADS_MAX:
            raise errors.LimitReached(
                f"The project has {OPEN_UPLOADS_MAX:,} open uploads, the most that it may have."
                " Finish or delete one.",
                limit=OPEN_UPLOADS_MAX,
            )
        size = wanted.size or 0
        if wanted.sha256 is not None:
            kept = await _is_kept(connection, project_id, wanted.sha256, wanted.size)
        else:
            # A whole upload may be a blob that is stored already and needs no room, unless it is
            # larger than all of those.
            kept = not wanted.resumable and size <= room["kept"]
        if not kept:
            _require(room, size)

    async def require_piece(self, connection: Connection, upload: Row, length: int) -> None:
        """Refuse the next *length* bytes of an open upload when there is no room for them.

        Raises:
            errors.QuotaExceeded: The project may not keep that much more.
        """
        project_id, sha256, size = upload["project_id"], upload["sha256"], upload["size"]
        if None in {sha256, size} or not await _is_kept(connection, project_id, sha256, size):
            _require(await self._room(connection, project_id), length)

    async def _room(self, connection: Connection, project_id: UUID) -> Row:
        room = await connection.fetchrow(SQL.room, project_id, self._quota_bytes)
        assert room is not None
        return room


async def _is_kept(connection: Connection, project_id: UUID, sha256: str, size: int | None) -> bool:
    """Return whether these are bytes for which the project is charged already."""
    blob = await connection.fetchrow(SQL.blob, project_id, sha256)
    return (
        blob is not None and blob["state"] != BlobState.COLLECTED and size in {None, blob["size"]}
    )


def _require(room: Row, size: int) -> None:
    needed, allowed = room["bytes"] + size, room["quota_bytes"]
    if allowed is not None and needed > allowed:
        raise errors.QuotaExceeded(quotaBytes=allowed, neededBytes=needed)
