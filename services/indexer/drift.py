"""Compares rows and points both ways, and mends what differs.

A point without a row is deleted: nothing shows it, but it takes the place of matches. A row whose
point is missing, or was made from another text, is written again.
"""

from collections.abc import Callable
from uuid import UUID

import structlog

from libs.tasks import PeriodicTask, progressed
from services.indexer import metrics
from services.indexer.store import SQL, Store
from services.indexer.vectors import VectorIndex

log = structlog.get_logger(__name__)

PAGE_POINTS = 500
INTERVAL_S = 3600.0
DUTY = 0.05
LOOK_INTERVAL_S = 2.0
"""Time after which a rebuild that ended is noticed."""
NOTHING = UUID(int=0)


class Drift:
    """Walks over all projects, and over those that were rebuilt."""

    def __init__(self, store: Store, index: VectorIndex, on_unwritten: Callable[[], None]) -> None:
        """Compare *store* with *index*; call *on_unwritten* when points are to be written again."""
        self._store = store
        self._index = index
        self._on_unwritten = on_unwritten
        self._after = NOTHING

    def tasks(self) -> list[PeriodicTask]:
        """Return what a replica does in the background."""
        walk = PeriodicTask("drift", self.step, interval_s=INTERVAL_S, duty=DUTY, jitter=0.1)
        return [walk, PeriodicTask("rebuilds", self.end_rebuilds, interval_s=LOOK_INTERVAL_S)]

    async def step(self) -> bool:
        """Compare the next project; False when all are done."""
        rows = await self._store.rows(SQL.next_project, self._after)
        if not rows:
            self._after = NOTHING
            return False
        self._after = rows[0]["project_id"]
        await self.mend(self._after)
        return True

    async def end_rebuilds(self) -> None:
        """Compare the projects whose rebuild is through, and note that it is done."""
        for row in await self._store.rows(SQL.rebuilt):
            await self.mend(row["project_id"])
            await self._store.rows(SQL.end_rebuild, row["project_id"])

    async def mend(self, project: UUID) -> tuple[int, int]:
        """Mend a project; returns how many points were deleted, and how many rows reset.

        Raises:
            errors.Unavailable: The engine or the database is away.
        """
        vectors = self._index.for_project(project)
        deleted = reset = 0
        after, first = NOTHING, None
        while True:
            found = await vectors.page(first, PAGE_POINTS + 1)
            page, more = dict(found[:PAGE_POINTS]), found[PAGE_POINTS:]
            last = max(page) if more else None
            rows = await self._store.rows(SQL.chunks_between, project, after, last)
            lost = [row["id"] for row in rows if page.get(row["id"]) != row["point_hash"].hex()]
            known = await self._store.rows(SQL.known_chunks, project, list(page))
            orphans = list(page.keys() - {row["id"] for row in known})
            if orphans:
                await vectors.delete(orphans)
            if lost:
                await self._store.rows(SQL.unwrite_all, lost)
                self._on_unwritten()
            deleted, reset = deleted + len(orphans), reset + len(lost)
            progressed()
            if last is None:
                break
            after, first = last, more[0][0]
        metrics.drift.labels("orphaned_points").inc(deleted)
        metrics.drift.labels("lost_points").inc(reset)
        if deleted or reset:
            log.warning("index mended", project_id=str(project), orphans=deleted, lost=reset)
        return deleted, reset
