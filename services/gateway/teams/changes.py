"""How every gateway hears that somebody's teams changed.

The database tells all gateways when the change commits (NOTIFY), and keeps whose teams are stale
until the cache has let go of them: a gateway that dies in between, or a bus that is away, leaves
that for the next one. A gateway that could not listen for a while looks at all its sockets again.
"""

import asyncio
from collections.abc import Collection
from typing import Protocol
from uuid import UUID

import asyncpg
import nats.errors
import nats.js.errors
import structlog

from libs.postgres import Connection, Pool
from libs.postgres.pool import UNREACHABLE
from services.gateway.authority import Authority
from services.gateway.teams.store import SQL

log = structlog.get_logger(__name__)

CHANNEL = "teams_changed"
POLL_INTERVAL_S = 5.0
"""How often what is stale is looked for, should nobody have told."""
RETRY_DELAY_S = 0.5
STALE_MAX = 500
"""People of one look."""


class Sockets(Protocol):
    """What open sockets must be told."""

    def person_changed(self, user_id: UUID) -> None:
        """Somebody's roles may have changed, in any project."""

    def look_at_everybody(self) -> None:
        """Anybody's roles may have changed."""


class TeamChanges:
    """Passes changes of teams on to the cache and to open sockets."""

    def __init__(self, pool: Pool, authority: Authority, *sockets: Sockets) -> None:
        """Listen to *pool*, tell *authority* and *sockets*."""
        self._pool = pool
        self._authority = authority
        self._sockets = sockets
        self._told: set[UUID] = set()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Listen until cancelled, through losses of the database."""
        while True:
            try:
                async with self._pool.acquire() as connection:
                    try:
                        await self._listen(connection)
                    finally:
                        # It listens as long as it lives, which nobody else in the pool wants.
                        connection.terminate()
            except (*UNREACHABLE, asyncpg.PostgresError) as error:
                log.warning("changes of teams are not heard", reason=repr(error)[:200])
            await asyncio.sleep(RETRY_DELAY_S)

    async def _listen(self, connection: Connection) -> None:
        await connection.add_listener(CHANNEL, self._hear)
        await self._settle(connection)
        for sockets in self._sockets:
            sockets.look_at_everybody()
        while True:
            try:
                async with asyncio.timeout(POLL_INTERVAL_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            told, self._told = self._told, set()
            await self._drop(told)
            for sockets in self._sockets:
                for user_id in told:
                    sockets.person_changed(user_id)
            await self._settle(connection)

    def _hear(self, *notice: object) -> None:
        self._told.add(UUID(str(notice[-1])))
        self._wake.set()

    async def _settle(self, connection: Connection) -> None:
        """Let the cache go of what is stale, as far as it can be reached."""
        while rows := await connection.fetch(SQL.stale, STALE_MAX):
            people = [row["user_id"] for row in rows]
            if not await self._drop(people):
                return
            await connection.execute(SQL.settle, people, [row["version"] for row in rows])
            if len(rows) < STALE_MAX:
                return

    async def _drop(self, people: Collection[UUID]) -> bool:
        """Return whether the cache has let go of all of them."""
        try:
            for user_id in people:
                await self._authority.forget_teams(user_id)
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
            log.warning("permission cache unreachable", reason=type(error).__name__)
            return False
        return True
