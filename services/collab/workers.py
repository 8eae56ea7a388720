"""A pool of processes for `heavy` work.

A worker that dies of a hostile document takes nobody with it: the pool is replaced and the caller
told.
"""

import asyncio
import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import structlog

from services.collab import newborn

log = structlog.get_logger(__name__)

JOB_TIMEOUT_S = 60.0


class WorkerDied(Exception):
    """The process doing this work crashed: what it was given is hostile, or memory ran out."""


class Workers:
    """A pool of processes, made when first needed and made anew when one crashed."""

    def __init__(self, count: int, *, niceness: int = 0) -> None:
        """Use at most *count* processes, which give way to others by *niceness* (see nice(2))."""
        self._count = count
        self._niceness = niceness
        self._pool: ProcessPoolExecutor | None = None

    async def run[R](self, job: Callable[..., R], *args: Any) -> R:
        """Run *job*, a function of a module, in a worker.

        Raises:
            WorkerDied: Its process crashed, or it took longer than JOB_TIMEOUT_S.
        """
        pool = self._pool = self._pool or self._make()
        try:
            future = asyncio.get_running_loop().run_in_executor(pool, job, *args)
            return await asyncio.wait_for(future, JOB_TIMEOUT_S)
        except (BrokenProcessPool, TimeoutError) as error:
            log.warning("worker lost", job=job.__name__, reason=type(error).__name__)
            if self._pool is pool:
                self._pool = None
                _kill(pool)
            raise WorkerDied from error

    async def warm_up(self) -> None:
        """Start a process now, so that the first who needs one does not wait for it."""
        await self.run(newborn.nothing)

    def close(self) -> None:
        """Stop the processes."""
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _make(self) -> ProcessPoolExecutor:
        main = sys.modules["__main__"]
        if main.__spec__ and main.__spec__.name.startswith("services."):
            # A spawned process imports its parent's main module again: here the whole service,
            # a second of CPU and 70 MB that a worker has no use for.
            main.__spec__ = None
            del main.__file__
        return ProcessPoolExecutor(
            self._count,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=newborn.begin,
            initargs=(self._niceness,),
        )


def _kill(pool: ProcessPoolExecutor) -> None:
    processes: dict[int, Any] = getattr(pool, "_processes", None) or {}
    for process in list(processes.values()):
        process.kill()
    pool.shutdown(wait=False, cancel_futures=True)
