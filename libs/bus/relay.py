"""The relay: what the outbox holds, published to JetStream in the order of its commits.

One per database is at work. It places the facts in an order (see `place` in queries.sql) and
publishes them batch after batch. What may have been stored without our knowing is published again;
a repeat within the duplicate window is dropped by the server, and beyond it by idempotent
subscribers.
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
from libs.postgres import Connection, Pool
from libs.postgres.pool import UNREACHABLE

log = structlog.get_logger(__name__)

BATCH_FACTS_MAX = 500
BATCH_PAUSE_S = 0.01
"""After a batch that was not full: what commits meanwhile shares the next one's round trips."""
POLL_INTERVAL_S = 2.0
"""How long a fact waits at most when its notification was lost."""
RETRY_DELAY_S_MAX = 5.0
MEASURE_INTERVAL_S = 5.0
STREAM_LOOK_S = 10.0
STREAM_WAIT_S = 5.0
TAIL_MARGIN = timedelta(seconds=2)
"""A fact is noted as published so long after its message was stored, at most."""
TAKE_BACK_ROWS = 20_000
"""By one statement."""
STANDBY_S_MAX = 30 * 86_400.0

HEADERS_MAX = 256
"""Kept read: the facts of one action have the same."""

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
    """A fact that has its place in the commit order and is to be published.

    `payload` is JSON as it was written; `began_at` is when it was committed, or where that is not
    known when its transaction began.
    """

    position: int
    event_id: UUID
    subject: str
    payload: str
    headers: dict[str, str]
    began_at: datetime | None

    def with_payload(self, payload: str) -> "QueuedFact":
        """Return the same fact with other words."""
        return replace(self, payload=payload)


@dataclass(frozen=True, slots=True)
class FilteredFacts:
    """What may be published, and the positions of what is withheld: settled without it."""

    due: list[QueuedFact]
    withheld: list[int]


class PublishFilter(Protocol):
    """What a service may want to say about its facts before they are published."""

    async def screen(self, connection: Connection, due: Sequence[QueuedFact]) -> FilteredFacts:
        """Return what may be published now."""
        ...

    async def more(self, connection: Connection, limit: int) -> Sequence[QueuedFact]:
        """Return facts to publish once more, to refill a stream; the oldest first."""
        ...

    async def done(self, connection: Connection, positions: Sequence[int]) -> None:
        """Hear that those of `more` were published, or withheld."""
        ...


class Relay:
    """Publishes one service's outbox; at most one is at work per database."""

    def __init__(
        self,
        pool: Pool,
        client: Client,
        *,
        service: str,
        screening: PublishFilter | None = None,
        stream: Stream | None = None,
    ) -> None:
        """Relay from *pool* to JetStream over *client* what *screening* lets through.

        Where a *stream* is named the relay notices that it was lost and made anew, and announces
        once more, in their order, the facts that the outbox still has.
        """
        self._pool = pool
        self._client = client
        self._kept_in = stream
        self._looked_over: int | None = None
        """Which connection to the server was used to look for the end of the stream."""
        self._stream = StreamWriter(client)
        self._service = service
        self._screening = screening
        self._wake = asyncio.Event()
        self._behind = True
        """Whether something placed may not have been announced."""
        self._more = True
        """Whether something may wait to go out once more."""
        self._at_work = False
        _published.labels(service)  # counted from nought, so that an alert sees the first
        _delay.labels(service)

    def wake(self) -> bool:
        """Look for new facts, if this is the relay at work; returns whether it is."""
        self._wake.set()
        return self._at_work

    async def run(self) -> None:
        """Relay until cancelled, through losses of either server."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_measuring())
            tasks.create_task(self._keep_relaying())

    async def _keep_measuring(self) -> None:
        # Beside the relay, because the age matters most while that fails.
        while True:
            try:
                _age.labels(self._service).set(await self._pool.fetchval(SQL.oldest))
            except (*UNREACHABLE, asyncpg.PostgresError):
                log.warning("the age of the outbox is unknown")
            await asyncio.sleep(MEASURE_INTERVAL_S)

    async def _keep_relaying(self) -> None:
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

        # The wait for the lock is the stand-by of a second replica, so it may last for weeks.
        await connection.execute(SQL.lock, timeout=STANDBY_S_MAX)
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
        """Take facts back into the outbox that their stream has lost.

        What is missing at the end of a stream is looked for once for each connection: only a
        restarted server may have lost it.

        Raises:
            APIError, nats.errors.Error: The stream is not there, or nobody knows.
        """
        if self._kept_in is None:
            return
        found = await self._client.request(
            f"$JS.API.STREAM.INFO.{self._kept_in.name}", b"", STREAM_WAIT_S
        )
        said: dict[str, Any] = json.loads(found.data)
        if "created" not in said:
            return  # it is being declared; the next look finds it
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
        """Announce one batch, and a batch of what goes out once more; returns if there may be more.

        What was placed is announced at once. It is read again only after a failure.
        """
        query, again = (SQL.due if self._behind else SQL.place), self._behind
        due = [_due(row) for row in await connection.fetch(query, BATCH_FACTS_MAX)]
        self._behind = bool(due)
        if due:
            # An update returns its rows in no order.
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
        """Publish a batch and settle what arrived; returns whether all of it did."""
        settled: list[int] = []
        if self._screening:
            screened = await self._screening.screen(connection, due)
            due, settled = screened.due, screened.withheld
        withheld = len(settled)
        # The first time an id is the fact's own, so that a repetition is dropped; a refill must
        # not be taken for one.
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
            # None for what was withheld.
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
