"""What a gateway asks collab about live scenes: joins, gaps, heads.

Answers come back in parts on a subject of the request's own, so that megabytes pass a bus that
carries messages of one, and so that "nobody listens" is known at once.
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
"""A long log that has no head yet takes seconds to load."""
ATTEMPTS_MAX = 4
RETRY_DELAY_S = 0.2
ANSWERS_MAX = 10_000
"""Questions open at once; more is refused as unavailable."""


class Refused(Exception):
    """Collab understood the question and cannot answer it as asked."""


@dataclass(slots=True)
class _Open:
    done: asyncio.Future[bytes]
    parts: dict[int, bytes] = field(default_factory=dict[int, bytes])


class CollabClient:
    """Questions of this gateway and their answers."""

    def __init__(self, client: Client, gateway: str) -> None:
        """Ask over *client*."""
        self._client = client
        self._prefix = subjects.reply(gateway)
        self._open: dict[int, _Open] = {}
        self._number = 0

    async def start(self) -> None:
        """Listen for answers."""
        await self._client.subscribe(f"{self._prefix}.*", cb=self._on_reply)

    async def sync(self, replica: str | None, scene: bytes, vector: bytes) -> frames.SyncAnswer:
        """Ask for what a client with state vector *vector* lacks.

        Raises:
            Refused: *vector* is no state vector.
            Unavailable: No replica answered.
        """
        first = subjects.sync(replica) if replica else subjects.SYNC_ANY
        body = await self._ask(
            first,
            subjects.SYNC_ANY,
            lambda number: frames.sync_request(number, scene, vector),
            wait_s=SYNC_WAIT_S,
        )
        return frames.read_sync_answer(body)

    async def heads(self, scenes: list[bytes]) -> list[int]:
        """Ask how far the logs of *scenes* reach.

        Raises:
            Unavailable: No replica answered.
        """
        body = await self._ask(
            subjects.HEADS, subjects.HEADS, lambda number: frames.heads_request(number, scenes)
        )
        return frames.read_heads_answer(body)

    async def range(self, scene: bytes, seq_from: int, seq_to: int) -> tuple[int, bytes]:
        """Ask for rows that were missed; returns the seq reached and one update.

        Raises:
            Unavailable: No replica answered.
        """
        body = await self._ask(
            subjects.RANGE,
            subjects.RANGE,
            lambda number: frames.range_request(number, scene, seq_from, seq_to),
        )
        return frames.read_range_answer(body)

    async def _ask(
        self,
        first: str,
        then: str,
        encode: Callable[[int], bytes],
        *,
        wait_s: float = ANSWER_WAIT_S,
    ) -> bytes:
        for attempt in range(ATTEMPTS_MAX):
            try:
                return await self._once(then if attempt else first, encode, wait_s)
            except (ConnectionError, TimeoutError, OSError):
                await asyncio.sleep(RETRY_DELAY_S * attempt)
        raise errors.Unavailable("The collab service is away.")

    async def _once(self, subject: str, encode: Callable[[int], bytes], wait_s: float) -> bytes:
        if len(self._open) >= ANSWERS_MAX:
            raise errors.Unavailable
        self._number += 1
        number = self._number
        done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._open[number] = _Open(done)
        try:
            await self._client.publish(subject, encode(number), f"{self._prefix}.{number}")
            async with asyncio.timeout(wait_s):
                return await done
        finally:
            del self._open[number]

    async def _on_reply(self, message: Msg) -> None:
        number = int(message.subject.rsplit(".", 1)[1])
        waiting = self._open.get(number)
        if waiting is None or waiting.done.done():
            return
        if not message.data:
            waiting.done.set_exception(ConnectionError("nobody listens"))
            return
        _, part, parts, piece = frames.read_reply(message.data)
        if parts == 0:
            waiting.done.set_exception(Refused())
            return
        waiting.parts[part] = piece
        if len(waiting.parts) == parts:
            waiting.done.set_result(b"".join(waiting.parts[index] for index in range(parts)))
