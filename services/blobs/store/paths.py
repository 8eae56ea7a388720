"""Logical paths in the database: the blob of each, and its history."""

from uuid import UUID

from libs import errors
from libs.contracts.blobs.transfers import (
    BlobPath,
    DeletePath,
    ListPaths,
    PathHistory,
    Paths,
    PutPath,
)
from libs.contracts.ids import new_id
from libs.postgres import Connection
from libs.tasks import passed
from services.blobs.store.committing import rescue
from services.blobs.store.database import (
    SQL,
    Database,
    Row,
    TryAgain,
    fact,
    record,
    require_bytes,
)

SOURCE = "path"
"""Kinds of references to a blob, in `refs`."""


class PathStore:
    """The paths of all projects."""

    def __init__(self, database: Database) -> None:
        """Keep them in *database*."""
        self._database = database

    async def put(self, project_id: UUID, user_id: UUID, wanted: PutPath) -> BlobPath:
        """Point a path at a blob; the same again changes nothing.

        Raises:
            errors.AppError: As `require_bytes`.
            errors.ConcurrencyConflict: The path is at another version; `version` says which.
            errors.Conflict: It is the name of an entity's file.
        """

        async def work(connection: Connection) -> BlobPath:
            return await point(connection, project_id, user_id, wanted)

        found = await self._database.transact(work)
        passed("path.committed")
        return found

    async def delete(self, project_id: UUID, user_id: UUID, wanted: DeletePath) -> BlobPath:
        """Let a path point at nothing; one that does so already stays as it is.

        Raises:
            errors.NotFound: There is no such path.
            errors.ConcurrencyConflict: The path is at another version; `version` says which.
            errors.Conflict: It is the name of an entity's file.
        """

        async def work(connection: Connection) -> BlobPath:
            old = await connection.fetchrow(SQL.lock_path, project_id, wanted.path)
            if old is None:
                raise errors.NotFound
            if old["sha256"] is not None:
                _require_free(old, None)
                _require_version(old, wanted.base_version)
                await _end(connection, project_id, user_id, old, wanted.reason)
            return await _read(connection, project_id, wanted.path)

        return await self._database.transact(work)

    async def read(self, project_id: UUID, path: str, version: int | None) -> BlobPath:
        """Return what a path points at, or did in *version*.

        Raises:
            errors.NotFound: There is no such path or version, or it was deleted.
        """
        row = await self._database.row(SQL.path, project_id, path, version)
        if row is None or (version is None and row["sha256"] is None):
            raise errors.NotFound
        return BlobPath(**dict(row))

    async def list(self, project_id: UUID, user_id: UUID, wanted: ListPaths) -> Paths:
        """Return a page of the project's paths and of the user's own."""
        rows = await self._database.rows(
            SQL.list_paths,
            project_id,
            wanted.prefix,
            wanted.after,
            wanted.include_deleted,
            str(user_id),
            wanted.limit + 1,
        )
        return _page(rows, wanted.limit)

    async def history(self, project_id: UUID, wanted: PathHistory) -> Paths:
        """Return a page of versions of a path, the newest first."""
        rows = await self._database.rows(
            SQL.path_history, project_id, wanted.path, wanted.before, wanted.limit + 1
        )
        return _page(rows, wanted.limit)


