"""Durable subscribers, and the fate of a message whose handler failed.

There are three outcomes, decided here and nowhere else: handled (acknowledge), failed for now
(redeliver after a growing delay, DELIVERIES_MAX times) and failed for good (copy to the dead-letter
stream with the cause, then terminate). An operator may replay a dead letter: it goes to its
consumer alone, over core NATS, and the answer has the outcome.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog
from faststream.middlewares import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsResponse, PullSub
from faststream.nats.annotations import NatsMessage
from nats.aio.client import Client
from nats.js.api import ConsumerConfig
from prometheus_client import Counter, Histogram
from pydantic import ValidationError

from libs.bus.consumer_monitor import monitor_consumer
from libs.bus.rpc import undecoded
from libs.contracts import deadletters, subjects
from libs.contracts.events.event import Announcement
from libs.contracts.streams import Stream
from libs.contracts.wire import Wire

log = structlog.get_logger(__name__)

DELIVERIES_MAX = 6
RETRY_DELAY_S_FIRST = 0.2
ACK_WAIT_S = 30.0
CAUSE_CHARS_MAX = deadletters.CAUSE_CHARS_MAX

_failed = Counter(
    "scriptorium_deliveries_failed_total",
    "Deliveries of facts whose handler failed, by subscriber and verdict.",
    ["subscriber", "verdict"],
)

_delay = Histogram(
    "scriptorium_subscriber_delay_seconds",
    "From the time that a fact carries to the end of its handling, by subscriber.",
    ["subscriber"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)

type FactHandler = Callable[[Announcement], Awaitable[None]]


class PoisonMessage(Exception):
    """The message can never be handled, however often it is delivered."""


def subscribe_facts(
    broker: NatsBroker,
    client: Client,
    stream: Stream,
    *,
    subject: str,
    durable: str,
    on_fact: FactHandler,
) -> None:
    """Deliver each fact of *subject* to *on_fact*, as `subscribe_durably` does."""
    subscribe_durably(
        broker,
        client,
        stream,
        subject=subject,
        durable=durable,
        model=Announcement,
        said_at=lambda announcement: announcement.event.timestamp,
        on_fact=on_fact,
    )


def subscribe_durably[F: Wire](
    broker: NatsBroker,
    client: Client,
    stream: Stream,
    *,
    subject: str,
    durable: str,
    model: type[F],
    said_at: Callable[[F], datetime],
    on_fact: Callable[[F], Awaitable[None]],
) -> None:
    """Deliver each message of *subject* to *on_fact*: at least once, in order, one at a time.

    *durable* names the consumer; replicas that use the same name share the work. The name labels
    metrics, so there must not be many names. *said_at* is the time that a message carries.
    """
    one_at_a_time = asyncio.Lock()
    for verdict in ("retry", "dead"):
        _failed.labels(durable, verdict)  # counted from zero, so that an alert sees the first
    _delay.labels(durable)

    async def on_replay(message: NatsMessage) -> NatsResponse:
        try:
            async with one_at_a_time:
                await on_fact(model.model_validate_json(message.raw_message.data))
        except Exception as error:
            log.exception("replayed fact failed again", subscriber=durable)
            return NatsResponse(repr(error)[:CAUSE_CHARS_MAX].encode())
        return NatsResponse(deadletters.TAKEN)

    async def on_message(message: NatsMessage) -> None:
        raw = message.raw_message
        try:
            async with one_at_a_time:
                fact = model.model_validate_json(raw.data, extra="ignore")
                await on_fact(fact)
        except Exception as error:
            delivered = raw.metadata.num_delivered
            poison = isinstance(error, PoisonMessage | ValidationError)
            if not poison and delivered < DELIVERIES_MAX:
                _failed.labels(durable, "retry").inc()
                log.warning(
                    "fact will be redelivered",
                    subscriber=durable,
                    delivered=delivered,
                    reason=repr(error)[:CAUSE_CHARS_MAX],
                )
                await message.nack(delay=RETRY_DELAY_S_FIRST * 2 ** (delivered - 1))
                return
            _failed.labels(durable, "dead").inc()
            log.exception("fact moved to the dead letters", subscriber=durable)
            await _bury(client, message, durable, error)
            await message.reject()
        else:
            late = datetime.now(UTC) - said_at(fact)
            _delay.labels(durable).observe(max(0.0, late.total_seconds()))
            await message.ack()

    config = ConsumerConfig(
        ack_wait=ACK_WAIT_S,
        # Above DELIVERIES_MAX, so that this module decides and not the server.
        max_deliver=DELIVERIES_MAX * 4,
        max_ack_pending=1,
        filter_subject=subject,
    )
    broker.subscriber(
        subject,
        stream=JStream(stream.name, declare=False),
        durable=durable,
        pull_sub=PullSub(batch_size=1, timeout=5.0),
        ack_policy=AckPolicy.MANUAL,
        config=config,
        decoder=undecoded,
        # FastStream's default prefix is common to all services, and none may subscribe to it.
        inbox_prefix=client.new_inbox().rpartition(".")[0].encode() + b".",
        title=durable,
    )(on_message)
    broker.subscriber(
        subjects.replay(durable), queue=durable, decoder=undecoded, title=f"{durable}.replay"
    )(on_replay)
    monitor_consumer(client, stream.name, durable, config)


async def _bury(client: Client, message: NatsMessage, durable: str, error: Exception) -> None:
    raw = message.raw_message
    metadata = raw.metadata
    await client.jetstream().publish(
        deadletters.subject_of(durable, raw.subject),
        raw.data,
        timeout=5,
        headers=dict(raw.headers or {})
        | {"Nats-Msg-Id": f"{durable}-{metadata.stream}-{metadata.sequence.stream}"}
        | deadletters.headers_of(durable, repr(error), metadata.num_delivered),
    )
