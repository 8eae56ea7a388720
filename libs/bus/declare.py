"""Make the NATS server agree with `libs.contracts.streams`: `python -m libs.bus.declare`.

Run it once before services start, with a user that may create streams. It is idempotent: streams
are updated in place, and nothing is deleted except a push consumer of a subscriber.

Internal subscribers may not create consumers themselves (`libs.contracts.subjects`); each of them
gets one of its own name here. `SCRIPTORIUM_SUBSCRIBERS` lists them, separated by commas, each
with the subjects that it receives unless it receives all: `search=scriptorium.v1.events.entity.>`.
"""

import asyncio
import os
import re
import sys
from collections.abc import Mapping

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    KeyValueConfig,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import APIError, BadRequestError, NotFoundError

from libs.contracts.streams import AI, BUCKETS, COLLAB, EVENTS, STREAMS, Bucket, Stream
from libs.contracts.subjects import FACTS, REVIEW_FACTS, RUN_FACTS, SUBSCRIBER

NO_ROOM = 10047
"""JetStream's code for a stream that reserves more than the server has left."""
SUBSCRIBER_ACK_WAIT_S = 10.0
SUBSCRIBER_ACKS_PENDING_MAX = 1_000

_SUBSCRIBERS = {SUBSCRIBER: f"{FACTS}.events.>"}
"""The default: one subscriber, which receives everything."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")


def _config(stream: Stream, replicas: int) -> StreamConfig:
    return StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType(stream.storage),
        max_age=stream.age_s_max,
        max_bytes=stream.bytes_max,
        max_msgs_per_subject=stream.per_subject_max,
        duplicate_window=stream.duplicate_window_s,
        num_replicas=replicas,
        allow_direct=stream.direct,
        allow_msg_counter=stream.counter or None,
        allow_atomic=stream.atomic or None,
    )


def reserved_bytes() -> int:
    """Return the room for files that the streams reserve on each server that has them all."""
    return sum(stream.bytes_max for stream in STREAMS if stream.storage == "file")


async def declare(
    client: Client, *, replicas: int = 1, subscribers: Mapping[str, str] = _SUBSCRIBERS
) -> None:
    """Create or update every stream and bucket, and the consumers of subscribers.

    Args:
        client: A connection that may create streams.
        replicas: The number of copies of each stream and bucket.
        subscribers: The subjects of each subscriber, by the name of its user.

    Raises:
        nats.js.errors.APIError: The server refuses a change, such as of the storage type.
    """
    jetstream = client.jetstream()
    for stream in STREAMS:
        config = _config(stream, replicas)
        try:
            await jetstream.stream_info(stream.name)
        except NotFoundError:
            await jetstream.add_stream(config)
        else:
            await jetstream.update_stream(config)
    for bucket in BUCKETS:
        await _declare_bucket(client, bucket, replicas)
    for name, subject in subscribers.items():
        await _declare_subscriber(jetstream, name, subject)


async def _declare_subscriber(jetstream: JetStreamContext, name: str, subject: str) -> None:
    """Create the consumers of a subscriber; an existing pull consumer stays as it is.

    A subscriber of all events hears what collab and ai announce beside them, too, by consumers of
    the same name.
    """
    wanted = [subject]
    if subject == _SUBSCRIBERS[SUBSCRIBER]:
        wanted += [REVIEW_FACTS, RUN_FACTS]
    for each in wanted:
        beside = {f"{FACTS}.collab.": COLLAB, f"{FACTS}.ai.": AI}
        stream = next((beside[at] for at in beside if each.startswith(at)), EVENTS)
        await _declare_consumer(jetstream, stream, name, each)


async def _declare_consumer(
    jetstream: JetStreamContext, stream: Stream, name: str, subject: str
) -> None:
    try:
        info = await jetstream.consumer_info(stream.name, name)
    except NotFoundError:
        pass
    else:
        if not info.config.deliver_subject:
            return
        await jetstream.delete_consumer(stream.name, name)
    config = ConsumerConfig(
        name=name,
        durable_name=name,
        filter_subject=subject,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=SUBSCRIBER_ACK_WAIT_S,
        max_ack_pending=SUBSCRIBER_ACKS_PENDING_MAX,
        max_deliver=-1,
    )
    await jetstream.add_consumer(stream.name, config)


def subscribers_of(listed: str) -> dict[str, str]:
    """Return the subjects of subscribers from a list such as `search=<subject>,billing`.

    Raises:
        ValueError: A name is not allowed for a user and a consumer.
    """
    found: dict[str, str] = {}
    for each in filter(None, (part.strip() for part in listed.split(","))):
        name, _, subject = each.partition("=")
        if not _NAME.fullmatch(name):
            raise ValueError(f"SCRIPTORIUM_SUBSCRIBERS: {name!r} is not a name")
        found[name] = subject or _SUBSCRIBERS[SUBSCRIBER]
    return found


async def _declare_bucket(client: Client, bucket: Bucket, replicas: int) -> None:
    try:
        await client.jetstream().create_key_value(
            KeyValueConfig(
                bucket=bucket.name,
                ttl=bucket.ttl_s,
                max_bytes=bucket.bytes_max,
                storage=StorageType(bucket.storage),
                replicas=replicas,
                history=1,
                direct=True,
            )
        )
    except BadRequestError as error:
        # 10058: the bucket exists with other settings; it stays as it is.
        if error.err_code != 10058:
            raise


async def main() -> None:
    """Declare everything at `SCRIPTORIUM_NATS_URL`, with `SCRIPTORIUM_NATS_REPLICAS` copies."""
    listed = os.environ.get("SCRIPTORIUM_SUBSCRIBERS")
    subscribers = _SUBSCRIBERS if listed is None else subscribers_of(listed)
    client = await nats.connect(os.environ["SCRIPTORIUM_NATS_URL"], connect_timeout=5)
    try:
        replicas = int(os.environ.get("SCRIPTORIUM_NATS_REPLICAS", "1"))
        await declare(client, replicas=replicas, subscribers=subscribers)
    except APIError as error:
        if error.err_code != NO_ROOM:
            raise
        sys.exit(
            f"NATS has less room for files than the streams reserve, {reserved_bytes() >> 20:,} MiB"
            " on each server: raise max_file_store in its configuration, and the volume with it"
        )
    finally:
        await client.close()


if __name__ == "__main__":
    asyncio.run(main())
