"""Tells events of word counts that changed, many with one request.

What is to be told stands in the table beside each count, so that nothing is forgotten when a
process or the bus dies. Telling twice changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable

from libs.contracts.events.word_counts import COUNTS_MAX, RecordWordCounts
from libs.tasks import PeriodicTask
from services.collab.word_counts.store import WordCountStore

GATHER_S = 0.25
"""Time in which counts gather to be told together."""
LOOK_INTERVAL_S = 60.0
"""Time after which what another replica left untold is looked for."""

type Ask = Callable[[RecordWordCounts], Awaitable[object]]


class Teller:
    """Tells events how many words scenes have."""

    def __init__(self, store: WordCountStore, ask: Ask) -> None:
        """Tell what *store* knows by *ask*, a request to events."""
        self._store = store
        self._ask = ask
        self.task = PeriodicTask("word_count_reports", self.tell_all, interval_s=LOOK_INTERVAL_S)

    def wake(self) -> None:
        """Say that there may be something to tell."""
        self.task.wake()

    async def tell_all(self) -> None:
        """Tell all counts that events does not know, once a moment has gathered some."""
        await asyncio.sleep(GATHER_S)
        while await self.tell() == COUNTS_MAX:
            pass

    async def tell(self) -> int:
        """Tell at most COUNTS_MAX counts; returns how many.

        Raises:
            errors.AppError: Events is away, or refused.
            asyncpg.PostgresError, OSError: The database is away.
        """
        counts = await self._store.untold()
        if counts:
            await self._ask(RecordWordCounts(counts=counts))
            await self._store.note_told(counts)
        return len(counts)
