"""Something that runs for as long as a test needs it."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from libs.tasks import PeriodicTask, TaskRunner


@asynccontextmanager
async def running(work: Coroutine[Any, Any, object]) -> AsyncGenerator[asyncio.Task[Any]]:
    """Run *work* until the end of the block."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def running_all(*tasks: PeriodicTask) -> AsyncGenerator[TaskRunner]:
    """Run *tasks* until the end of the block."""
    runner = TaskRunner()
    runner.start(*tasks)
    try:
        yield runner
    finally:
        await runner.stop()
