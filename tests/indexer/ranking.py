"""Books in the vector engine, asked as the service asks, and as others do."""

from uuid import UUID, uuid4

from services.indexer.embedding import Embedder
from services.indexer.lexical import Words
from services.indexer.model.chunking import windows
from services.indexer.searching.fusion import fused
from services.indexer.vectors import Point, VectorIndex, VectorQuery
from tests.indexer import gold
from tests.indexer.gold import Book, EntitySearch, Place

MATCHES = 200


class Ranking:
    """A book in the engine, asked as the service asks."""

    def __init__(self, index: VectorIndex, words: Words, model: Embedder | None) -> None:
        self._vectors = index.for_project(uuid4())
        self._words = words
        self._model = model
        self._places: dict[UUID, Place] = {}

    async def fill(self, texts: dict[Place, str]) -> None:
        points: list[Point] = []
        for place, text in texts.items():
            for _, window in windows(text):
                dense = self._meaning(window)
                sparse = self._words.of_text(window)
                points.append(Point(uuid4(), uuid4(), "scene", "", sparse, dense))
                self._places[points[-1].id] = place
        await self._vectors.upsert(points)

    def _meaning(self, text: str) -> list[float] | None:
        return None if self._model is None else self._model.embed(text).tolist()

    async def ranks(self, book: Book, kind: str | None = None) -> list[int]:
        found: list[int] = []
        for question in book.questions:
            if kind in (None, question.kind):
                dense = self._meaning(question.text)
                query = VectorQuery(
                    MATCHES,
                    sparse=self._words.of_query(question.text),
                    dense=dense,
                    dense_min=None if self._model is None else self._model.similarity_min,
                )
                matches = fused(await self._vectors.search(query))
                found.append(gold.rank([self._places[one.id] for one in matches], question.gold))
        return found


def entity_ranks(book: Book, model: Embedder) -> list[int]:
    """Return the ranks of a book's questions when only its entities are searched."""
    vectors = {one: model.embed(". ".join((*one.names, one.description))) for one in book.entities}
    queries = {one.text: model.embed(one.text) for one in book.questions}
    entities = EntitySearch(book, lambda query, one: float(queries[query] @ vectors[one]))
    return [gold.rank(entities.search(one.text), one.gold) for one in book.questions]
