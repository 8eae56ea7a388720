"""The transactional outbox: a fact and its announcement commit together.

Writers call `announce` inside their transaction; the `Relay` (relay.py) publishes the facts.

Each service that announces facts has this table in its migrations. `json` keeps the text as it was
written, so that neither PostgreSQL nor the relay has to parse it:

    CREATE TABLE outbox (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        position bigint,
        event_id uuid NOT NULL UNIQUE,
        subject text NOT NULL,
        payload json NOT NULL,
        headers json NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        published_at timestamptz
    );
    CREATE UNIQUE INDEX ON outbox (position) WHERE position IS NOT NULL;
    CREATE INDEX ON outbox (seq) WHERE position IS NULL;
    CREATE INDEX ON outbox (position) WHERE published_at IS NULL AND position IS NOT NULL;
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import structlog

from libs.postgres import Connection, Pool, load_queries
from libs.postgres.pool import UNREACHABLE

log = structlog.get_logger(__name__)

SQL = load_queries("libs.bus")
_ENCODER = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact to announce: the id of its event, its subject, and the event."""

    event_id: UUID
    subject: str
    event: dict[str, Any] | str
    """The event as an object, or as JSON text where the writer has it already."""
    headers: dict[str, str] = field(default_factory=dict[str, str])


async def announce(connection: Connection, facts: Sequence[Fact]) -> None:
    """Put *facts* into the outbox in the caller's transaction; its commit wakes the relay."""
    await connection.execute(
        SQL.put,
        [fact.event_id for fact in facts],
        [fact.subject for fact in facts],
        [fact.event if isinstance(fact.event, str) else _text(fact.event) for fact in facts],
        [_text(fact.headers) for fact in facts],
    )


class LocalRelay(Protocol):
    """A relay in this process."""

    def wake(self) -> bool:
        """Look for new facts if this relay is the active one; return whether it is."""
        ...


class RelayNotifier:
    """Wakes the relay after commits, once for all commits in the meantime.

    The relay of this process is called directly, a relay elsewhere notified through PostgreSQL.

    It serves writers that commit often and fill the outbox without `announce`: PostgreSQL commits
    transactions that notify only one after the other, each with its own write to the disk. A fact
    whose notification is lost in a crash is found within POLL_INTERVAL_S.
    """

    def __init__(self, pool: Pool, near: LocalRelay | None = None) -> None:
        """Notify over *pool*, unless *near* is the active relay."""
        self._pool = pool
        self._near = near
        self._due = False
        self._ringing: asyncio.Task[None] | None = None

    def ring(self) -> None:
        """Wake the relay soon."""
        if self._near and self._near.wake():
            return
        self._due = True
        if self._ringing is None:
            self._ringing = asyncio.create_task(self._ring(), name="bell of the outbox")

    async def _ring(self) -> None:
        try:
            while self._due:
                self._due = False
                await self._pool.execute(SQL.wake)
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            log.info("the relay was not notified", reason=type(error).__name__)
        finally:
            self._ringing = None


def _text(value: Any) -> str:
    return _ENCODER.encode(value)
