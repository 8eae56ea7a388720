"""How every gateway hears of changes that another one made in their database: by NOTIFY.

One connection listens for all who want to know. Each of them is also called when nothing was told
for a while, and after a loss of the connection, because a notice is never repeated.
"""

import asyncio
from collections.abc import Collection
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import structlog

from libs.postgres import Connection, Pool
from libs.postgres.pool import UNREACHABLE

log = structlog.get_logger(__name__)

POLL_INTERVAL_S = 5.0
"""How often everybody looks for themselves, should nobody have told."""
RETRY_DELAY_S = 0.5


class Listener(Protocol):
    """A listener on a channel of PostgreSQL."""

    @property
    def channel(self) -> str:
        """The name of the channel."""
        ...

    async def began(self, connection: Connection) -> None:
        """Nobody listened until now: look at everything."""
        ...

    async def heard(self, connection: Connection, told: Collection[UUID]) -> None:
        """These were told since the last time; none were when it is only time to look again."""
        ...


class Notices:
    """Listens to the database."""

    def __init__(self, pool: Pool, *listeners: Listener) -> None:
        """Listen in *pool* for *listeners*."""
        self._pool = pool
        self._listeners = listeners
        self._told: dict[str, set[UUID]] = {each.channel: set() for each in listeners}
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
                log.warning("changes are not heard", reason=repr(error)[:200])
            await asyncio.sleep(RETRY_DELAY_S)

    async def _listen(self, connection: Connection) -> None:
        for each in self._listeners:
            await connection.add_listener(each.channel, self._hear)
        for each in self._listeners:
            await each.began(connection)
        while True:
            try:
                async with asyncio.timeout(POLL_INTERVAL_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            for each in self._listeners:
                told, self._told[each.channel] = self._told[each.channel], set()
                await each.heard(connection, told)

    def _hear(self, _connection: Any, _process: int, channel: str, payload: object) -> None:
        self._told[channel].add(UUID(str(payload)))
        self._wake.set()
