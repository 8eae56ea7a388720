"""Waiting for something that another process decides."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from math import ceil
from typing import overload

WAIT_S = 30.0
PAUSE_S = 0.05


@overload
async def until[T](look: Callable[[], Awaitable[T | None]], wait_s: float = ...) -> T: ...


@overload
async def until(look: Callable[[], object], wait_s: float = ...) -> object: ...


async def until(look: Callable[[], object], wait_s: float = WAIT_S) -> object:
    """Return the first true answer of *look*, which is asked every PAUSE_S.

    Patience is counted in looks instead of being read from a clock: where the machine is busy or
    was suspended, the system under test had no more time than the test.

    Args:
        look: Asked again and again; may be a coroutine function.
        wait_s: How long the answer may stay false on a machine with nothing else to do.

    Raises:
        TimeoutError: The answer stayed false.
    """
    for _ in range(ceil(wait_s / PAUSE_S)):
        answer = look()
        if found := await answer if isawaitable(answer) else answer:
            return found
        await asyncio.sleep(PAUSE_S)
    raise TimeoutError(f"{look} stayed false for {wait_s:g} s")
