"""Reads the edits of logs, and keeps those that are compacted."""

from uuid import UUID

from libs import errors
from libs.contracts.collab.authorship import AUTHORED_ROWS_MAX
from libs.tasks import Pace
from services.collab.review.authorship import work
from services.collab.review.authorship.parts import Edit, Part
from services.collab.review.authorship.plan import Stretch, plan
from services.collab.review.authorship.store import AuthorStore
from services.collab.workers import Workers

PAGE_ROWS = 5_000
"""Rows read at a time: some 10 ms of the event loop, 20 ms of a worker."""


class EditReader:
    """Reads who made which edits."""

    def __init__(self, store: AuthorStore, workers: Workers) -> None:
        """Read from *store*, decode in *workers*."""
        self._store = store
        self._workers = workers

    async def originals(self, log: UUID, stretch: Stretch, pace: Pace | None = None) -> list[Part]:
        """Read the originals of *stretch* that are there.

        Raises:
            WorkerDied: Their worker was lost.
        """
        parts: list[Part] = []
        after, last = stretch[0] - 1, stretch[1]
        while after < last:
            page = await self._store.edits(log, after, last, PAGE_ROWS)
            if not page.seqs:
                break
            columns = page.rows, page.seqs, page.times_ms, page.authors, page.people
            parts.append(await self._workers.run(work.read, *columns))
            if pace is not None:
                await pace.rest()
            if len(page.seqs) < PAGE_ROWS:
                break
            after = page.seqs[-1]
        return parts

    async def history(self, log: UUID, upto: int) -> tuple[list[Part | bytes], Edit | None]:
        """Read the edits of a log up to *upto*, and the edit of whatever was forgotten.

        Raises:
            TooLarge: There are more edits than are read at once.
            WorkerDied: A worker was lost.
        """
        kept = await self._store.kept(log, upto)
        first = await self._store.first_original(log)
        wanted = plan(kept, first, upto, AUTHORED_ROWS_MAX)
        if wanted.rows > AUTHORED_ROWS_MAX:
            raise errors.TooLarge(
                f"This version has more than {AUTHORED_ROWS_MAX:,} edits that were not compacted"
                " yet. Ask for an older one, or later.",
                limitEdits=AUTHORED_ROWS_MAX,
            )
        parts: list[Part | bytes] = [*await self._store.parts(log, wanted.kept)]
        for stretch in wanted.originals:
            parts += await self.originals(log, stretch)
        if not wanted.lost:
            return parts, None
        lost = wanted.lost[0][0], wanted.lost[-1][1]
        return parts, await self._store.only_author(log, lost)


class AuthorKeeper:
    """Keeps authors beyond the rows that name them."""

    def __init__(self, store: AuthorStore, workers: Workers) -> None:
        """Keep in *store*."""
        self._store = store
        self._workers = workers
        self._reader = EditReader(store, workers)

    async def keep(self, log: UUID, stretch: Stretch, pace: Pace) -> None:
        """Keep the authors of the originals of *stretch*, a compaction; harmless when repeated.

        Raises:
            WorkerDied: A worker was lost; nothing was kept.
        """
        if not await self._store.is_kept(log, stretch[1]):
            parts = await self._reader.originals(log, stretch, pace)
            await self._store.keep(log, stretch, await self._workers.run(work.keep, parts))
