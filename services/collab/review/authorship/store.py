"""Authors in PostgreSQL: those of the log's rows, and what is kept beyond them."""

from array import array
from collections.abc import Sequence
from uuid import UUID

from libs.postgres import Pool, load_queries
from services.collab.review.authorship.parts import By, Edit
from services.collab.review.authorship.plan import Stretch
from services.collab.review.authorship.rows import Rows

SQL = load_queries("services.collab.review.authorship")


class AuthorStore:
    """Speaks SQL about authors."""

    def __init__(self, pool: Pool) -> None:
        """Use *pool*."""
        self._pool = pool

    async def kept(self, log: UUID, upto: int) -> list[Stretch]:
        """Return the kept stretches of a log up to *upto*, in order."""
        rows = await self._pool.fetch(SQL.kept, log, upto)
        return [(row["from_seq"], row["seq"]) for row in rows]

    async def parts(self, log: UUID, stretches: Sequence[Stretch]) -> list[bytes]:
        """Return the kept parts of *stretches*."""
        if not stretches:
            return []
        rows = await self._pool.fetch(SQL.parts, log, [last for _, last in stretches])
        return [row["part"] for row in rows]

    async def first_original(self, log: UUID) -> int | None:
        """The seq of the oldest original; None when there is none."""
        return await self._pool.fetchval(SQL.first_original, log)

    async def edits(self, log: UUID, after: int, upto: int, rows_max: int) -> Rows:
        """Return at most *rows_max* originals after *after* up to *upto*."""
        found = await self._pool.fetch(SQL.edits, log, after, upto, rows_max)
        numbers: dict[By, int] = {}
        authors = [
            numbers.setdefault((row["created_by"], row["run_id"]), len(numbers)) for row in found
        ]
        bodies: list[bytes] = [row["body"] for row in found]
        return Rows(
            b"".join(bodies),
            array("q", map(len, bodies)),
            array("q", (row["seq"] for row in found)),
            array("q", (row["time_ms"] for row in found)),
            array("q", authors),
            list(numbers),
        )

    async def keep(self, log: UUID, stretch: Stretch, part: bytes) -> None:
        """Keep *part* of a log, unless it is kept."""
        await self._pool.execute(SQL.keep, log, stretch[1], stretch[0], part)

    async def is_kept(self, log: UUID, seq: int) -> bool:
        """Whether the stretch that ends with *seq* is kept."""
        return await self._pool.fetchval(SQL.is_kept, log, seq)

    async def merged_branches(
        self, scene: UUID, upto: int, other_than: UUID
    ) -> list[tuple[UUID, int]]:
        """Branches that are part of *scene* at *upto*, with their newest versions."""
        rows = await self._pool.fetch(SQL.merged_branches, scene, upto, other_than)
        return [(row["id"], row["head"]) for row in rows]

    async def base_seq(self, branch: UUID) -> int:
        """Up to which version of its scene a branch has it."""
        return await self._pool.fetchval(SQL.base_seq, branch) or 0

    async def only_author(self, log: UUID, lost: Stretch) -> Edit | None:
        """Return the edit that all of *lost* counts as when its sessions had only one author."""
        row = await self._pool.fetchrow(SQL.lost, log, *lost)
        if row is None or len(row["authors"]) != 1:
            return None
        return Edit(row["seq"], row["time_ms"], (UUID(row["authors"][0]), None))
