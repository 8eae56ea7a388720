"""The office that gives out tickets and looks at them."""

import asyncio
import time
from datetime import UTC, datetime

from libs import errors
from libs.contracts.blobs.transfers import Ticket
from services.blobs.model.tickets import Grant, Key, key_of, sign, verify
from services.blobs.store import Store

LOOK_INTERVAL_S = 3600.0
"""Time between two checks that a young signing key exists."""
LOOK_AGAIN_S = 1.0
"""The shortest time between two look-ups for a ticket with an unknown key."""


class Tickets:
    """Signs with the newest key of the database, believes all that it holds."""

    def __init__(self, store: Store, url: str) -> None:
        """Give out tickets for *url*."""
        self._store = store
        self._url = url
        self._keys: dict[int, Key] = {}
        self._newest: Key | None = None
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def give(self, grant: Grant, *, direct_url: str | None = None) -> Ticket:
        """Return leave to do what *grant* says."""
        await self._look(LOOK_INTERVAL_S)
        assert self._newest is not None
        return Ticket(
            ticket=sign(grant, self._newest),
            url=self._url,
            expires_at=datetime.fromtimestamp(grant.expires_at, UTC),
            direct_url=direct_url,
        )

    async def read(self, ticket: str) -> Grant:
        """Return what *ticket* allows.

        Raises:
            errors.Forbidden: It was not given out here, or is over.
            errors.Unavailable: Its key is not known and the database is away.
        """
        await self._look(LOOK_INTERVAL_S)
        if key_of(ticket) not in self._keys:
            await self._look(LOOK_AGAIN_S)
        return verify(ticket, self._keys, now=time.time())

    async def _look(self, interval_s: float) -> None:
        async with self._looking:
            now = time.monotonic()
            if now - self._looked_at < interval_s:
                return
            try:
                keys = await self._store.ticket_keys()
            except errors.AppError:
                # With keys at hand work goes on without the database, and is tried again soon.
                if self._newest is None or interval_s == LOOK_AGAIN_S:
                    raise
                return
            self._keys = {key.id: key for key in keys}
            self._newest = keys[0]
            self._looked_at = now
