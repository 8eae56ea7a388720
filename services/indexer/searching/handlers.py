"""Answers searches.

What the engine finds is joined with live rows: with the chunk as it is now, and with what events
says of its thing at this moment. So nothing that is deleted is ever shown, however far the index
is behind; a stale point only costs a hit.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.events.things import DESCRIBE_THINGS, DescribeThings, Thing, ThingRef
from libs.contracts.indexer.search import (
    Hit,
    HitAnchor,
    IndexInUse,
    SearchHits,
    SearchMode,
    SearchProject,
)
from libs.contracts.positions import CharacterId, RelativePosition, YjsRange
from libs.contracts.things import ThingKind
from services.indexer import metrics
from services.indexer.embedding import BadVector
from services.indexer.embedding.loading import Model
from services.indexer.lexical import Words
from services.indexer.model.snippets import snippet_of
from services.indexer.searching.cursors import Mark, cursor_after, mark_in
from services.indexer.store import FILTER_DOCUMENTS_MAX, SQL, Row, Store
from services.indexer.vectors import Match, VectorIndex, VectorQuery

MATCHES_MAX = 200
"""Matches of one search over all its pages."""


@dataclass(frozen=True, slots=True)
class _Live:
    """A match with its chunk and its thing as they are now."""

    match: Match
    row: Row
    thing: Thing


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
        self._caller = caller

    async def search(self, question: SearchProject, actor: Actor) -> SearchHits:
        """Search a project.

        Raises:
            errors.Invalid: The cursor is none of this search.
            errors.Unavailable: The engine, the database, events or the wanted model is away.
        """
        started = time.perf_counter()
        project = actor.scope()
        mark = mark_in(question)
        query, mode = await self._query(project, question)
        found = await self._index.for_project(project).search(query) if query else []
        live = await self._live(project, found, actor)
        if question.grouped:
            live = _best_of_each(live)
        rest = [each for each in live if mark is None or _is_after(each.match, mark)]
        page = rest[: question.limit]
        waiting = await self._store.row(SQL.waiting, project)
        after = page[-1].match if len(rest) > len(page) else None
        took_s = time.perf_counter() - started
        metrics.search_seconds.labels(mode.value).observe(took_s)
        wanted = frozenset(self._words.of_query(question.q).indices)
        return SearchHits(
            items=[self._hit(each, wanted) for each in page],
            next_cursor=after and cursor_after(question, Mark(after.score, after.id)),
            took_ms=round(took_s * 1e3, 2),
            mode=mode,
            index=IndexInUse(
                pending=waiting["pending"],
                unembedded=waiting["unembedded"] if self._model.is_expected else 0,
                model=self._model.name,
            ),
        )

    async def _query(
        self, project: UUID, question: SearchProject
    ) -> tuple[VectorQuery | None, SearchMode]:
        """Return what the engine is asked, None for nothing, and the mode that is served."""
        mode, sparse, dense = question.mode, None, None
        text = question.q.strip()
        if mode is not SearchMode.TEXT:
            dense = await self._meaning(text)
            if not self._model.is_ready and mode is SearchMode.SEMANTIC:
                raise errors.Unavailable(
                    "Search by meaning is not available: no embedding model is loaded. Search"
                    " with mode=text, or try again later."
                )
            if dense is None and mode is SearchMode.HYBRID:
                mode = SearchMode.TEXT
        if mode is not SearchMode.SEMANTIC:
            words = self._words.of_query(text)
            sparse = words if words.indices else None
        documents = await self._documents(project, question)
        if not text or (sparse is None and dense is None) or documents == []:
            return None, mode
        query = VectorQuery(
            limit=MATCHES_MAX,
            sparse=sparse,
            dense=dense,
            kinds=[kind.value for kind in question.kinds] or None,
            documents=documents,
        )
        return query, mode

    async def _meaning(self, text: str) -> list[float] | None:
        if not self._model.is_ready or not text:
            return None
        try:
            return (await self._model.embed(text)).tolist()
        except BadVector:
            return None

    async def _documents(self, project: UUID, question: SearchProject) -> list[UUID] | None:
        """Return the documents in a place; None for everywhere."""
        if question.book_id is None and question.chapter_id is None:
            return None
        rows = await self._store.rows(
            SQL.documents_in,
            project,
            question.book_id,
            question.chapter_id,
            FILTER_DOCUMENTS_MAX,
        )
        return [row["id"] for row in rows]

    async def _live(self, project: UUID, found: Sequence[Match], actor: Actor) -> list[_Live]:
        """Return those matches that stand on a chunk and a thing of now."""
        if not found:
            return []
        rows = await self._store.rows(SQL.found, project, [match.id for match in found])
        by_id = {row["id"]: row for row in rows}
        current = [
            (match, by_id[match.id])
            for match in found
            if match.id in by_id and by_id[match.id]["hash"].hex() == match.hash
        ]
        refs = {
            row["document_id"]: ThingRef(kind=ThingKind(row["kind"]), id=row["document_id"])
            for _, row in current
        }
        things = await self._things(list(refs.values()), actor)
        live = [
            _Live(match, row, thing)
            for match, row in current
            if (thing := things.get(row["document_id"])) is not None
            and thing.shown
            and thing.project_id == project
        ]
        metrics.stale_hits.inc(len(found) - len(live))
        return live

    async def _things(self, refs: Sequence[ThingRef], actor: Actor) -> dict[UUID, Thing]:
        if not refs:
            return {}
        found = await self._caller.ask(DESCRIBE_THINGS, DescribeThings(things=list(refs)), actor)
        return {thing.id: thing for thing in found.things}

    def _hit(self, live: _Live, wanted: frozenset[int]) -> Hit:
        row, thing = live.row, live.thing
        text: str = row["text"]
        snippet, highlights = snippet_of(text, self._words.places(text, wanted))
        is_scene = thing.kind is ThingKind.SCENE
        return Hit(
            kind=thing.kind,
            id=thing.id,
            scene_id=thing.id if is_scene else None,
            chunk_id=row["id"],
            score=round(live.match.score, 6),
            snippet=snippet,
            highlights=highlights,
            anchor=_anchor(row),
            title=thing.title,
            path=thing.path,
        )


def _anchor(row: Row) -> HitAnchor | None:
    if row["first_client"] is None:
        return None
    place: dict[str, Any] = {"from": row["from_offset"], "to": row["to_offset"]}
    return HitAnchor(
        seq=row["seq"],
        quote=row["text"],
        yjs=YjsRange(
            start=_position(row["first_client"], row["first_clock"], assoc=0),
            end=_position(row["last_client"], row["last_clock"], assoc=-1),
        ),
        **place,
    )


def _position(client: int, clock: int, *, assoc: int) -> RelativePosition:
    return RelativePosition(item=CharacterId(client=client, clock=clock), assoc=assoc)


def _best_of_each(live: Sequence[_Live]) -> list[_Live]:
    best: dict[UUID, _Live] = {}
    for each in live:
        best.setdefault(each.thing.id, each)
    return list(best.values())


def _is_after(match: Match, mark: Mark) -> bool:
    return (-match.score, match.id) > (-mark.score, mark.id)
