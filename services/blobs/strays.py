"""A walk over storage for objects that no row knows.

A writer that died very late left them, or they are newer than a database that was recovered. They
are doomed, in a month's time. See decision 71.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from prometheus_client import Counter

from libs.tasks import PeriodicTask, SharedTask, TaskPositions
from services.blobs.reading import Storages
from services.blobs.storage import Object
from services.blobs.store import SQL, Store
from services.blobs.threads import blocking

log = structlog.get_logger(__name__)

INTERVAL_S = 7 * 86_400.0
"""Pause between two walks."""
LOOK_INTERVAL_S = 600.0
AGE = timedelta(days=1)
"""Least age of a stray; the row of a younger object may not be written yet."""
KEPT_S = 30 * 86_400.0
"""Time until a stray is deleted: an operator may still recover the database that has its row."""
PAGE_OBJECTS = 1000
DUTY = 0.1
"""Share of the time that a walk takes."""

found = Counter("scriptorium_blobs_strays_total", "Objects in storage that no row knew.")


class Strays:
    """Looks for strays, over all replicas one at a time."""

    def __init__(self, store: Store, positions: TaskPositions, storages: Storages) -> None:
        """Walk over *storages*."""
        self._store = store
        self._storages = storages
        self._walks = {
            tier: SharedTask(
                f"strays_{tier}",
                partial(self._walk, tier),
                positions=positions,
                every_s=INTERVAL_S,
                poll_s_max=LOOK_INTERVAL_S,
                duty=DUTY,
            )
            for tier in storages
        }

    def tasks(self) -> list[PeriodicTask]:
        """Return the walks, one for each tier."""
        return list(self._walks.values())

    async def _walk(self, tier: str, position: str) -> str | None:
        page = await self.look(tier, position)
        report = self._walks[tier].report
        if page is None:
            log.info("storage walked over", tier=tier, strays=report["strays"])
            return None
        report["strays"] += page[1]
        return page[0]

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
