"""The relay: publishes the facts of the outbox to JetStream in the order of their commits.

One relay per database is active. It gives the facts an order (see `place` in queries.sql) and
publishes them batch after batch. A fact that may have been stored without an acknowledgement is
published again; the server drops a repetition within the duplicate window, and idempotent
subscribers drop a later one.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID, uuid4

import asyncpg
import nats.errors
import structlog
from nats.aio.client import Client
from nats.js.errors import APIError
from prometheus_client import Counter, Gauge, Histogram

from libs.bus.outbox import SQL
from libs.bus.stream_writer import StreamMessage, StreamWriter
from libs.contracts.streams import Stream
from libs.postgres import Connection, LockKey, Pool
from libs.postgres.locks import wait_for_session_lock
from libs.postgres.pool import UNREACHABLE
from libs.tasks import PeriodicTask

log = structlog.get_logger(__name__)

BATCH_FACTS_MAX = 500
BATCH_PAUSE_S = 0.01
"""Pause after a batch that was not full: facts committed in it share the next round trips."""
POLL_INTERVAL_S = 2.0
"""The longest wait of a fact whose notification was lost."""
RETRY_DELAY_S_MAX = 5.0
MEASURE_INTERVAL_S = 5.0
STREAM_LOOK_S = 10.0
STREAM_WAIT_S = 5.0
TAIL_MARGIN = timedelta(seconds=2)
"""The longest time between the storage of a message and the note that it was published."""
TAKE_BACK_ROWS = 20_000
"""Rows that one statement marks as unpublished."""
STANDBY_S_MAX = 30 * 86_400.0

HEADERS_MAX = 256
"""Parsed headers that are cached; the facts of one action have the same headers."""

_age = Gauge("scriptorium_outbox_age_seconds", "Age of the oldest unannounced fact.", ["service"])
_published = Counter("scriptorium_outbox_published_total", "Facts announced.", ["service"])
_delay = Histogram(
    "scriptorium_outbox_delay_seconds",
    "From the commit of a fact to its acknowledgement by the stream. Without the server's"
    " track_commit_timestamp: from the beginning of its transaction.",
    ["service"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)


@dataclass(frozen=True, slots=True)
class QueuedFact:
    """A fact that has its position in the commit order and is to be published.

    `payload` is JSON as it was written; `began_at` is the time of the commit or, where that is not
    known, the beginning of the transaction.
    """

    position: int
    event_id: UUID
    subject: str
    payload: str
    headers: dict[str, str]
    began_at: datetime | None

    def with_payload(self, payload: str) -> "QueuedFact":
        """Return the same fact with another payload."""
        return replace(self, payload=payload)


@dataclass(frozen=True, slots=True)
class FilteredFacts:
    """The facts that may be published, and the positions of those that are withheld."""

    due: list[QueuedFact]
    withheld: list[int]


class PublishFilter(Protocol):
    """Decides for a service which of its facts are published, and which are published again."""

    async def screen(self, connection: Connection, due: Sequence[QueuedFact]) -> FilteredFacts:
        """Return the facts that may be published now, and the positions of the others."""
        ...

    async def more(self, connection: Connection, limit: int) -> Sequence[QueuedFact]:
        """Return facts to publish again, to refill a stream; the oldest first."""
        ...

    async def done(self, connection: Connection, positions: Sequence[int]) -> None:
        """Note that facts of `more` were published or withheld."""
        ...


class Relay:
    """Publishes the outbox of a service; at most one relay per database is active."""

    def __init__(
        self,
        pool: Pool,
        client: Client,
        *,
        service: str,
        screening: PublishFilter | None = None,
        stream: Stream | None = None,
    ) -> None:
        """Relay from *pool* to JetStream over *client* the facts that *screening* lets pass.

        If a *stream* is named, the relay notices that it was lost and created again, and publishes
        the facts that the outbox still has again, in their order.
        """
        self._pool = pool
        self._client = client
        self._kept_in = stream
        self._looked_over: int | None = None
        """The connection over which the end of the stream was last compared with the outbox."""
        self._stream = StreamWriter(client)
        self._service = service
        self._screening = screening
        self._wake = asyncio.Event()
        self._behind = True
        """Whether a fact with a position may still be unpublished."""
        self._more = True
        """Whether facts may wait to be published again."""
        self._at_work = False
        # A task of its own, because the age matters most while the relay fails.
        self.measuring = PeriodicTask("outbox_age", self.measure, interval_s=MEASURE_INTERVAL_S)
        _published.labels(service)  # counted from zero, so that an alert sees the first
        _delay.labels(service)

    def wake(self) -> bool:
        """Look for new facts if this relay is the active one; return whether it is."""
        self._wake.set()
        return self._at_work

    async def measure(self) -> None:
        """Show how long the oldest fact has waited."""
        _age.labels(self._service).set(await self._pool.fetchval(SQL.oldest))

    async def run(self) -> None:
        """Relay until cancelled; the loss of either server only interrupts it."""
        delay_s = 0.1
        while True:
            try:
                async with self._pool.acquire() as connection:
                    try:
                        await self._relay(connection)
                    finally:
                        self._at_work = False
                        # The lock is the session's and must end with it: an idle connection in
                        # the pool that still held it would hold up every relay.
                        connection.terminate()
            except (*UNREACHABLE, asyncpg.PostgresError, nats.errors.Error, APIError) as error:
                log.warning("relay interrupted", reason=repr(error)[:200], retry_in_s=delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RETRY_DELAY_S_MAX)
            else:
                delay_s = 0.1

    async def _relay(self, connection: Connection) -> None:
        def woken(_: object, __: int, ___: str, payload: object) -> None:
            self._more = self._more or bool(payload)
            self._wake.set()

        # A second replica stands by in this wait for the lock, so it may last for weeks.
        await wait_for_session_lock(connection, LockKey.RELAY, timeout_s=STANDBY_S_MAX)
        await connection.add_listener("outbox", woken)
        self._behind = self._more = self._at_work = True
        looked_at = 0.0
        while True:
            if time.monotonic() - looked_at >= STREAM_LOOK_S:
                await self._refill_stream(connection)
                looked_at = time.monotonic()
            self._wake.clear()
            if await self._step(connection):
                continue
            await asyncio.sleep(BATCH_PAUSE_S)
            try:
                async with asyncio.timeout(POLL_INTERVAL_S):
                    await self._wake.wait()
            except TimeoutError:
                self._more = True

    async def _refill_stream(self, connection: Connection) -> None:
        """Mark facts as unpublished that their stream has lost.

        The end of the stream is compared once for each connection, because only a
        restarted server may have lost messages there.

        Raises:
            APIError, nats.errors.Error: The stream does not exist, or the server did not answer.
        """
        if self._kept_in is None:
            return
        found = await self._client.request(
            f"$JS.API.STREAM.INFO.{self._kept_in.name}", b"", STREAM_WAIT_S
        )
        said: dict[str, Any] = json.loads(found.data)
        if "created" not in said:
            return  # the stream is being declared; the next look finds it
        made_at = datetime.fromisoformat(said["created"])
        newest = None
        if self._looked_over != self._client.client_id:
            state = said["state"]
            newest = made_at
            if state["messages"]:
                newest = datetime.fromisoformat(state["last_ts"]) + TAIL_MARGIN
        self._looked_over = self._client.client_id
        lost = 0
        while some := await connection.fetchval(SQL.take_back, made_at, TAKE_BACK_ROWS, newest):
            lost += some
        if lost:
            self._behind = True
            log.warning("the stream has lost facts; they are published again", facts=lost)

    async def _step(self, connection: Connection) -> bool:
        """Publish one batch of new facts and one of repeated facts; return if there may be more.

        Facts are published right after they got positions; they are read again only after failures.
        """
        query, again = (SQL.due if self._behind else SQL.place), self._behind
        due = [_due(row) for row in await connection.fetch(query, BATCH_FACTS_MAX)]
        self._behind = bool(due)
        if due:
            # UPDATE ... RETURNING returns its rows in no particular order.
            due.sort(key=lambda each: each.position)
            self._behind = not await self._announce(connection, due) or (
                again and len(due) == BATCH_FACTS_MAX
            )
        if self._more:
            screening = self._screening
            late = await screening.more(connection, BATCH_FACTS_MAX) if screening else ()
            self._more = bool(late)
            if late:
                await self._announce(connection, late, once_more=True)
        return self._behind or self._more or again or len(due) == BATCH_FACTS_MAX

    async def _announce(
        self, connection: Connection, due: Sequence[QueuedFact], *, once_more: bool = False
    ) -> bool:
        """Publish a batch and note which facts the stream has; return whether it has all."""
        settled: list[int] = []
        if self._screening:
            screened = await self._screening.screen(connection, due)
            due, settled = screened.due, screened.withheld
        withheld = len(settled)
        # The message id is the fact's own, so that the server drops a repetition. A refill must
        # not be dropped, so it gets an id of its own.
        turn = f":{uuid4().hex}" if once_more else ""
        try:
            async for position in self._stream.store([_message(each, turn) for each in due]):
                settled.append(position)
        except (APIError, TimeoutError, nats.errors.Error):
            if not settled:
                raise
            return False
        else:
            return True
        finally:
            if settled and once_more and self._screening:
                await self._screening.done(connection, settled)
            elif settled:
                await self._settle(connection, settled, due)
            _published.labels(self._service).inc(len(settled) - withheld)

    async def _settle(
        self, connection: Connection, positions: Sequence[int], due: Sequence[QueuedFact]
    ) -> None:
        began = {each.position: each.began_at for each in due}
        delay = _delay.labels(self._service)
        for row in await connection.fetch(SQL.settle, positions):
            # Withheld facts are not in *due*; no delay is measured for them.
            if began_at := began.get(row["position"]):
                delay.observe(max(0.0, (row["published_at"] - began_at).total_seconds()))


def _message(due: QueuedFact, turn: str) -> StreamMessage:
    body = f'{{"position":{due.position},"event":{due.payload}}}'.encode()
    headers = due.headers | {"Nats-Msg-Id": f"{due.event_id}{turn}"}
    return StreamMessage(due.position, due.subject, body, headers)


def _due(row: asyncpg.Record) -> QueuedFact:
    return QueuedFact(
        row["position"],
        row["event_id"],
        row["subject"],
        row["payload"],
        _headers(row["headers"]),
        row["committed_at"] or row["created_at"],
    )


@lru_cache(HEADERS_MAX)
def _headers(text: str) -> dict[str, str]:
    return json.loads(text)
