"""Small chores: forget what has expired, a bounded piece at a time."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from libs.postgres.pool import UNREACHABLE

log = structlog.get_logger(__name__)

INTERVAL_S = 60.0


async def keep_clean(*chores: Callable[[], Awaitable[None]]) -> None:
    """Run each chore every INTERVAL_S until cancelled; replicas spread their turns."""
    while True:
        await asyncio.sleep(INTERVAL_S * random.uniform(0.5, 1.5))
        for chore in chores:
            try:
                await chore()
            except UNREACHABLE as error:
                log.warning("chore interrupted", reason=type(error).__name__)
