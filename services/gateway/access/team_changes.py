"""The consequences of changed teams: the cache and open sockets are told.

The database tells all gateways of the commit (`services.gateway.accounts.notifications`), and keeps
whose teams are stale until the cache has let go of them: a gateway that dies in between, or a bus
that is away, leaves that for the next one. A gateway that could not listen for a while looks at
all its sockets again.
"""

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

import nats.errors
import nats.js.errors
import structlog

from libs.postgres import Connection
from services.gateway.access.authority import Authority
from services.gateway.accounts.teams.store import SQL

log = structlog.get_logger(__name__)

STALE_MAX = 500
"""People of one look."""


class Sockets(Protocol):
    """Receivers of changes that concern open sockets."""

    def person_changed(self, user_id: UUID) -> None:
        """Somebody's roles may have changed, in any project."""

    def reauthorize_all(self) -> None:
        """The roles of any user may have changed."""


class TeamChanges:
    """Passes changes of teams on to the cache and to open sockets."""

    channel = "teams_changed"

    def __init__(self, authority: Authority, *sockets: Sockets) -> None:
        """Tell *authority* and *sockets*."""
        self._authority = authority
        self._sockets = sockets

    async def began(self, connection: Connection) -> None:
        """Look at all sockets again: nobody knows what was missed."""
        await self._settle(connection)
        for sockets in self._sockets:
            sockets.reauthorize_all()

    async def heard(self, connection: Connection, told: Collection[UUID]) -> None:
        """Drop what is cached of these people, and look at their sockets."""
        await self._drop(told)
        for sockets in self._sockets:
            for user_id in told:
                sockets.person_changed(user_id)
        await self._settle(connection)

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
