"""Tells events of word counts that changed, many with one request.

What is to be told stands in the table beside each count, so that nothing is forgotten when a
process or the bus dies. Telling twice changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from libs import errors
from libs.contracts.events.word_counts import COUNTS_MAX, RecordWordCounts
from services.collab.word_counts.counter import DATABASE_FAILURES
from services.collab.word_counts.store import WordCountStore

log = structlog.get_logger(__name__)

GATHER_S = 0.25
"""Time in which counts gather to be told together."""
LOOK_INTERVAL_S = 60.0
"""Time after which what another replica left untold is looked for."""
RETRY_PAUSE_S = 5.0

type Ask = Callable[[RecordWordCounts], Awaitable[object]]


class Teller:
    """Tells events how many words scenes have."""

    def __init__(self, store: WordCountStore, ask: Ask) -> None:
        """Tell what *store* knows by *ask*, a request to events."""
        self._store = store
        self._ask = ask
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Say that there may be something to tell."""
        self._wake.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            self._wake.clear()
            try:
                while await self.tell() == COUNTS_MAX:
                    pass
            except (*DATABASE_FAILURES, errors.AppError) as error:
                log.warning("word counts not told", reason=repr(error)[:200])
                await asyncio.sleep(RETRY_PAUSE_S)
                continue
            try:
                async with asyncio.timeout(LOOK_INTERVAL_S):
                    await self._wake.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(GATHER_S)

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
