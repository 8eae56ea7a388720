"""Background work takes a share of the time, so that nobody waits for it."""

import asyncio
import time


class Pace:
    """Rests after each step so long that steps take the share *duty* of the time."""

    def __init__(self, duty: float) -> None:
        """*duty* is in (0, 1]; 1 never rests."""
        self._duty = duty
        self._started = time.monotonic()

    def begin(self) -> None:
        """A step begins now; what went before was not work."""
        self._started = time.monotonic()

    async def rest(self) -> None:
        """A step ended."""
        worked_s = time.monotonic() - self._started
        await asyncio.sleep(worked_s * (1 / self._duty - 1))
        self.begin()
