"""The bytes of the files of packages: copied between projects within blobs, and claimed.

Missing or damaged bytes are left out: a copy of a project does not fail because a file was damaged
years ago.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import structlog

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.blobs.copies import (
    COPY_BLOB,
    COPY_DEADLINE_S,
    RELEASE_BLOBS,
    CopyBlob,
    ReleaseBlobs,
)
from libs.contracts.blobs.transfers import CLAIM_BLOB, ClaimBlob
from libs.contracts.ids import new_id
from libs.postgres import Connection, Pool
from services.events.workspaces.store import SQL

log = structlog.get_logger(__name__)

AT_ONCE = 4
"""Concurrent copies or claims; few, so that people at work hardly notice."""
CLAIM_DEADLINE_S = 10.0
CLAIMS_PAGE = 1_000
PLACES_AT_ONCE = 20

type Progress = Callable[[int, int], Awaitable[None]]
"""Is called with the number of files done, and of all files."""


class PackageBytes:
    """Copies, claims and releases bytes by requests to blobs."""

    def __init__(self, caller: Caller) -> None:
        """Send requests over *caller*."""
        self._caller = caller

    async def copy(
        self, connection: Connection, package_id: UUID, actor: Actor, progress: Progress
    ) -> frozenset[str]:
        """Copy the bytes of a package to the actor's project; return those that are missing.

        Raises:
            errors.QuotaExceeded, errors.StorageFull: There is no space for them.
            errors.Unavailable: Blobs is not available; copied bytes stay.
        """
        total: int = await connection.fetchval(SQL.bytes_count, package_id) or 0
        done, after, missing = 0, "", set[str]()
        while rows := await connection.fetch(SQL.bytes, package_id, after, AT_ONCE):
            asked = (self._copy(row["place"], row["sha256"], row["size"], actor) for row in rows)
            copied = await asyncio.gather(*asked)
            for row, is_there in zip(rows, copied, strict=True):
                if not is_there:
                    missing.add(row["sha256"])
                elif package_id == actor.project_id:
                    await connection.execute(SQL.move_bytes, package_id, row["sha256"], package_id)
            done, after = done + len(rows), rows[-1]["sha256"]
            await progress(done, total)
        return frozenset(missing)

    async def bring(self, place: UUID, sizes: Mapping[str, int], actor: Actor) -> set[str]:
        """Copy bytes of another project to the actor's; return those that were copied."""
        brought: set[str] = set()
        for sha256, size in sizes.items():
            if await self._copy(place, sha256, size, actor):
                brought.add(sha256)
        return brought

    async def claim(self, sha256: str, entity_id: UUID, actor: Actor) -> UUID:
        """Claim bytes of the actor's project for a future entity; return the id of the claim.

        Raises:
            errors.Unavailable: Blobs is not available, or just deleted the bytes: copy them again.
        """
        claim_id = new_id()
        question = ClaimBlob(claim_id=claim_id, sha256=sha256, source="entity", source_id=entity_id)
        try:
            await self._caller.ask(CLAIM_BLOB, question, actor, deadline_s=CLAIM_DEADLINE_S)
        except (errors.NotFound, errors.BlobUnavailable, errors.BlobDamaged) as error:
            raise errors.Unavailable from error
        return claim_id

    async def claim_all(
        self,
        pool: Pool,
        package_id: UUID,
        entity_of: Callable[[int], UUID],
        actor: Actor,
        *,
        missing: frozenset[str],
    ) -> dict[int, UUID]:
        """Claim the bytes of all files but those *missing*; return the claims by number."""
        claims: dict[int, UUID] = {}
        after = 0
        while rows := await pool.fetch(SQL.files, package_id, after, CLAIMS_PAGE):
            there = [row for row in rows if row["sha256"] not in missing]
            for start in range(0, len(there), AT_ONCE):
                some = there[start : start + AT_ONCE]
                asked = (self.claim(r["sha256"], entity_of(r["number"]), actor) for r in some)
                found = await asyncio.gather(*asked)
                claims |= {row["number"]: each for row, each in zip(some, found, strict=True)}
            after = rows[-1]["number"]
        return claims

    async def release(self, pool: Pool) -> None:
        """Tell blobs which projects' bytes are no longer needed; retried later on failure."""
        for row in await pool.fetch(SQL.released, PLACES_AT_ONCE):
            nobody = Actor(user_id=UUID(int=0), project_id=row["place"])
            try:
                await self._caller.ask(RELEASE_BLOBS, ReleaseBlobs(), nobody)
            except errors.Unavailable:
                return
            await pool.execute(SQL.forget_released, row["place"])

    async def _copy(self, place: UUID, sha256: str, size: int, actor: Actor) -> bool:
        """Copy bytes; return whether they exist and were copied."""
        if place == actor.project_id:
            return True
        question = CopyBlob(source_project_id=place, sha256=sha256)
        try:
            copied = await self._caller.ask(COPY_BLOB, question, actor, deadline_s=COPY_DEADLINE_S)
        except (errors.NotFound, errors.BlobUnavailable, errors.BlobDamaged) as error:
            log.info(
                "a file was left out of a copy", place=str(place), sha256=sha256, code=error.code
            )
            return False
        # The size in the package was not checked until now.
        return copied.blob.size == size
