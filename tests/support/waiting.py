"""Waiting for what comes in its own time."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable

PAUSE_S = 0.1


async def until(holds: Callable[[], bool | Awaitable[bool]], wait_s: float = 30.0) -> None:
    """Return when *holds* says yes; raises TimeoutError after *wait_s*."""
    async with asyncio.timeout(wait_s):
        while True:
            answer = holds()
            if await answer if isawaitable(answer) else answer:
                return
            await asyncio.sleep(PAUSE_S)
