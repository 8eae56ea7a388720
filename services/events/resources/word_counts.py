"""Word counts that collab tells: kept beside the projection of scenes, and no part of the log."""

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.manuscript import Done
from libs.contracts.events.word_counts import RecordWordCounts
from libs.postgres import Pool
from libs.postgres.pool import UNREACHABLE
from services.events.store.word_counts import record_word_counts


class WordCountHandlers:
    """Keeps how many words scenes have."""

    def __init__(self, pool: Pool) -> None:
        """Keep them in *pool*."""
        self._pool = pool

    async def record(self, question: RecordWordCounts, _actor: Actor) -> Done:
        """Keep the counts that are newer than the known ones.

        Raises:
            errors.Unavailable: The database is away.
        """
        try:
            await record_word_counts(self._pool, question.counts)
        except UNREACHABLE as error:
            raise errors.Unavailable from error
        return Done()
