"""An event loop whose clock jumps: what waits for seconds is tested in microseconds.

The loop never waits. When nothing is ready to run, its clock moves on to the next timer. So a model
test controls the order of all events, and the same choices give the same run on a busy machine.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any


class Deadlock(AssertionError):
    """A coroutine waits for an event that no timer and no other task will cause."""


class _JumpingSelector(selectors.DefaultSelector):
    """Moves the clock instead of waiting; there are no sockets to wait for."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Deadlock("nothing is ready, and no timer is set")
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop with a clock of its own, which begins at 1,000 s."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return 1_000.0 + self._jumping.now

    def run[T](self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run *coroutine*; other tasks go on as long as it takes, and keep their place after it."""
        return self.run_until_complete(coroutine)

    def pass_time(self, seconds: float) -> None:
        """Let the clock move on by *seconds*, and run everything that is due meanwhile."""
        self.run(asyncio.sleep(seconds))

    def shut_down(self) -> None:
        """Cancel all tasks and close the loop."""
        tasks = asyncio.all_tasks(self)
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            self.run(_gathered(tasks))
        self.close()


async def _gathered(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
