"""Reads the edits of logs, and keeps those that are compacted."""

from uuid import UUID

from libs import errors
from libs.contracts.collab.authorship import AUTHORED_ROWS_MAX
from libs.tasks import Pace
from services.collab.review.authorship import work
from services.collab.review.authorship.parts import Edit, Part
from services.collab.review.authorship.plan import Stretch, plan
from services.collab.review.authorship.rows import Rows
from services.collab.review.authorship.store import AuthorStore
from services.collab.store import Store, Trust
from services.collab.workers import Workers

PAGE_ROWS = 5_000
"""Rows read at a time: some 10 ms of the event loop."""


class EditReader:
    """Reads who made which edits."""

    def __init__(self, authors: AuthorStore, store: Store, workers: Workers) -> None:
        """Read from *authors* and *store*, decode in *workers*."""
        self._authors = authors
        self._store = store
        self._workers = workers

    async def pages(self, log: UUID, stretch: Stretch, pace: Pace | None = None) -> list[Rows]:
        """Read the originals of *stretch* that are there."""
        pages: list[Rows] = []
        after, last = stretch[0] - 1, stretch[1]
        while after < last:
            page = await self._authors.edits(log, after, last, PAGE_ROWS)
            if not page:
                break
            pages.append(page)
            after = page.seqs[-1]
            if pace is not None:
                await pace.rest()
        return pages

    async def base(self, log: UUID, upto: int) -> list[bytes] | None:
        """Read the document before the originals after *upto*; None when it cannot be had."""
        if not upto:
            return []
        stored = await self._store.load(log, upto=upto, trust=Trust.COMPACTED)
        if stored.pruned or stored.base_damaged or stored.full or stored.upto < upto:
            return None
        return [stored.base, *stored.rows] if stored.base is not None else stored.rows

    async def history(self, log: UUID, upto: int) -> tuple[list[Part | bytes], Edit | None]:
        """Read the edits of a log up to *upto*, and the edit of whatever was forgotten.

        Raises:
            TooLarge: There are more edits than are read at once.
            WorkerDied: A worker was lost.
        """
        kept = await self._authors.kept(log, upto)
        first = await self._authors.first_original(log)
        wanted = plan(kept, first, upto, AUTHORED_ROWS_MAX)
        if wanted.rows > AUTHORED_ROWS_MAX:
            raise errors.TooLarge(
                f"This version has more than {AUTHORED_ROWS_MAX:,} edits that were not compacted"
                " yet. Ask for an older one, or later.",
                limitEdits=AUTHORED_ROWS_MAX,
            )
        parts: list[Part | bytes] = [*await self._authors.parts(log, wanted.kept)]
        for stretch in wanted.originals:
            if pages := await self.pages(log, stretch):
                base = await self.base(log, pages[0].seqs[0] - 1)
                parts.append(await self._workers.run(work.read, pages, base))
        if not wanted.lost:
            return parts, None
        lost = wanted.lost[0][0], wanted.lost[-1][1]
        return parts, await self._authors.only_author(log, lost)


class AuthorKeeper:
    """Keeps authors beyond the rows that name them."""

    def __init__(self, authors: AuthorStore, store: Store, workers: Workers) -> None:
        """Keep in *authors* what is read there and in *store*."""
        self._authors = authors
        self._workers = workers
        self._reader = EditReader(authors, store, workers)

    async def keep(self, log: UUID, stretch: Stretch, pace: Pace) -> None:
        """Keep the authors of the originals of *stretch*, a compaction; harmless when repeated.

        Raises:
            WorkerDied: A worker was lost; nothing was kept.
        """
        if await self._authors.is_kept(log, stretch[1]):
            return
        before = stretch[0] - 1
        pages = await self._reader.pages(log, stretch, pace)
        base = await self._reader.base(log, pages[0].seqs[0] - 1) if pages else []
        parts = await self._authors.parts(log, await self._authors.kept(log, before))
        kept = await self._workers.run(work.keep, pages, base, parts)
        await self._authors.keep(log, stretch, kept)
