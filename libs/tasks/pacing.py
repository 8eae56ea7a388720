"""Limits background work to a share of the time, so that requests do not wait for it."""

import asyncio
import time

from libs.tasks.progress import progressed


def rest_of(worked_s: float, duty: float) -> float:
    """Return how long to rest after *worked_s*, so that work takes the share *duty* of the time."""
    return worked_s * (1 / duty - 1)


class Pace:
    """Rests within a long step so long that its parts take the share *duty* of the time."""

    def __init__(self, duty: float) -> None:
        """*duty* is in (0, 1]; 1 never rests."""
        self._duty = duty
        self._started = time.monotonic()

    def begin(self) -> None:
        """Begin a part; the time before it was not work."""
        self._started = time.monotonic()

    async def rest(self) -> None:
        """A part ended. The task that this belongs to is known to be alive."""
        rest_s = rest_of(time.monotonic() - self._started, self._duty)
        progressed(rest_s)
        await asyncio.sleep(rest_s)
        self.begin()
