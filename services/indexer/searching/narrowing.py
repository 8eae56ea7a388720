"""What a search is narrowed to: documents by their rows, and chunks by phrases."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.events.things import LIST_TAGGED, ListTagged, Thing
from libs.contracts.indexer.search import SearchProject
from services.indexer.searching.asked import Asked
from services.indexer.store import FILTER_DOCUMENTS_MAX, SQL, Row, Store
from services.indexer.vectors import Match

PHRASE_CHUNKS_MAX = 1_000
"""Chunks with the phrases of a query, the newest."""


@dataclass(frozen=True, slots=True)
class Within:
    """Documents and chunks that may match; None for all."""

    documents: list[UUID] | None = None
    chunks: list[Match] | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether nothing may match."""
        return self.documents == [] or self.chunks == []

    @property
    def points(self) -> list[UUID] | None:
        """Ids of the chunks."""
        return None if self.chunks is None else [chunk.id for chunk in self.chunks]


class Narrowing:
    """Turns filters into documents and chunks."""

    def __init__(self, store: Store, caller: Caller) -> None:
        """Read from *store*; ask events over *caller* what a tag marks."""
        self._store = store
        self._caller = caller

    async def within(self, question: SearchProject, asked: Asked, actor: Actor) -> Within:
        """Return what a question may match in the actor's project.

        Raises:
            errors.Unavailable: The database or events is away.
        """
        documents = await self._documents(question, actor)
        if documents == [] or not asked.phrases:
            return Within(documents)
        rows = await self._store.rows(
            SQL.chunks_that_say, actor.scope(), asked.like(), documents, PHRASE_CHUNKS_MAX
        )
        chunks = [
            Match(row["id"], 0.0, row["hash"].hex()) for row in rows if asked.is_in(row["text"])
        ]
        return Within(documents, chunks)

    async def _documents(self, question: SearchProject, actor: Actor) -> list[UUID] | None:
        conditions = (
            question.book_id,
            question.chapter_id,
            question.type,
            question.status,
            question.since,
            question.until,
        )
        tagged: Sequence[UUID] | None = None
        if question.tag_id is not None:
            answer = await self._caller.ask(LIST_TAGGED, ListTagged(tag_id=question.tag_id), actor)
            tagged = answer.ids
        elif not any(conditions):
            return None
        rows = await self._store.rows(
            SQL.documents_that, actor.scope(), FILTER_DOCUMENTS_MAX, *conditions, tagged
        )
        return [row["id"] for row in rows]


def still_meets(question: SearchProject, thing: Thing, row: Row) -> bool:
    """Whether a thing, as it is now, meets the filters that rows were chosen by."""
    changed_at = max(thing.updated_at, row["updated_at"] or thing.updated_at)
    return (
        question.book_id in (None, thing.book_id)
        and question.chapter_id in (None, thing.chapter_id)
        and question.type in (None, thing.type)
        and question.status in (None, thing.status)
        and (question.since is None or changed_at >= question.since)
        and (question.until is None or changed_at < question.until)
    )
