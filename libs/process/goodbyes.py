"""Ending the connections of a process one after the other, so that their clients spread out too.

A thousand sockets that are closed in one moment come back in one moment: each is authorised and
given its scene again, at the replicas that are left. Each connection is ended at a random moment of
a span that grows with their number, and works until then.
"""

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goodbyes:
    """How fast connections are ended."""

    per_s: float
    """Connections that are ended in a second."""
    within_s: float
    """Time after which all are ended, however many there are."""

    def span_s(self, count: int) -> float:
        """Return the time that ending *count* connections takes."""
        return min(count / self.per_s, self.within_s)

    async def say[T](self, connections: Collection[T], end: Callable[[T], object]) -> None:
        """Call *end* with each of *connections*, in random order and at random moments."""
        loop = asyncio.get_running_loop()
        began, span_s = loop.time(), self.span_s(len(connections))
        waits = sorted(random.uniform(0, span_s) for _ in connections)
        for wait_s, connection in zip(
            waits, random.sample(list(connections), len(connections)), strict=True
        ):
            rest_s = began + wait_s - loop.time()
            if rest_s > 0:
                await asyncio.sleep(rest_s)
            end(connection)
