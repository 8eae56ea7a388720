"""A walk over storage for objects that no row knows.

A writer that died very late left them, or they are newer than a database that was recovered. They
are doomed, in a month's time. See decision 71.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Counter

from libs import errors
from libs.postgres.pool import UNREACHABLE
from services.blobs.collection.chores import Chores, Place
from services.blobs.pacing import Pace
from services.blobs.reading import Storages
from services.blobs.storage import Object
from services.blobs.store import SQL, Store
from services.blobs.threads import blocking

log = structlog.get_logger(__name__)

INTERVAL = timedelta(days=7)
"""From the end of one walk to the next one."""
LOOK_INTERVAL_S = 600.0
AGE = timedelta(days=1)
"""Of an object that may be a stray; younger ones may be on their way to a row."""
KEPT_S = 30 * 86_400.0
"""A stray is deleted so long after it was found: somebody may want the other database back."""
PAGE_OBJECTS = 1000
DUTY = 0.1
"""Share of the time that a walk takes."""

found = Counter("scriptorium_blobs_strays_total", "Objects in storage that no row knew.")


class Strays:
    """Looks for strays, over all replicas one at a time."""

    def __init__(self, store: Store, chores: Chores, storages: Storages) -> None:
        """Walk over *storages*."""
        self._store = store
        self._chores = chores
        self._storages = storages

    async def run(self) -> None:
        """Walk now and then, until cancelled."""
        while True:
            try:
                for tier in self._storages:
                    await self._walk(tier)
            except (errors.AppError, *UNREACHABLE, asyncpg.PostgresError) as error:
                log.warning("walk over storage interrupted", reason=repr(error)[:200])
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def _walk(self, tier: str) -> None:
        chore = f"strays_{tier}"
        async with self._chores.doing(chore) as ours:
            place = await self._chores.begin(chore, INTERVAL) if ours else None
            if place is None:
                return
            pace, strays = Pace(DUTY), 0
            after = f"{place.project_id}/{place.sha256}" if place.sha256 else ""
            while page := await self.look(tier, after):
                strays += page[1]
                after = page[0]
                project, _, rest = after.partition("/")
                await self._chores.keep(chore, Place(UUID(project), rest))
                await pace.rest()
            await self._chores.end(chore, {"strays": strays})
            log.info("storage walked over", tier=tier, strays=strays)

    async def look(self, tier: str, after: str) -> tuple[str, int] | None:
        """Look at the page after a key; returns the last key and how many are strays, if any."""
        page: Sequence[Object] = await blocking(
            self._storages[tier].list, after=after, limit=PAGE_OBJECTS
        )
        if not page:
            return None
        young = datetime.now(UTC) - AGE
        old = [each.key for each in page if each.modified_at < young]
        strays = await self._store.database.rows(SQL.doom_strays, old, tier, KEPT_S)
        for row in strays:
            log.warning("object without a row", key=row["key"], tier=tier)
        found.inc(len(strays))
        return page[-1].key, len(strays)
