"""A follower's place in one log: what is there for them next, and when to try again."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from services.gateway.streams.tail import Item, Page, Tail

RETRY_S = 0.5


@dataclass(frozen=True, slots=True)
class Batch:
    """Items in their order, which are all up to `upto`; `live` when the follower had caught up."""

    items: Iterable[Item]
    upto: int
    live: bool


class Lane:
    """One log as one follower reads it; begin before reading."""

    def __init__(self, tail: Tail) -> None:
        """Read from *tail*."""
        self.tail = tail
        self.cursor = 0
        self.retry_at = float("-inf")
        """Not before this is it asked again, by the loop's clock."""
        self._page: Page | None = None

    async def begin(self, after: int | None) -> None:
        """Take a place behind *after*, or at the end; None: at the end.

        Raises:
            NotFound, Gone, Unavailable: As for `Source.page`.
        """
        if self.tail.ended:
            raise self.tail.ended
        self.cursor = self.tail.head if after is None else after
        if after is not None:
            # Now, because later is too late for a status that says what is wrong with it.
            self._page = await self.tail.source.page(after, heard=self.tail.head)

    async def begin_at_oldest(self) -> None:
        """Take a place before all that is kept. Raises as `begin`."""
        if self.tail.ended:
            raise self.tail.ended
        self._page = await self.tail.source.page(0, heard=self.tail.head, kept=True)

    @property
    def is_delayed(self) -> bool:
        """Whether it failed a moment ago."""
        return asyncio.get_running_loop().time() < self.retry_at

    @property
    def has_all(self) -> bool:
        """Whether the follower has all that is known here."""
        return self._page is None and self.cursor >= self.tail.head

    async def read(self) -> Batch:
        """Return what comes next; nothing when there is nothing yet.

        Raises:
            AppError, nats.errors.Error: As for `Source.page`.
        """
        if self._page is None and self.cursor < self.tail.start:
            self._page = await self.tail.source.page(self.cursor, heard=self.tail.head)
        if page := self._page:
            self._page = None
            return Batch(page.items, page.upto, live=False)
        if self.tail.ended and self.cursor >= self.tail.head:
            raise self.tail.ended
        return Batch(self.tail.after(self.cursor), self.tail.head, live=True)

    def delay(self) -> None:
        """Wait a moment before the log is asked again."""
        self.retry_at = asyncio.get_running_loop().time() + RETRY_S
