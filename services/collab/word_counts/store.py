"""Word counts in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from libs.contracts.events.word_counts import COUNTS_MAX, WordCount
from libs.postgres import Pool, load_queries
from services.collab.word_counts.counting import RULES

SQL = load_queries("services.collab.word_counts")

AGAIN_S = 86_400
"""Age in seconds after which a count is reported again: events may have lost it to a restore."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The words of a scene when its log reached *seq*; 0 for blocks that wait for migration."""

    scene_id: UUID
    seq: int
    words: int


@dataclass(frozen=True, slots=True)
class Imported:
    """Blocks that an import brought into a scene without a log, as they are stored."""

    packed: bytes
    size: int


class WordCountStore:
    """Speaks SQL to `word_counts`."""

    def __init__(self, pool: Pool) -> None:
        """Use *pool*."""
        self._pool = pool

    async def without_branches(self, scenes: Sequence[UUID]) -> list[UUID]:
        """Return those of *scenes* that are scenes, and not branches of one."""
        return [row["id"] for row in await self._pool.fetch(SQL.without_branches, scenes)]

    async def imported(self, scene: UUID) -> Imported | None:
        """Return the blocks of a scene that wait for their migration."""
        row = await self._pool.fetchrow(SQL.imported, scene)
        return Imported(row["content_blocks"], row["content_bytes"]) if row else None

    async def put(self, counts: Sequence[Counted]) -> None:
        """Keep counts; one of an earlier state than the known one changes nothing."""
        ordered = sorted(counts, key=lambda each: each.scene_id)
        await self._pool.execute(
            SQL.put,
            [each.scene_id for each in ordered],
            [each.seq for each in ordered],
            [each.words for each in ordered],
            RULES,
        )

    async def untold(self) -> list[WordCount]:
        """Return counts that events was not told, or long ago; at most COUNTS_MAX."""
        rows = await self._pool.fetch(SQL.untold, AGAIN_S, COUNTS_MAX)
        return [WordCount.model_construct(**dict(row)) for row in rows]

    async def note_told(self, counts: Sequence[WordCount]) -> None:
        """Note that events knows *counts*; one that changed meanwhile is still to be told."""
        await self._pool.execute(
            SQL.note_told,
            [each.scene_id for each in counts],
            [each.counted_at for each in counts],
        )

    async def page(self, after: UUID, limit: int) -> list[tuple[UUID, bool]]:
        """Return the next scenes with a log, in order, and whether each is to be counted."""
        rows = await self._pool.fetch(SQL.page, after, limit, RULES)
        return [(row["scene_id"], row["behind"]) for row in rows]

    async def uncounted_imports(self, limit: int) -> list[UUID]:
        """Return scenes without a count whose blocks wait for their migration."""
        rows = await self._pool.fetch(SQL.uncounted_imports, limit)
        return [row["scene_id"] for row in rows]
