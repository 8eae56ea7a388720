"""Requests to collab about live scenes: states for joins, missed rows, heads of logs.

An answer comes back in parts, on a subject of its request. So megabytes pass a bus whose messages
are limited to one, and the bus tells at once when no replica listens.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from nats.aio.client import Client
from nats.aio.msg import Msg

from libs import errors
from libs.contracts import subjects
from libs.contracts.collab import frames

ANSWER_WAIT_S = 3.0
SYNC_WAIT_S = 8.0
"""Loading a long log that has no head yet takes seconds."""
ATTEMPTS_MAX = 4
RETRY_DELAY_S = 0.2
PENDING_REQUESTS_MAX = 10_000
"""More requests at once are refused as unavailable."""


class StateVectorRefused(Exception):
    """Collab cannot read the state vector of a sync request."""


@dataclass(slots=True)
class _PendingRequest:
    answer: asyncio.Future[bytes]
    parts: dict[int, bytes] = field(default_factory=dict[int, bytes])


class CollabClient:
    """Sends the requests of this gateway and collects the answers."""

    def __init__(self, client: Client, gateway: str) -> None:
        """Send requests over *client*; *gateway* names the subject of the answers."""
        self._client = client
        self._reply_prefix = subjects.reply(gateway)
        self._pending: dict[int, _PendingRequest] = {}
        self._number = 0

    async def start(self) -> None:
        """Subscribe to the answers."""
        await self._client.subscribe(f"{self._reply_prefix}.*", cb=self._on_reply)

    async def request_sync(
        self, replica: str | None, scene: bytes, vector: bytes
    ) -> frames.SyncAnswer:
        """Return everything that a client with the state vector *vector* lacks.

        Raises:
            StateVectorRefused: *vector* is not a state vector.
            Unavailable: No replica answered.
        """
        first_subject = subjects.sync(replica) if replica else subjects.SYNC_ANY
        body = await self._request_with_retries(
            first_subject,
            subjects.SYNC_ANY,
            lambda number: frames.sync_request(number, scene, vector),
            wait_s=SYNC_WAIT_S,
        )
        return frames.read_sync_answer(body)

    async def request_heads(self, scenes: list[bytes]) -> list[int]:
        """Return the newest seq in the log of each scene.

        Raises:
            Unavailable: No replica answered.
        """
        body = await self._request_with_retries(
            subjects.HEADS, subjects.HEADS, lambda number: frames.heads_request(number, scenes)
        )
        return frames.read_heads_answer(body)

    async def request_range(self, scene: bytes, seq_from: int, seq_to: int) -> tuple[int, bytes]:
        """Return missed rows of the log, merged into one update, and the seq that they reach.

        Raises:
            Unavailable: No replica answered.
        """
        body = await self._request_with_retries(
            subjects.RANGE,
            subjects.RANGE,
            lambda number: frames.range_request(number, scene, seq_from, seq_to),
        )
        return frames.read_range_answer(body)

    async def _request_with_retries(
        self,
        first_subject: str,
        retry_subject: str,
        encode: Callable[[int], bytes],
        *,
        wait_s: float = ANSWER_WAIT_S,
    ) -> bytes:
        for attempt in range(ATTEMPTS_MAX):
            try:
                subject = retry_subject if attempt else first_subject
                return await self._request_once(subject, encode, wait_s)
            except (ConnectionError, TimeoutError, OSError):
                await asyncio.sleep(RETRY_DELAY_S * attempt)
        raise errors.Unavailable("The collab service is away.")

    async def _request_once(
        self, subject: str, encode: Callable[[int], bytes], wait_s: float
    ) -> bytes:
        if len(self._pending) >= PENDING_REQUESTS_MAX:
            raise errors.Unavailable
        self._number += 1
        number = self._number
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._pending[number] = _PendingRequest(answer)
        try:
            await self._client.publish(subject, encode(number), f"{self._reply_prefix}.{number}")
            async with asyncio.timeout(wait_s):
                return await answer
        finally:
            del self._pending[number]

    async def _on_reply(self, message: Msg) -> None:
        number = int(message.subject.rsplit(".", 1)[1])
        request = self._pending.get(number)
        if request is None or request.answer.done():
            return
        if not message.data:
            request.answer.set_exception(ConnectionError("no replica listens"))
            return
        _, part, parts, piece = frames.read_reply(message.data)
        if parts == 0:
            request.answer.set_exception(StateVectorRefused())
            return
        request.parts[part] = piece
        if len(request.parts) == parts:
            body = b"".join(request.parts[index] for index in range(parts))
            request.answer.set_result(body)
