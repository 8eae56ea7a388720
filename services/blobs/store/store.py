"""The store of blobs, claims, quotas, keys of tickets and damage."""

import secrets
from uuid import UUID

from libs import errors
from libs.contracts.blobs.transfers import ClaimBlob, Usage
from libs.contracts.ids import new_id
from libs.postgres import Connection, Pool
from libs.tasks import passed
from services.blobs.model.frames import Frame, Span
from services.blobs.model.tickets import Key
from services.blobs.store.committing import rescue
from services.blobs.store.database import SQL, Database, Row, fact, record, require_bytes
from services.blobs.store.paths import PathStore
from services.blobs.store.uploads import UploadStore

KEY_LIFE_S = 7 * 86_400.0
"""Time for which a ticket key signs before the next one does."""
KEY_KEPT_S = 2 * KEY_LIFE_S + 86_400.0
"""Its tickets live at most URL_TTL_S_MAX, a week, after it signed the last."""
SECRET_BYTES = 32


class Store:
    """The database of the blobs service."""

    def __init__(self, pool: Pool, *, quota_bytes: int | None = None) -> None:
        """Work on *pool*; projects without a quota of their own may keep *quota_bytes*."""
        self.database = Database(pool)
        self.uploads = UploadStore(self.database, quota_bytes)
        self.paths = PathStore(self.database)
        self._quota_bytes = quota_bytes

    async def blob(self, project_id: UUID, sha256: str) -> Row:
        """Return the row of a blob, whatever its state.

        Raises:
            errors.NotFound: The project never had it.
            errors.Unavailable: The database is away.
        """
        row = await self.database.row(SQL.blob, project_id, sha256)
        if row is None:
            raise errors.NotFound
        return row

    async def frames(self, blob: Row, span: Span) -> list[Frame]:
        """Return the frames of a span, in order."""
        rows = await self.database.rows(
            SQL.frames, blob["project_id"], blob["sha256"], span.first, span.last
        )
        return [Frame(**dict(row)) for row in rows]

    async def ask_return(self, project_id: UUID, sha256: str) -> None:
        """Ask for an archived blob."""

        async def work(connection: Connection) -> None:
            await connection.execute(SQL.ask_return, project_id, sha256)

        await self.database.transact(work)

    async def claim(self, project_id: UUID, user_id: UUID, claim: ClaimBlob) -> Row:
        """Keep a blob for something that will refer to it; returns its row.

        Raises:
            errors.AppError: As `require_bytes`.
            errors.Conflict: The claim is for something else, or was settled.
        """
        wanted = (claim.sha256, claim.source, claim.source_id)

        async def work(connection: Connection) -> Row:
            rows = await connection.fetch(SQL.lock_blobs, project_id, [claim.sha256])
            blob = require_bytes(rows[0] if rows else None)
            await connection.execute(SQL.put_claim, claim.claim_id, project_id, *wanted, user_id)
            row = await connection.fetchrow(SQL.claim, claim.claim_id, project_id)
            if row is None or (row["sha256"], row["source"], row["source_id"]) != wanted:
                raise errors.Conflict("This claim is for another blob or thing.")
            if row["settled_at"] is not None and not row["used"]:
                raise errors.Conflict("This claim was refused; draw another id.")
            kept = await rescue(connection, blob, user_id)
            passed("claim.recorded")
            return kept

        row = await self.database.transact(work)
        passed("claim.committed")
        return row

    async def usage(self, project_id: UUID) -> Usage:
        """Return what a project keeps and may keep."""
        row = await self.database.row(SQL.account, project_id, self._quota_bytes)
        assert row is not None
        return Usage(
            bytes_=row["bytes"],
            stored_bytes=row["stored_bytes"],
            blobs=row["blobs"],
            quota_bytes=row["quota_bytes"],
        )

    async def set_quota(self, project_id: UUID, quota_bytes: int | None) -> None:
        """Set the quota of a project; None for the default."""

        async def work(connection: Connection) -> None:
            await connection.execute(SQL.set_quota, project_id, quota_bytes)

        await self.database.transact(work)

    async def ticket_keys(self) -> list[Key]:
        """Return the keys of tickets, the one that signs first; makes a new one when it is time."""

        async def work(connection: Connection) -> list[Key]:
            await connection.execute(SQL.lock_ticket_keys)
            await connection.execute(
                SQL.put_ticket_key, secrets.token_bytes(SECRET_BYTES), KEY_LIFE_S
            )
            await connection.execute(SQL.forget_ticket_keys, KEY_KEPT_S)
            rows = await connection.fetch(SQL.ticket_keys)
            return [Key(row["id"], row["secret"]) for row in rows]

        return await self.database.transact(work)

    async def mend(self, blob: Row) -> Row | None:
        """Take a blob out of quarantine whose object was found sound; returns its row.

        None when it was mended otherwise, or collected, meanwhile.
        """
        project_id, sha256 = blob["project_id"], blob["sha256"]

        async def work(connection: Connection) -> Row | None:
            row = await connection.fetchrow(SQL.mend_blob, project_id, sha256, blob["key"])
            if row is None:
                return None
            await connection.execute(SQL.resolve_damage, project_id, sha256)
            await record(
                connection, [fact("blob.mended", project_id, sha256, {"state": row["state"]}, None)]
            )
            return row

        return await self.database.transact(work)

    async def put_damage(self, blob: Row, *, frame: int, reason: str) -> bool:
        """Set a blob aside whose object is damaged; returns whether that is news."""
        project_id, sha256, key = blob["project_id"], blob["sha256"], blob["key"]

        async def work(connection: Connection) -> bool:
            set_aside = await connection.fetchval(SQL.quarantine_blob, project_id, sha256, key)
            if not set_aside:
                # It was replaced, collected or found before.
                return False
            await connection.execute(
                SQL.put_damage, new_id(), project_id, sha256, key, blob["tier"], frame, reason
            )
            said = {"frame": frame, "reason": reason, "was": blob["state"]}
            await record(connection, [fact("blob.damaged", project_id, sha256, said, None)])
            return True

        return await self.database.transact(work)
