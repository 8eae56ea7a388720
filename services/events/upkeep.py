"""What has to be done now and then: partitions ahead of time, and what nobody needs any more."""

import asyncio

import asyncpg
import structlog

from libs.postgres import Pool
from libs.postgres.pool import UNREACHABLE
from services.events.store import SQL

log = structlog.get_logger(__name__)

PARTITION_MONTHS_AHEAD = 3
OUTBOX_KEPT_DAYS = 7
"""Announced rows; JetStream keeps the facts longer, and the log for ever."""
COMMANDS_KEPT_DAYS = 30
"""How long the retry of a command is still recognised."""

INTERVAL_S = 3600.0
BATCH_ROWS = 1000
BATCHES_MAX = 200
"""Of one round, so that a backlog is worn off without holding up anyone else."""


class Upkeep:
    """Keeps the tables of the events service in shape; any number may run at once."""

    def __init__(self, pool: Pool) -> None:
        """Work on *pool*."""
        self._pool = pool

    async def run(self) -> None:
        """Work every INTERVAL_S until cancelled."""
        while True:
            try:
                await self.once()
            except (*UNREACHABLE, asyncpg.PostgresError) as error:
                log.warning("upkeep postponed", reason=repr(error)[:200])
            await asyncio.sleep(INTERVAL_S)

    async def once(self) -> None:
        """Do all there is to do now."""
        made = await self._pool.fetchval(SQL.ensure_partitions, PARTITION_MONTHS_AHEAD)
        facts = await self._forget(SQL.forget_announced, OUTBOX_KEPT_DAYS)
        commands = await self._forget(SQL.forget_commands, COMMANDS_KEPT_DAYS)
        log.info("upkeep done", partitions=made, facts=facts, commands=commands)

    async def _forget(self, query: str, days: int) -> int:
        forgotten = 0
        for _ in range(BATCHES_MAX):
            status = await self._pool.execute(query, days, BATCH_ROWS)
            rows = int(status.rpartition(" ")[2])
            forgotten += rows
            if rows < BATCH_ROWS:
                break
        return forgotten
