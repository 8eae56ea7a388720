"""The SQL of collection; every change checks its conditions again under its locks."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from libs.postgres import Connection, Pool, load_queries
from libs.tasks import passed
from services.blobs.collection import metrics
from services.blobs.collection.model import Candidate, Place, Policy
from services.blobs.store.database import Database, fact, record

SQL = load_queries("services.blobs.collection")

_LONG_AGO = datetime.min.replace(year=1000, tzinfo=UTC)
type Since = tuple[datetime, UUID, str]
EARLIEST: Since = (_LONG_AGO, UUID(int=0), "")


class CollectionStore:
    """Marks, condemns, rescues and collects."""

    def __init__(self, pool: Pool, policy: Policy) -> None:
        """Work on *pool* as *policy* says."""
        self._pool = pool
        self._database = Database(pool)
        self._policy = policy
        self._kinds = [kind.value for kind in policy.retention]
        self._kept = list(policy.retention.values())

    async def unreferenced(
        self, after: Place, limit: int, project_id: UUID | None
    ) -> tuple[list[Candidate], int, Place | None]:
        """Look at the next *limit* blobs; return what is due, how many there were, the last one."""
        rows = await self._pool.fetch(
            SQL.unreferenced,
            after.project_id,
            after.sha256,
            limit,
            self._kinds,
            self._kept,
            self._policy.claim_window,
            project_id,
        )
        if not rows:
            return [], 0, None
        last = rows[-1]
        due = [_candidate(r, "touched_at") for r in rows if r["is_due"]]
        return due, rows[-1]["looked_at"], Place(last["project_id"], last["sha256"])

    async def condemn(self, found: Sequence[Candidate]) -> list[Candidate]:
        """Condemn those of *found* that are still due, except locked ones."""

        async def work(connection: Connection) -> list[Candidate]:
            ours = await connection.fetch(
                SQL.lock_blobs, [b.project_id for b in found], [b.sha256 for b in found]
            )
            rows = await connection.fetch(
                SQL.condemn,
                [row["project_id"] for row in ours],
                [row["sha256"] for row in ours],
                self._kinds,
                self._kept,
                self._policy.claim_window,
            )
            done = [_candidate(r, "touched_at") for r in rows]
            await record(
                connection,
                [
                    fact(
                        "blob.condemned",
                        b.project_id,
                        b.sha256,
                        {"size": b.size, "unreferencedSince": b.since.isoformat()},
                        None,
                    )
                    for b in done
                ],
            )
            return done

        return await self._database.transact(work)

    async def condemned(
        self, after: Since, limit: int, project_id: UUID | None
    ) -> tuple[list[Candidate], Since | None]:
        """Return the next blobs whose grace is over, and where to go on."""
        rows = await self._pool.fetch(
            SQL.condemned,
            self._policy.grace,
            *after,
            limit,
            project_id,
            self._kinds,
            self._kept,
        )
        if not rows:
            return [], None
        last = rows[-1]
        return [_candidate(r, "since") for r in rows], (
            last["since"],
            last["project_id"],
            last["sha256"],
        )

    async def old_claims(self, project_id: UUID, sha256s: list[str]) -> list[UUID]:
        """Return open claims on these that may be asked about."""
        rows = await self._pool.fetch(
            SQL.old_claims, project_id, sha256s, self._policy.claim_window
        )
        return [row["id"] for row in rows]

    async def settle(self, project_id: UUID, claim_id: UUID, *, used: bool) -> None:
        """Note what events said of a claim."""
        await self._pool.execute(SQL.settle_claim, project_id, claim_id, used)

    async def rescue(self, project_id: UUID, sha256s: list[str], why: str) -> list[str]:
        """Take condemned blobs back; returns which were."""

        async def work(connection: Connection) -> list[str]:
            return await rescue(connection, project_id, sha256s, why)

        return await self._database.transact(work)

    async def collect(
        self, project_id: UUID, found: Sequence[Candidate]
    ) -> tuple[set[str], set[str]]:
        """Check for the last time and delete; return the deleted and the rescued blobs."""

        async def work(connection: Connection) -> tuple[set[str], set[str]]:
            ours = [
                row["sha256"]
                for row in await connection.fetch(
                    SQL.lock_blobs, [project_id] * len(found), [b.sha256 for b in found]
                )
            ]
            kept, _ = _standing(await connection.fetch(SQL.standing, project_id, ours))
            await rescue(connection, project_id, sorted(kept), "something refers to it")
            rows = await connection.fetch(
                SQL.collect,
                project_id,
                ours,
                self._policy.grace,
                self._policy.reading,
                self._kinds,
                self._kept,
            )
            await record(
                connection,
                [
                    fact("blob.collected", project_id, r["sha256"], _last_words(r), None)
                    for r in rows
                ],
            )
            passed("collection.collecting")
            metrics.collected_bytes.inc(sum(row["size"] for row in rows))
            return {row["sha256"] for row in rows}, kept

        return await self._database.transact(work)

    async def standing(self, project_id: UUID, sha256s: list[str]) -> tuple[set[str], set[str]]:
        """Return which of these something refers to, and which have an open claim."""
        return _standing(await self._pool.fetch(SQL.standing, project_id, sha256s))

    async def forget_claims(self, kept: timedelta, limit: int) -> int:
        """Delete claims that were settled long ago; returns how many."""
        status = await self._pool.execute(SQL.forget_claims, kept, limit)
        return int(status.rpartition(" ")[2])


def _candidate(row: asyncpg.Record, since: str) -> Candidate:
    return Candidate(
        row["project_id"], row["sha256"], row["size"], row["asset_type"], row[since], row["used_as"]
    )


def _last_words(row: asyncpg.Record) -> dict[str, Any]:
    condemned_at: datetime | None = row["condemned_at"]
    return {
        "size": row["size"],
        "storedSize": row["stored_size"],
        "key": row["key"],
        "assetType": row["asset_type"],
        "was": row["state"],
        "unreferencedSince": row["touched_at"].isoformat(),
        "condemnedAt": condemned_at.isoformat() if condemned_at else None,
    }


def _standing(rows: Sequence[asyncpg.Record]) -> tuple[set[str], set[str]]:
    referred = {row["sha256"] for row in rows if row["is_referred"]}
    return referred, {row["sha256"] for row in rows if row["is_claimed"]}


async def rescue(
    connection: Connection, project_id: UUID, sha256s: list[str], why: str
) -> list[str]:
    """Take condemned blobs back within the caller's transaction; returns which were."""
    rows = await connection.fetch(SQL.rescue, project_id, sha256s)
    await record(
        connection,
        [fact("blob.rescued", project_id, r["sha256"], {"why": why}, None) for r in rows],
    )
    return [row["sha256"] for row in rows]
