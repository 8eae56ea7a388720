"""Word counts of scenes, kept beside the log."""

from collections.abc import Sequence

from libs.contracts.events.word_counts import WordCount
from libs.postgres import Pool
from services.events.store.statements import SQL


async def record_word_counts(pool: Pool, counts: Sequence[WordCount]) -> None:
    """Keep those of *counts* that are newer than the known ones."""
    newest = {each.scene_id: each for each in counts}
    await pool.execute(
        SQL.record_word_counts,
        list(newest),
        [each.words for each in newest.values()],
        [each.counted_at for each in newest.values()],
    )
