"""Typing errors: a word that a project does not have is taken for the nearest one that it has.

Only where a query found hardly anything, so that a word of a paraphrase is left as it is. The words
are those of the project's own chunks, counted by PostgreSQL and kept for a short time.
"""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from uuid import UUID

import structlog
from rapidfuzz import process
from rapidfuzz.distance import OSA

from services.indexer.lexical import Words
from services.indexer.store import SQL, Store

log = structlog.get_logger(__name__)

VOCABULARY_CHUNKS_MAX = 20_000
VOCABULARY_AGE_S_MIN = 0.2
VOCABULARY_AGE_SHARE = 20
"""Words are counted again when they are so many times older than counting them took."""
VOCABULARY_WAIT_S_MAX = 0.15
"""A search waits no longer for words that are counted; of 12,000 chunks they are in a second."""
VOCABULARIES_MAX = 16
WORD_CHARS_MIN = 4
"""Shorter words have too many neighbours."""
WORD_CHARS_MAX = 40
LONG_CHARS_MIN = 8
"""Words of this length may have two errors, shorter ones a single one."""
CORRECTED_CHARS_MAX = 100
"""A longer query is no name that somebody mistyped."""
CANDIDATES = 8

_WORD = re.compile(r"[^\W\d_]+")

type Vocabulary = Mapping[str, int]


class Spelling:
    """Corrects queries by the words of their project."""

    def __init__(self, store: Store, words: Words) -> None:
        """Count words in *store*; *words* tells which have the same stem."""
        self._store = store
        self._words = words
        self._counting: dict[UUID, asyncio.Task[Vocabulary]] = {}
        self._known: OrderedDict[UUID, tuple[float, Vocabulary]] = OrderedDict()

    async def corrected(self, project: UUID, text: str) -> str | None:
        """Return *text* with words of the project instead of unknown ones; None if none is.

        Raises:
            errors.Unavailable: The database is away.
        """
        if len(text) > CORRECTED_CHARS_MAX:
            return None
        vocabulary = await self._vocabulary(project)
        found = await asyncio.to_thread(correct, text, vocabulary, self._words)
        return found if found != text else None

    async def _vocabulary(self, project: UUID) -> Vocabulary:
        """Return the words of a project, old ones rather than late ones."""
        until, known = self._known.get(project, (0.0, {}))
        if time.monotonic() < until:
            self._known.move_to_end(project)
            return known
        counting = self._counting.get(project)
        if counting is None:
            counting = asyncio.create_task(self._count(project), name="count words")
            self._counting[project] = counting
            counting.add_done_callback(lambda done: self._counted(project, done))
        done, _ = await asyncio.wait({counting}, timeout=VOCABULARY_WAIT_S_MAX)
        return counting.result() if done else known

    async def _count(self, project: UUID) -> Vocabulary:
        started = time.monotonic()
        rows = await self._store.rows(
            SQL.vocabulary, project, VOCABULARY_CHUNKS_MAX, WORD_CHARS_MIN - 1, WORD_CHARS_MAX
        )
        known = {row["word"]: row["ndoc"] for row in rows}
        now = time.monotonic()
        age_s = max(VOCABULARY_AGE_S_MIN, VOCABULARY_AGE_SHARE * (now - started))
        self._known[project] = now + age_s, known
        self._known.move_to_end(project)
        while len(self._known) > VOCABULARIES_MAX:
            self._known.popitem(last=False)
        return known

    def _counted(self, project: UUID, done: asyncio.Task[Vocabulary]) -> None:
        self._counting.pop(project, None)
        if not done.cancelled() and (error := done.exception()) is not None:
            # Those who wait are told; perhaps nobody waits any more.
            log.warning("words not counted", project_id=str(project), reason=str(error))


def correct(text: str, vocabulary: Vocabulary, words: Words) -> str:
    """Return *text* with the nearest word for each that is unknown."""
    listed = list(vocabulary)

    def nearest(found: re.Match[str]) -> str:
        word = found[0].lower()
        if len(word) < WORD_CHARS_MIN or len(word) > WORD_CHARS_MAX or word in vocabulary:
            return found[0]
        errors_max = 2 if len(word) >= LONG_CHARS_MIN else 1
        near = process.extract(
            word, listed, scorer=OSA.distance, score_cutoff=errors_max, limit=CANDIDATES
        )
        stem = words.of_query(word).indices
        if not near or any(words.of_query(other).indices == stem for other, _, _ in near):
            # Another form of a known word is no error.
            return found[0]
        return min(near, key=lambda one: (one[1], -vocabulary[one[0]], one[0]))[0]

    return _WORD.sub(nearest, text)
