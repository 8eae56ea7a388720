"""Draining at the end of a process: requests that arrived are answered, later ones go elsewhere.

`NatsBroker.stop` alone drops requests that arrive while it waits for running handlers, and requests
that it has read but not started; their callers would wait in vain until their deadlines.
"""

import asyncio
from typing import Any

import structlog
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.aio.subscription import Subscription

from libs.bus.broker import synced
from libs.bus.rpc import RequestWorkers, workers_of

log = structlog.get_logger(__name__)

DRAIN_WAIT_S_MAX = 10.0
_LOOK_INTERVAL_S = 0.01


async def drain(broker: NatsBroker, client: Client) -> None:
    """Accept no more requests; return when the accepted ones are answered or the time is up."""
    # Consumers of facts need no draining: an unacknowledged fact is delivered again.
    served = [
        (_subscription(subscriber), workers)
        for subscriber, workers in workers_of(broker).items()
        if isinstance(_subscription(subscriber), Subscription)
    ]
    try:
        async with asyncio.timeout(DRAIN_WAIT_S_MAX):
            for subscription, _ in served:
                # Not `Subscription.drain`: its PING may be written ahead of its UNSUB (see
                # `synced`), and a request in between would find no subscription.
                await client._send_unsubscribe(subscription._id)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            await synced(client)
            # Checked twice: a request on its way from the queue to a worker is in neither count.
            quiet = 0
            while quiet < 2:
                quiet = quiet + 1 if all(_is_idle(*each) for each in served) else 0
                await asyncio.sleep(_LOOK_INTERVAL_S)
            await synced(client)
    except TimeoutError:
        log.warning("requests were not answered in time", waited_s=DRAIN_WAIT_S_MAX)


def _subscription(subscriber: Any) -> Any:
    return subscriber.subscription  # not in the type that the broker hands out


def _is_idle(subscription: Subscription, workers: RequestWorkers) -> bool:
    return subscription.pending_msgs == 0 and workers.running == 0
