"""Which login sessions and personal tokens have ended, known in every gateway within seconds.

The database tells all gateways when a session is closed or a token deleted (NOTIFY), and is asked
now and then, in case one did not hear it. An access token is verified without the database, so the
sessions that ended while one of theirs may still be good are kept here. Connections that stay open
are ended when what they were opened with is no more.
"""

import time
from collections import OrderedDict
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import structlog
from prometheus_client import Counter

from libs.postgres import Connection
from services.gateway.accounts.identity.access import CLOCK_SKEW_S
from services.gateway.accounts.identity.model import Identity
from services.gateway.accounts.identity.store import IdentityStore

log = structlog.get_logger(__name__)

REMEMBERED_MAX = 100_000
"""Ended sessions and tokens that one gateway remembers."""
LOOK_INTERVAL_S = 4.0
"""How long what is connected is not looked at, however much is heard."""
OVERLAP_S = 30.0
"""A transaction that closes a session commits later than the time that it notes, by less."""
ASKED_AT_ONCE = 2_000
"""Sessions and tokens of open connections that one question names."""

_ended = Counter("scriptorium_credentials_ended_total", "Sessions and tokens heard to have ended.")


class Connections(Protocol):
    """A holder of open connections: sockets, or event streams."""

    def identities(self) -> Iterable[Identity]:
        """Return who is connected, once for each connection."""
        ...

    def close_ended(self, ended: Collection[UUID], now: datetime) -> None:
        """Close the connections whose login has *ended*, or whose token has expired by *now*."""
        ...


class Endings:
    """The sessions and tokens that ended, as far as this gateway knows."""

    channel = "credentials_ended"

    def __init__(self, store: IdentityStore, *, access_token_life_s: float) -> None:
        """Ask *store*; a session is remembered while an access token of it may be good."""
        self._store = store
        self._connections: list[Connections] = []
        self._remembered_s = access_token_life_s + CLOCK_SKEW_S + OVERLAP_S
        self._ended: OrderedDict[UUID, float] = OrderedDict()
        self._read_at: float | None = None

    def watch(self, *connections: Connections) -> None:
        """End these connections when what they were opened with has ended."""
        self._connections += connections

    def includes(self, identity: Identity) -> bool:
        """Return whether what *identity* came by is known to have ended."""
        return identity.credential_id in self._ended

    def note(self, ended: Collection[UUID]) -> None:
        """Remember what has ended, and end what was opened with it."""
        now = time.monotonic()
        fresh = [each for each in ended if each not in self._ended]
        for each in fresh:
            self._ended[each] = now
        while self._ended and self._is_forgotten(next(iter(self._ended.values())), now):
            self._ended.popitem(last=False)
        _ended.inc(len(fresh))
        if fresh:
            self._end()

    async def began(self, connection: Connection) -> None:
        """Read what ended while nobody listened."""
        del connection
        await self.look()

    async def heard(self, connection: Connection, told: Collection[UUID]) -> None:
        """Take note of what the database has told, and look at everything now and then."""
        del connection
        self.note(told)
        if self._read_at is None or time.monotonic() - self._read_at >= LOOK_INTERVAL_S:
            await self.look()

    async def look(self) -> None:
        """Read which sessions ended since the last time, and whether what is connected goes on.

        Raises:
            OSError, asyncpg.PostgresError: The database is away.
        """
        now = time.monotonic()
        since_s = self._remembered_s
        if self._read_at is not None:
            since_s = min(since_s, now - self._read_at + OVERLAP_S)
        self.note(await self._store.ended_sessions(since_s, REMEMBERED_MAX))
        self._read_at = now
        # The truth about what is connected: also what expired, and what ended long ago.
        ids = {
            each.credential_id
            for connections in self._connections
            for each in connections.identities()
        }
        asked = [each for each in ids if each is not None]
        for start in range(0, len(asked), ASKED_AT_ONCE):
            some = asked[start : start + ASKED_AT_ONCE]
            living = await self._store.living(some)
            self.note([each for each in some if each not in living])
        self._end()

    def _end(self) -> None:
        # By all that is known: somebody may have been let in while it was heard.
        now = datetime.now(UTC)
        for connections in self._connections:
            connections.close_ended(self._ended.keys(), now)

    def _is_forgotten(self, noted: float, now: float) -> bool:
        return now - noted > self._remembered_s or len(self._ended) > REMEMBERED_MAX
