"""Monitoring of consumers: their existence, and the number of facts that wait for them.

The server deletes a consumer together with its stream. The subscriber would then wait for ever,
because FastStream creates a consumer only when it starts.
"""

import asyncio
from dataclasses import replace

import nats.errors
import structlog
from nats.aio.client import Client
from nats.js.api import ConsumerConfig
from nats.js.errors import NotFoundError
from prometheus_client import Gauge

log = structlog.get_logger(__name__)

MONITOR_INTERVAL_S = 10.0

_pending = Gauge(
    "scriptorium_subscriber_pending",
    "Facts that a subscriber has yet to handle, as the stream said a moment ago.",
    ["subscriber"],
)
_watches: set[asyncio.Task[None]] = set()


def monitor_consumer(client: Client, stream: str, durable: str, config: ConsumerConfig) -> None:
    """Monitor the consumer *durable* for as long as *client* is open."""
    _pending.labels(durable)  # exported before the first look, so that its alert has a series
    whole = replace(config, name=durable, durable_name=durable)
    task = asyncio.get_running_loop().create_task(_watch(client, stream, durable, whole))
    # The event loop keeps only a weak reference to the task.
    _watches.add(task)
    task.add_done_callback(_watches.discard)


async def _watch(client: Client, stream: str, durable: str, config: ConsumerConfig) -> None:
    jetstream = client.jetstream()
    while not client.is_closed:
        await asyncio.sleep(MONITOR_INTERVAL_S)
        try:
            info = await jetstream.consumer_info(stream, durable)
            _pending.labels(durable).set((info.num_pending or 0) + (info.num_ack_pending or 0))
        except NotFoundError:
            await _make_again(client, stream, config)
        except nats.errors.Error:
            continue


async def _make_again(client: Client, stream: str, config: ConsumerConfig) -> None:
    try:
        await client.jetstream().add_consumer(stream, config)
    except nats.errors.Error as error:
        # The stream is missing too, or another replica is creating the consumer.
        log.warning("consumer is missing", subscriber=config.name, reason=repr(error)[:200])
    else:
        log.warning(
            "consumer created again; it begins at the start of the stream", subscriber=config.name
        )
