"""Verifying the whole log slowly and repeatedly, to find corrupt events before they are needed."""

import structlog
from prometheus_client import Counter, Gauge

from libs.postgres import Connection, Pool
from libs.tasks import PeriodicTask
from services.events.integrity.quarantine import open_now, quarantine_findings
from services.events.integrity.store import SQL
from services.events.model.chain import AggregateHead, ChainFinding
from services.events.store.log import count_lost_heads, read_chains, read_heads

log = structlog.get_logger(__name__)

TIME_SHARE_MAX = 0.02
"""Share of this process's time; a log of a million events takes about an hour."""
PAGE_EVENTS = 1000
ROUND_PAUSE_S = 3600.0

_verified = Counter("scriptorium_events_verified_total", "Events whose checksum was recomputed.")
_whole = Gauge(
    "scriptorium_events_verified_age_seconds",
    "How long ago the background verifier last finished with the whole log, or began.",
)
_lost_heads = Gauge(
    "scriptorium_events_lost_heads",
    "Aggregates that had events and no end of their chain when the log was last walked through.",
)


class ChainVerifier:
    """Verifies the log on a budget; any number of replicas may run it, one at a time works."""

    def __init__(
        self, pool: Pool, *, share: float = TIME_SHARE_MAX, pause_s: float = ROUND_PAUSE_S
    ) -> None:
        """Read from *pool* for at most *share* of the time; pause for *pause_s* between rounds."""
        self._pool = pool
        self.task = PeriodicTask("verify", self.step, interval_s=pause_s, duty=share)

    async def step(self) -> bool:
        """Verify one page; return whether the round goes on.

        The position is kept in the database and locked meanwhile, so that replicas take turns and a
        killed replica's round is continued by the next.
        """
        findings: list[ChainFinding] = []
        covered, lost, page = 0, 0, list[AggregateHead]()
        # One snapshot for the mark and for the log; the mark is locked, so this never conflicts.
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            mark = await connection.fetchrow(SQL.verifier_mark)
            if mark is None:  # another replica is verifying
                await self._measure(connection)
                return False
            after = (mark["project_id"], mark["aggregate_id"]) if mark["project_id"] else None
            page = await read_heads(connection, after, events=PAGE_EVENTS)
            async for piece in read_chains(connection, page):
                covered += len(piece.events)
                findings.extend(piece.findings)
            if page:
                last = page[-1]
                await connection.execute(SQL.move_verifier_mark, last.project_id, last.aggregate_id)
            else:
                lost = await count_lost_heads(connection)
                await connection.execute(SQL.finish_verifier_round)
        if not page:
            _lost_heads.set(lost)
        if lost:
            log.error("the ends of some chains are lost", aggregates=lost)
        _verified.inc(covered)
        await quarantine_findings(self._pool, findings, found_by="verifier")
        await self._measure(self._pool)
        return bool(page)

    async def _measure(self, connection: Pool | Connection) -> None:
        open_now.set(await connection.fetchval(SQL.open_count))
        _whole.set(await connection.fetchval(SQL.since_whole))
