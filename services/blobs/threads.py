"""Worker threads for blocking work: storage, hashing, compression."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

THREADS_MAX = 16
"""Worker threads of a process; more transfers than this take turns, one frame at a time."""

_pool = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="blobs")


async def blocking[**P, T](work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run *work* in a thread and return what it returns.

    When the caller is cancelled the thread goes on, and this raises only when it has ended: nothing
    is ever closed under a thread that still uses it.
    """
    loop = asyncio.get_running_loop()
    future = loop.run_in_executor(_pool, lambda: work(*args, **kwargs))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait({future})
        if not future.cancelled():
            future.exception()
        raise


class Turns:
    """Jobs of one transfer: in threads, one after the other, while the next is prepared."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self._job: asyncio.Future[Any] | None = None

    async def take(self, work: Callable[..., Any], *args: Any) -> None:
        """Start *work* when the job before it is done; raises what that one raised."""
        await self.last()
        self._job = asyncio.get_running_loop().run_in_executor(_pool, work, *args)

    async def last(self) -> Any:
        """Return what the last job returns."""
        if self._job is not None:
            return await asyncio.shield(self._job)
        return None

    async def settle(self) -> None:
        """Wait for the last job, however it ends."""
        if self._job is not None:
            await asyncio.wait({self._job})
            if not self._job.cancelled():
                self._job.exception()
