"""The transactional outbox: a fact and its announcement commit together.

Writers call `announce` inside their transaction. One `Relay` per database places the facts in an
order (see `place` in queries.sql) and publishes them to JetStream. A message is stored only when
its predecessor is (`Nats-Expected-Last-Msg-Id`), so pipelining can never reorder; a repeat within
the duplicate window is dropped by the server, and beyond it by idempotent subscribers.

The table, in the migrations of each service that announces:

    CREATE TABLE outbox (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        position bigint UNIQUE,
        event_id uuid NOT NULL UNIQUE,
        subject text NOT NULL,
        payload jsonb NOT NULL,
        headers jsonb NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        published_at timestamptz
    );
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

import asyncpg
import nats.errors
import structlog
from nats.aio.client import Client
from nats.js.client import JetStreamContext
from nats.js.errors import APIError
from prometheus_client import Counter, Gauge, Histogram

from libs.postgres import Connection, Pool, load_queries
from libs.postgres.pool import UNREACHABLE

log = structlog.get_logger(__name__)

BATCH_FACTS_MAX = 500
POLL_INTERVAL_S = 2.0
"""How long a fact waits at most when its notification was lost."""
PUBLISH_WAIT_S = 5.0
RETRY_DELAY_S_MAX = 5.0
MEASURE_INTERVAL_S = 5.0
STANDBY_S_MAX = 30 * 86_400.0

SQL = load_queries("libs.bus")

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
class Fact:
    """What to announce: its id, where, and the JSON of the event."""

    event_id: UUID
    subject: str
    event: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Due:
    """A fact that has its place in the commit order and is to be published."""

    position: int
    event_id: UUID
    subject: str
    payload: dict[str, Any]
    headers: dict[str, str]
    created_at: datetime | None

    def with_payload(self, payload: dict[str, Any]) -> "Due":
        """Return the same fact with other words."""
        return replace(self, payload=payload)


@dataclass(frozen=True, slots=True)
class Screened:
    """What may be published, and the positions of what is withheld: settled without it."""

    due: list[Due]
    withheld: list[int]


class Screening(Protocol):
    """What a service may want to say about its facts before they are published."""

    async def screen(self, connection: Connection, due: Sequence[Due]) -> Screened:
        """Return what may be published now."""
        ...

    async def more(self, connection: Connection, limit: int) -> Sequence[Due]:
        """Return facts to publish once more, to refill a stream; the oldest first."""
        ...

    async def done(self, connection: Connection, positions: Sequence[int]) -> None:
        """Hear that those of `more` were published, or withheld."""
        ...


async def announce(connection: Connection, facts: Sequence[Fact]) -> None:
    """Put *facts* into the outbox within the caller's transaction, and wake the relay at commit."""
    await connection.execute(
        SQL.put,
        [fact.event_id for fact in facts],
        [fact.subject for fact in facts],
        [fact.event for fact in facts],
        [fact.headers for fact in facts],
    )
    await connection.execute(SQL.wake)


class Relay:
    """Publishes one service's outbox; at most one is at work per database."""

    def __init__(
        self, pool: Pool, client: Client, *, service: str, screening: Screening | None = None
    ) -> None:
        """Relay from *pool* to JetStream over *client* what *screening* lets through."""
        self._pool = pool
        self._jetstream: JetStreamContext = client.jetstream(
            publish_async_max_pending=BATCH_FACTS_MAX
        )
        self._service = service
        self._screening = screening
        self._wake = asyncio.Event()
        self._last_id: str | None = None
        self._committed: dict[int, datetime] = {}

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
                log.warning("outbox age unknown")
            await asyncio.sleep(MEASURE_INTERVAL_S)

    async def _keep_relaying(self) -> None:
        delay_s = 0.1
        while True:
            try:
                async with self._pool.acquire() as connection:
                    try:
                        await self._relay(connection)
                    finally:
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
        def woken(*_: object) -> None:
            self._wake.set()

        # The wait for the lock is the stand-by of a second replica, so it may last for weeks.
        await connection.execute(SQL.lock, timeout=STANDBY_S_MAX)
        await connection.add_listener("outbox", woken)
        self._last_id = None
        self._committed.clear()
        while True:
            self._wake.clear()
            while await self._step(connection):
                pass
            try:
                async with asyncio.timeout(POLL_INTERVAL_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _step(self, connection: Connection) -> bool:
        """Announce one batch, and a batch of what goes out once more; returns if there was any."""
        for row in await connection.fetch(SQL.place, BATCH_FACTS_MAX):
            if row["committed_at"]:
                self._committed[row["position"]] = row["committed_at"]
        due = [Due(**dict(row)) for row in await connection.fetch(SQL.due, BATCH_FACTS_MAX)]
        if due:
            await self._announce(connection, due)
        if self._screening is None:
            return bool(due)
        again = await self._screening.more(connection, BATCH_FACTS_MAX)
        if again:
            await self._announce(connection, again, once_more=True)
        return bool(due or again)

    async def _announce(
        self, connection: Connection, due: Sequence[Due], *, once_more: bool = False
    ) -> None:
        settled: list[int] = []
        if self._screening:
            screened = await self._screening.screen(connection, due)
            due, settled = screened.due, screened.withheld
        withheld = len(settled)
        # The first time an id is the fact's own, so that a repetition is dropped; a refill must
        # not be taken for one.
        turn = f":{uuid4().hex}" if once_more else ""
        acknowledged = [await self._publish(each, f"{each.event_id}{turn}") for each in due]
        try:
            for each, pending in zip(due, acknowledged, strict=True):
                await asyncio.wait_for(pending, PUBLISH_WAIT_S)
                settled.append(each.position)
        except (APIError, TimeoutError, nats.errors.Error):
            # The chain is broken: what follows was refused. Begin a new one from this row.
            self._last_id = None
            for pending in acknowledged:
                pending.cancel()
            if not settled:
                raise
        finally:
            if settled and once_more and self._screening:
                await self._screening.done(connection, settled)
            elif settled:
                await self._settle(connection, settled, withheld)
            _published.labels(self._service).inc(len(settled) - withheld)

    async def _settle(self, connection: Connection, positions: list[int], withheld: int) -> None:
        kept_back = set(positions[:withheld])
        for row in await connection.fetch(SQL.settle, positions):
            began = self._committed.pop(row["position"], row["created_at"])
            if row["position"] not in kept_back:
                delay_s = (row["published_at"] - began).total_seconds()
                _delay.labels(self._service).observe(max(0.0, delay_s))

    async def _publish(self, due: Due, message_id: str) -> asyncio.Future[Any]:
        headers = dict(due.headers) | {"Nats-Msg-Id": message_id}
        if self._last_id is not None:
            headers["Nats-Expected-Last-Msg-Id"] = self._last_id
        self._last_id = message_id
        body = json.dumps({"position": due.position, "event": due.payload}, separators=(",", ":"))
        return await self._jetstream.publish_async(
            due.subject, body.encode(), wait_stall=PUBLISH_WAIT_S, headers=headers
        )
