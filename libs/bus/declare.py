"""Make the NATS server agree with `libs.contracts.streams`: `python -m libs.bus.declare`.

Run once before services start, with a user that may create streams. Idempotent: what exists is
updated in place, nothing is deleted.
"""

import asyncio
import os

import nats
from nats.aio.client import Client
from nats.js.api import KeyValueConfig, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError

from libs.contracts.streams import BUCKETS, STREAMS, Bucket, Stream


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


async def declare(client: Client, *, replicas: int = 1) -> None:
    """Create or update every stream and bucket.

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
        # 10058: the bucket exists with other settings; keep serving what is there.
        if error.err_code != 10058:
            raise


async def main() -> None:
    """Declare everything at `SCRIPTORIUM_NATS_URL`, with `SCRIPTORIUM_NATS_REPLICAS` copies."""
    client = await nats.connect(os.environ["SCRIPTORIUM_NATS_URL"], connect_timeout=5)
    try:
        await declare(client, replicas=int(os.environ.get("SCRIPTORIUM_NATS_REPLICAS", "1")))
    finally:
        await client.close()


if __name__ == "__main__":
    asyncio.run(main())
