"""Damage that was found, what was done about it, and the figures beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from libs.postgres import Pool, load_queries
from services.collab.upkeep import metrics

log = structlog.get_logger(__name__)
SQL = load_queries("services.collab.upkeep")

SEVERITY = {"head": "MINOR", "compacted": "MODERATE", "log": "CRITICAL"}
"""Until it is known whether it can be repaired: a head always can, an original never."""
CHECK_ROWS = 10_000
"""Rows whose checksums are computed in one query, about 20 ms of the server."""
HISTORY_MAX = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """Damage that somebody could still do something about."""

    id: UUID
    kind: str
    seq: int


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A row that is in no document."""

    seq: int
    is_compacted: bool
    reason: str
    found_at: datetime


class Findings:
    """Speaks SQL to findings, and counts what is stored."""

    def __init__(self, pool: Pool) -> None:
        """Use *pool*."""
        self._pool = pool

    async def report(
        self, scene: UUID, kind: str, seq: int, reason: str, *, by: UUID | None = None
    ) -> None:
        """Record damage once; it stays one finding however many meet it."""
        detail = {"seq": seq, "reason": reason}
        if await self._pool.fetchval(SQL.report, scene, kind, SEVERITY[kind], detail, by):
            metrics.verification_failures.labels(kind).inc()
            log.error("damage found", scene_id=str(scene), kind=kind, seq=seq, reason=reason)

    async def open(self, scene: UUID, *, failed: bool) -> list[Finding]:
        """What is still to be done about a scene; with *failed* also what was tried in vain."""
        rows = await self._pool.fetch(SQL.findings, scene, failed)
        return [Finding(row["repair_id"], row["kind"], row["seq"]) for row in rows]

    async def settle(
        self,
        finding: Finding,
        outcome: str,
        action: str,
        *,
        severity: str | None = None,
        by: UUID | None = None,
    ) -> None:
        """Record what came of it: `repaired`, `quarantined` or `failed`."""
        await self._pool.execute(SQL.settle, finding.id, outcome, action, severity, by)
        metrics.repairs.labels(finding.kind, outcome).inc()
        log.info("damage settled", kind=finding.kind, seq=finding.seq, outcome=outcome)

    async def keep_evidence(self, finding: Finding, body: bytes) -> None:
        """Keep the bytes of what is about to be replaced."""
        await self._pool.execute(SQL.keep_evidence, finding.id, body)

    async def history(self, scene: UUID) -> list[dict[str, Any]]:
        """The newest HISTORY_MAX findings of a scene."""
        return [dict(row) for row in await self._pool.fetch(SQL.history, scene, HISTORY_MAX)]

    async def quarantined(self, scene: UUID) -> list[Quarantined]:
        """Rows of a scene that are in no document."""
        rows = await self._pool.fetch(SQL.quarantined, scene)
        return [
            Quarantined(row["seq"], row["is_compacted"], row["reason"], row["found_at"])
            for row in rows
        ]

    async def damaged_rows(
        self, scene: UUID, after: int
    ) -> tuple[int | None, int, Sequence[int], Sequence[int]]:
        """Look at some rows after *after*.

        Returns the last of them, None at the end; how many; damaged originals; damaged compacted
        rows.
        """
        row = await self._pool.fetchrow(SQL.damaged_rows, scene, after, CHECK_ROWS)
        assert row
        return row["last"], row["rows"], row["log"], row["compacted"]

    async def numbers(self, scene: UUID) -> asyncpg.Record:
        """Counts, seqs, times and bytes of a scene's log."""
        row = await self._pool.fetchrow(SQL.numbers, scene)
        assert row
        return row