async def point(
    connection: Connection,
    project_id: UUID,
    user_id: UUID,
    wanted: PutPath,
    entity_id: UUID | None = None,
) -> BlobPath:
    """Point a path at a blob, as the name of the file of an entity if one is given.

    Raises:
        errors.AppError: As `PathStore.put`.
        TryAgain: Another request created the path at this moment.
    """
    where = project_id, wanted.path
    old = await connection.fetchrow(SQL.lock_path, *where)
    if old is None:
        # A path refers to its blob from its first moment, so that is locked first.
        await _hold(connection, project_id, user_id, wanted, None)
        if wanted.base_version not in {None, 0}:
            raise errors.ConcurrencyConflict(
                "The path does not exist, so its version is 0.", version=0
            )
        row = await connection.fetchrow(SQL.add_path, *where, new_id(), wanted.sha256, entity_id)
        if row is None:
            raise TryAgain
        version, path_id = 1, row["id"]
    else:
        now = await _read(connection, project_id, wanted.path)
        if _is_same(now, wanted) and entity_id in {None, old["entity_id"]}:
            return now
        _require_free(old, entity_id)
        _require_version(old, wanted.base_version)
        await _hold(connection, project_id, user_id, wanted, old["sha256"])
        await connection.execute(SQL.move_path, *where, wanted.sha256, entity_id)
        version, path_id = old["version"] + 1, old["id"]
        if old["sha256"] not in {None, wanted.sha256}:
            await connection.execute(SQL.drop_ref, project_id, old["sha256"], SOURCE, path_id)
    await connection.execute(SQL.put_ref, project_id, wanted.sha256, SOURCE, path_id)
    said = (wanted.sha256, wanted.file_name, wanted.asset_type, "", user_id)
    await connection.execute(SQL.add_path_version, *where, version, *said)
    data = {
        "version": version,
        "sha256": wanted.sha256,
        "fileName": wanted.file_name,
        "assetType": wanted.asset_type,
    }
    await record(connection, [fact("path.put", project_id, wanted.path, data, user_id)])
    passed("path.pointed")
    return await _read(connection, project_id, wanted.path)


async def end_of_entity(
    connection: Connection, project_id: UUID, user_id: UUID, entity_id: UUID, besides: str | None
) -> None:
    """An entity's file no longer has the names it had, apart from *besides*."""
    for old in await connection.fetch(SQL.lock_paths_of_entity, project_id, entity_id, besides):
        await _end(connection, project_id, user_id, old, "the entity has this file no longer")


async def _end(
    connection: Connection, project_id: UUID, user_id: UUID, old: Row, reason: str
) -> None:
    """Let a path, whose row is locked, point at nothing."""
    # Retention counts from now.
    await connection.fetch(SQL.lock_blobs, project_id, [old["sha256"]])
    await connection.execute(SQL.touch_blob, project_id, old["sha256"], None)
    await connection.execute(SQL.drop_ref, project_id, old["sha256"], SOURCE, old["id"])
    await connection.execute(SQL.move_path, project_id, old["path"], None, None)
    version = old["version"] + 1
    said = (None, None, None, reason, user_id)
    await connection.execute(SQL.add_path_version, project_id, old["path"], version, *said)
    data = {"version": version, "sha256": old["sha256"], "reason": reason}
    await record(connection, [fact("path.deleted", project_id, old["path"], data, user_id)])


async def _hold(
    connection: Connection, project_id: UUID, user_id: UUID, new: PutPath, old: str | None
) -> None:
    """Lock what a path points at and will; both are in use now, or were until now."""
    wanted = [new.sha256] if old is None else [new.sha256, old]
    rows = {
        row["sha256"]: row for row in await connection.fetch(SQL.lock_blobs, project_id, wanted)
    }
    require_bytes(rows.get(new.sha256))
    for sha256, row in rows.items():
        used_as = new.asset_type if sha256 == new.sha256 else None
        await rescue(connection, row, user_id, used_as)


def _require_free(old: Row, entity_id: UUID | None) -> None:
    """Accept a move of a path by hand, unless it is the name of an entity's file."""
    if entity_id is None and old["entity_id"] is not None:
        raise errors.Conflict(
            "This is the name of an entity's file: give that another one.",
            entityId=str(old["entity_id"]),
        )


async def _read(connection: Connection, project_id: UUID, path: str) -> BlobPath:
    row = await connection.fetchrow(SQL.path, project_id, path, None)
    assert row is not None
    return BlobPath(**dict(row))


def _is_same(now: BlobPath, wanted: PutPath) -> bool:
    """Return whether a path says this already, and said the version before it when asked to."""
    same = (now.sha256, now.file_name, now.asset_type) == (
        wanted.sha256,
        wanted.file_name,
        wanted.asset_type,
    )
    return same and wanted.base_version in {None, now.version, now.version - 1}


def _require_version(row: Row, base_version: int | None) -> None:
    known = {None, row["version"]} | ({0} if row["sha256"] is None else set[int]())
    if base_version not in known:
        raise errors.ConcurrencyConflict("The path has changed.", version=row["version"])


def _page(rows: list[Row], limit: int) -> Paths:
    return Paths(paths=[BlobPath(**dict(row)) for row in rows[:limit]], more=len(rows) > limit)
