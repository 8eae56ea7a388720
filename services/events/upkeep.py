"""Upkeep of the tables: partitions, compression, hourly counts, deletion of old rows."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import Counter, Gauge

from libs.postgres import Pool
from libs.tasks import PeriodicTask
from services.events.retention import forget
from services.events.store import SQL
from services.events.timescale import is_adopted

log = structlog.get_logger(__name__)

PARTITION_MONTHS_AHEAD = 3
OUTBOX_KEPT_DAYS = 7
"""Days that published rows are kept; JetStream keeps facts longer, and the log for ever."""
COMMANDS_KEPT_DAYS = 30
"""Days in which the retry of a command is recognised."""
REFUSED_CLAIMS_KEPT_DAYS = 8
"""A day longer than a claim can be used."""

CHUNK_EVENTS = 1000
"""Events of a chunk: more compress no better, and reading one event unpacks its chunk."""
ARCHIVE_ROUNDS_MAX = 2000
"""Chunks of one round of upkeep: a backlog of two million events an hour."""

INTERVAL_S = 3600.0
COUNT_INTERVAL_S = 60.0
COUNT_ROWS = 5000
BATCH_ROWS = 1000
BATCHES_MAX = 200
"""Batches of one round, so that a backlog does not hold up other work."""


_last = Gauge("scriptorium_events_upkeep_timestamp_seconds", "When upkeep was last done.")
_archived = Counter("scriptorium_events_archived_total", "Events moved into the archive.")
_strays = Gauge(
    "scriptorium_events_default_partition_rows", "Events that fell outside every month's partition."
)


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """The ages at which events are archived and deleted; None for never."""

    archive_after_days: int | None = 7
    events_kept_days: int | None = None


class LogUpkeep:
    """Does the upkeep of the tables; any number of replicas may run it."""

    def __init__(self, pool: Pool, policy: LogPolicy | None = None) -> None:
        """Work on *pool* as *policy* says."""
        self._pool = pool
        self._policy = policy or LogPolicy()

    def tasks(self) -> list[PeriodicTask]:
        """Return what a replica does in the background."""
        return [
            PeriodicTask("count_events", self.count, interval_s=COUNT_INTERVAL_S),
            PeriodicTask("upkeep", self.once, interval_s=INTERVAL_S),
        ]

    async def once(self) -> None:
        """Do all there is to do now."""
        hypertable = await is_adopted(self._pool)
        made = archived = 0
        if not hypertable:
            made = await self._pool.fetchval(SQL.ensure_partitions, PARTITION_MONTHS_AHEAD)
            archived = await self._archive()
            _strays.set(await self._pool.fetchval(SQL.strays))
        # Before rows that were not counted are deleted from the outbox.
        await self.count()
        facts = await self._forget(SQL.forget_announced, OUTBOX_KEPT_DAYS)
        commands = await self._forget(SQL.forget_commands, COMMANDS_KEPT_DAYS)
        if self._policy.events_kept_days is not None:
            await forget(self._pool, _ago(self._policy.events_kept_days))
        await self._forget(SQL.forget_refused_claims, REFUSED_CLAIMS_KEPT_DAYS)
        _last.set_to_current_time()
        log.info("upkeep done", partitions=made, archived=archived, facts=facts, commands=commands)

    async def count(self) -> int:
        """Add facts placed since the last time to the hourly counts; return how many."""
        counted = 0
        while not await is_adopted(self._pool):
            rows = await self._pool.fetchval(SQL.count_hours, COUNT_ROWS) or 0
            counted += rows
            if rows < COUNT_ROWS:
                break
        return counted

    async def _archive(self) -> int:
        if self._policy.archive_after_days is None:
            return 0
        older_than, moved = _ago(self._policy.archive_after_days), 0
        for _ in range(ARCHIVE_ROUNDS_MAX):
            events = await self._pool.fetchval(SQL.archive_events, older_than, CHUNK_EVENTS)
            if not events:
                break
            moved += events
            _archived.inc(events)
        await self._pool.fetchval(SQL.drop_archived_partitions, older_than)
        return moved

    async def _forget(self, query: str, days: int) -> int:
        forgotten = 0
        for _ in range(BATCHES_MAX):
            status = await self._pool.execute(query, days, BATCH_ROWS)
            rows = int(status.rpartition(" ")[2])
            forgotten += rows
            if rows < BATCH_ROWS:
                break
        return forgotten


def _ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)
