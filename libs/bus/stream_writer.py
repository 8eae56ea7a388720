"""Storing messages in a stream, many of them with one write to the disk.

A batch (JetStream 2.12) is stored completely or not at all. If the stream refuses a batch, usually
because it has some of the messages, they are published one by one, each acknowledged before the
next; the server drops those that it has by their ids.
"""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

import structlog
from nats.aio.client import Client

log = structlog.get_logger(__name__)

BATCH_BYTES_MAX = 4 << 20
PUBLISH_WAIT_S = 5.0

_BATCH_ID = "Nats-Batch-Id"
_BATCH_SEQUENCE = "Nats-Batch-Sequence"
_BATCH_COMMIT = "Nats-Batch-Commit"


class StreamMessage(NamedTuple):
    """A fact as a message; `position` is its place in the commit order."""

    position: int
    subject: str
    body: bytes
    headers: dict[str, str]


class StreamWriter:
    """Publishes messages to the streams that take their subjects."""

    def __init__(self, client: Client) -> None:
        """Publish over *client*."""
        self._client = client
        self._jetstream = client.jetstream()

    async def store(self, messages: Sequence[StreamMessage]) -> AsyncIterator[int]:
        """Publish in order; yield the position of each message that the stream has.

        Raises:
            APIError, TimeoutError, nats.errors.Error: The rest may or may not be stored.
        """
        for batch in _batches(messages):
            if len(batch) > 1 and await self._as_one(batch):
                for message in batch:
                    yield message.position
                continue
            for message in batch:
                await self._jetstream.publish(
                    message.subject, message.body, PUBLISH_WAIT_S, headers=message.headers
                )
                yield message.position

    async def _as_one(self, batch: Sequence[StreamMessage]) -> bool:
        """Store all or nothing; return False when the stream refuses the batch."""
        batch_id = uuid4().hex
        for place, message in enumerate(batch, start=1):
            headers = message.headers | {_BATCH_ID: batch_id, _BATCH_SEQUENCE: str(place)}
            if place < len(batch):
                await self._client.publish(message.subject, message.body, headers=headers)
                continue
            answer = await self._client.request(
                message.subject,
                message.body,
                PUBLISH_WAIT_S,
                headers=headers | {_BATCH_COMMIT: "1"},
            )
            refused: dict[str, Any] | None = json.loads(answer.data).get("error")
            if refused:
                log.info("batch refused by the stream", reason=refused.get("description"))
            return refused is None
        return True


def _batches(messages: Sequence[StreamMessage]) -> Iterator[list[StreamMessage]]:
    batch: list[StreamMessage] = []
    size = 0
    for message in messages:
        if batch and size + len(message.body) > BATCH_BYTES_MAX:
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += len(message.body)
    if batch:
        yield batch
