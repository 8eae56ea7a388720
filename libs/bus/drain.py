"""Ending in good order: requests that arrived are answered, later ones go to another replica.

`NatsBroker.stop` alone drops what arrives while it waits for running handlers, and what it has
read but not yet begun; their callers would wait for nothing until their deadlines.
"""

import asyncio
from typing import Any

import structlog
from faststream.nats import NatsBroker

log = structlog.get_logger(__name__)

DRAIN_WAIT_S_MAX = 10.0
_LOOK_INTERVAL_S = 0.01


async def drain(broker: NatsBroker) -> None:
    """Take no more requests, and return when those at hand are answered or time is up."""
    subscribers: list[Any] = list(broker.subscribers)
    try:
        async with asyncio.timeout(DRAIN_WAIT_S_MAX):
            for subscriber in subscribers:
                if (subscription := subscriber.subscription) is not None:
                    subscriber.subscription = None
                    await subscription.drain()
            # Twice, because a request is in nobody's count while it passes from queue to worker.
            quiet = 0
            while quiet < 2:
                quiet = quiet + 1 if all(map(_is_idle, subscribers)) else 0
                await asyncio.sleep(_LOOK_INTERVAL_S)
    except TimeoutError:
        log.warning("requests were left behind", waited_s=DRAIN_WAIT_S_MAX)


def _is_idle(subscriber: Any) -> bool:
    waiting: int = subscriber.receive_stream.statistics().current_buffer_used
    free: int = subscriber.limiter.value
    return waiting == 0 and free == subscriber.max_workers
