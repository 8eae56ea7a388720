"""Expiry of old answers to pushes; the pushed operations are kept for ever."""

from libs.postgres import Pool
from libs.tasks import PeriodicTask
from services.events.sync.store import SQL

ANSWERS_KEPT_DAYS = 30
INTERVAL_S = 3600.0
BATCH_ROWS = 1000
BATCHES_MAX = 200
"""Batches of one round, so that a backlog does not hold up other work."""


class AnswerExpiry:
    """Deletes old answers; any number of replicas may run it."""

    def __init__(self, pool: Pool) -> None:
        """Work on *pool*."""
        self._pool = pool
        self.task = PeriodicTask("expire_sync_answers", self.once, interval_s=INTERVAL_S)

    async def once(self) -> None:
        """Do all there is to do now."""
        for _ in range(BATCHES_MAX):
            status = await self._pool.execute(SQL.forget_answers, ANSWERS_KEPT_DAYS, BATCH_ROWS)
            if int(status.rpartition(" ")[2]) < BATCH_ROWS:
                break
