"""Finds scenes that resemble a scene, and entities that resemble an entity."""

import time
from collections.abc import Sequence
from uuid import UUID

import numpy as np

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.indexer.search import FindSimilar, SearchHits, SearchMode
from services.indexer import metrics
from services.indexer.embedding.loading import Model
from services.indexer.lexical import Words
from services.indexer.searching.handlers import MATCHES_MAX, index_in_use
from services.indexer.searching.joining import Joining, Live, hit_of
from services.indexer.store import SQL, Row, Store, vector_of
from services.indexer.vectors import Sparse, VectorIndex, VectorQuery

CHUNKS_MAX = 500
"""Chunks of a document that say what it is about, from its begin."""
WORDS_MAX = 100
"""Words of a document that are searched for while it has no vectors."""
BEST_CHUNKS = 3
"""Chunks of a document by which it is compared; a single one may be alike by chance."""


class Similar:
    """Serves `libs.contracts.indexer.search.FIND_SIMILAR`."""

    def __init__(
        self, store: Store, index: VectorIndex, words: Words, model: Model, caller: Caller
    ) -> None:
        """Search *index*, join with *store*, and ask events over *caller*."""
        self._store = store
        self._index = index
        self._words = words
        self._model = model
        self._joining = Joining(store, caller)

    async def find(self, question: FindSimilar, actor: Actor) -> SearchHits:
        """Find what resembles a thing, each with the part that does most.

        Raises:
            errors.NotFound: The project has no such thing.
            errors.Unavailable: The engine, the database or events is away.
        """
        started = time.perf_counter()
        project = actor.scope()
        shown = await self._joining.things(project, {question.id: question.kind.value}, actor)
        if question.id not in shown:
            raise errors.NotFound
        rows = await self._store.rows(
            SQL.meaning_of, project, question.id, self._model.name, CHUNKS_MAX
        )
        dense = _mean([row for row in rows if row["vector"] is not None])
        query = VectorQuery(
            limit=MATCHES_MAX,
            dense=dense,
            sparse=None if dense else self._sparse(rows),
            kinds=[question.kind.value],
            without=question.id,
            dense_min=self._model.similarity_min,
        )
        found = await self._index.for_project(project).search(query)
        live = await self._joining.live(project, found.meaning or found.words, actor)
        mode = SearchMode.SEMANTIC if dense else SearchMode.TEXT
        took_s = time.perf_counter() - started
        metrics.search_seconds.labels("similar").observe(took_s)
        return SearchHits(
            items=[
                hit_of(each, self._words, frozenset()) for each in _ranked(live)[: question.limit]
            ],
            took_ms=round(took_s * 1e3, 2),
            mode=mode,
            index=await index_in_use(self._store, self._model, project),
        )

    def _sparse(self, rows: Sequence[Row]) -> Sparse | None:
        words = self._words.of_query(" ".join(row["text"] for row in rows)[:20_000])
        if not words.indices:
            return None
        return Sparse(words.indices[:WORDS_MAX], words.values[:WORDS_MAX])


def _mean(rows: Sequence[Row]) -> list[float] | None:
    if not rows:
        return None
    mean = np.mean([vector_of(row["vector"]) for row in rows], axis=0)
    return mean.tolist() if np.any(mean) else None


def _ranked(live: Sequence[Live]) -> list[Live]:
    """Return the best match of each thing, by the mean of its best scores."""
    of_thing: dict[UUID, list[Live]] = {}
    for each in live:
        of_thing.setdefault(each.thing.id, []).append(each)

    def mean(some: Sequence[Live]) -> float:
        return sum(each.match.score for each in some[:BEST_CHUNKS]) / BEST_CHUNKS

    order = sorted(of_thing.values(), key=lambda some: (-mean(some), some[0].thing.id))
    return [some[0] for some in order]
