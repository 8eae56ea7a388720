"""Answers searches: narrows, asks the engine, fuses, joins with what is there now, and pages."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.indexer.search import IndexInUse, SearchHits, SearchMode, SearchProject
from services.indexer import metrics
from services.indexer.embedding import BadVector
from services.indexer.embedding.loading import Model
from services.indexer.lexical import Words
from services.indexer.searching.asked import parse
from services.indexer.searching.cursors import CORRECTED_BYTES_MAX, cursor_after, mark_in
from services.indexer.searching.fusion import fused
from services.indexer.searching.joining import Joining, Live, best_of_each, hit_of
from services.indexer.searching.narrowing import Narrowing, Within, still_meets
from services.indexer.searching.spelling import Spelling
from services.indexer.store import SQL, Store
from services.indexer.vectors import Match, VectorIndex, VectorQuery

MATCHES_MAX = 200
"""Matches of one search over all its pages."""
FEW_HITS = 3
"""With fewer hits that have a word of the query, its words are looked at for typing errors."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one way to read a query found."""

    live: list[Live]
    mode: SearchMode
    wanted: frozenset[int]

    def with_words(self, words: Words) -> int:
        """Return how many of the first hits have a word of the query."""
        first = self.live[: FEW_HITS * 4]
        return sum(bool(words.places(each.row["text"], self.wanted)) for each in first)


class Search:
    """Serves `libs.contracts.indexer.search.SEARCH`."""

    def __init__(
        self, store: Store, index: VectorIndex, words: Words, model: Model, caller: Caller
    ) -> None:
        """Search *index*, join with *store*, and ask events over *caller*."""
        self._store = store
        self._index = index
        self._words = words
        self._model = model
        self._joining = Joining(store, caller)
        self._narrowing = Narrowing(store, caller)
        self._spelling = Spelling(store, words)

    async def search(self, question: SearchProject, actor: Actor) -> SearchHits:
        """Search a project.

        Raises:
            errors.Invalid: The cursor is none of this search.
            errors.Unavailable: The engine, the database, events or the wanted model is away.
        """
        started = time.perf_counter()
        project, mark, asked = actor.scope(), mark_in(question), parse(question.q)
        within = await self._narrowing.within(question, asked, actor)
        corrected = mark.corrected
        found = await self._find(question, corrected or asked.text, within, actor)
        if question.cursor is None and not asked.phrases and self._is_scarce(found):
            corrected = await self._corrected(project, asked.text)
            other = corrected and await self._find(question, corrected, within, actor)
            if other and other.with_words(self._words) > found.with_words(self._words):
                found = other
            else:
                corrected = None
        live = best_of_each(found.live) if question.grouped else found.live
        rest = [each for each in live if not mark.has(_shown_as(each, question))]
        page = rest[: question.limit]
        after = None
        if len(rest) > len(page):
            shown = [_shown_as(each, question) for each in page]
            after = cursor_after(question, mark, shown, corrected)
        took_s = time.perf_counter() - started
        metrics.search_seconds.labels(found.mode.value).observe(took_s)
        return SearchHits(
            items=[hit_of(each, self._words, found.wanted) for each in page],
            next_cursor=after,
            took_ms=round(took_s * 1e3, 2),
            mode=found.mode,
            corrected=corrected,
            index=await index_in_use(self._store, self._model, project),
        )

    def _is_scarce(self, found: _Answer) -> bool:
        by_meaning = found.mode is SearchMode.SEMANTIC
        return not by_meaning and found.with_words(self._words) < FEW_HITS

    async def _corrected(self, project: UUID, text: str) -> str | None:
        found = await self._spelling.corrected(project, text)
        return found if found and len(found.encode()) <= CORRECTED_BYTES_MAX else None

    async def _find(
        self, question: SearchProject, text: str, within: Within, actor: Actor
    ) -> _Answer:
        project = actor.scope()
        query, mode = await self._query(question, text, within)
        matches = list[Match]()
        if not within.is_nothing and text:
            matches = fused(await self._index.for_project(project).search(query))
            matches = _with_phrases(matches, within.chunks)
        live = await self._joining.live(project, matches[:MATCHES_MAX], actor)
        live = [each for each in live if still_meets(question, each.thing, each.row)]
        return _Answer(live, mode, frozenset(self._words.of_query(text).indices))

    async def _query(
        self, question: SearchProject, text: str, within: Within
    ) -> tuple[VectorQuery, SearchMode]:
        """Return what the engine is asked, and the mode that is served."""
        mode, sparse, dense = question.mode, None, None
        if mode is not SearchMode.TEXT:
            dense = await self._meaning(text)
            if dense is None and text and mode is SearchMode.SEMANTIC:
                raise errors.Unavailable(
                    "Search by meaning is not available: no embedding model is loaded. Search"
                    " with mode=text, or try again later."
                )
            if dense is None and mode is SearchMode.HYBRID:
                mode = SearchMode.TEXT
        if mode is not SearchMode.SEMANTIC:
            words = self._words.of_query(text)
            sparse = words if words.indices else None
        query = VectorQuery(
            limit=MATCHES_MAX,
            sparse=sparse,
            dense=dense,
            kinds=[kind.value for kind in question.kinds] or None,
            documents=within.documents,
            points=within.points,
            dense_min=self._model.similarity_min,
        )
        return query, mode

    async def _meaning(self, text: str) -> list[float] | None:
        if not self._model.is_ready or not text:
            return None
        try:
            return (await self._model.embed(text)).tolist()
        except (BadVector, errors.Unavailable):
            return None


async def index_in_use(store: Store, model: Model, project: UUID) -> IndexInUse:
    """Return how far the index of a project is.

    Raises:
        errors.Unavailable: The database is away.
    """
    waiting = await store.row(SQL.waiting, project)
    return IndexInUse(
        pending=waiting["pending"],
        unembedded=waiting["unembedded"] if model.is_expected else 0,
        model=model.name,
    )


def _with_phrases(matches: list[Match], chunks: Sequence[Match] | None) -> list[Match]:
    """Return matches with the chunks that have the phrases and were not found otherwise."""
    if chunks is None:
        return matches
    found = {match.id for match in matches}
    return [*matches, *(chunk for chunk in chunks if chunk.id not in found)]


def _shown_as(live: Live, question: SearchProject) -> UUID:
    return live.thing.id if question.grouped else live.row["id"]
