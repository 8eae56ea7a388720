"""Runs the tasks of a process."""

import asyncio
from collections.abc import Collection

import structlog

from libs.tasks.task import PeriodicTask

log = structlog.get_logger(__name__)

CANCEL_WAIT_S = 1.0
CANCEL_TRIES_MAX = 3


class TaskRunner:
    """Starts tasks and stops them; each has a name of its own."""

    def __init__(self) -> None:
        """Run nothing yet."""
        self._tasks: dict[str, PeriodicTask] = {}
        self._running: set[asyncio.Task[None]] = set()

    def start(self, *tasks: PeriodicTask) -> None:
        """Run tasks in the background.

        Raises:
            ValueError: One of that name runs already.
        """
        for task in tasks:
            if task.name in self._tasks:
                raise ValueError(f"two tasks are called {task.name!r}")
            self._tasks[task.name] = task
            self._running.add(asyncio.create_task(task.run(), name=task.name))

    def stalled(self) -> list[str]:
        """Return the names of tasks that hang, fail again and again, or are dead."""
        return [name for name, task in self._tasks.items() if not task.is_working]

    async def stop(self) -> None:
        """End all tasks, without waiting long for any."""
        self._tasks.clear()
        running, self._running = self._running, set()
        await cancelled(running)


async def cancelled(running: Collection[asyncio.Task[None]]) -> None:
    """Cancel what runs and wait until it ended, but not for long."""
    for _ in range(CANCEL_TRIES_MAX):
        if not running:
            return
        # Again when it did not end: some client libraries turn a cancellation into their own error.
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_WAIT_S)
    log.warning("tasks did not end in time", tasks=[task.get_name() for task in running])
