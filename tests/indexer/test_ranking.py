"""What search finds for questions that were written before it was tuned: the bars that it holds."""

from collections.abc import AsyncIterator

import pytest

from services.indexer.embedding.minilm import MiniLm
from services.indexer.lexical import Words
from services.indexer.vectors import VectorIndex
from services.indexer.vectors.edge import EdgeIndex
from tests.indexer import gold
from tests.indexer.ranking import Ranking, entity_ranks

OTHERS = 40
"""Paragraphs of each book that are no answers, in the short test."""


@pytest.fixture(scope="module")
def words() -> Words:
    return Words("english")


@pytest.fixture(scope="module")
def model() -> MiniLm:
    return MiniLm()


@pytest.fixture(scope="module")
async def index(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VectorIndex]:
    made = EdgeIndex(tmp_path_factory.mktemp("ranking"), MiniLm.dimension)
    await made.open()
    yield made
    await made.close()


async def test_words_alone_find_most_of_it(index: VectorIndex, words: Words) -> None:
    """Where there is no model, and until a new text has its vectors."""
    ranks: list[int] = []
    for name in gold.BOOKS:
        book = gold.read(name)
        ranking = Ranking(index, words, None)
        await ranking.fill(book.paragraphs())
        ranks += await ranking.ranks(book)
    assert len(ranks) >= 100
    assert gold.recall(ranks) >= 0.65
    assert gold.reciprocal(ranks) >= 0.48


async def test_meaning_finds_what_words_do_not(
    index: VectorIndex, words: Words, model: MiniLm
) -> None:
    """A guard of the ranking among the answers and some other paragraphs."""
    book = gold.read("baskervilles")
    answers = {question.gold for question in book.questions}
    every = book.paragraphs()
    others = [place for place in every if place not in answers and len(every[place]) > 200]
    texts = {place: every[place] for place in [*answers, *others[:OTHERS]]}
    by_words, both = Ranking(index, words, None), Ranking(index, words, model)
    await by_words.fill(texts)
    await both.fill(texts)
    lexical = await by_words.ranks(book, "paraphrase")
    hybrid = await both.ranks(book, "paraphrase")
    assert gold.recall(hybrid) >= 0.9
    assert gold.reciprocal(hybrid) >= gold.reciprocal(lexical) + 0.1


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_the_bars(index: VectorIndex, words: Words, model: MiniLm) -> None:
    """Recall@10 and MRR@10 over whole books, and at least twice what search by entities finds."""
    ours: list[int] = []
    theirs: list[int] = []
    lexical: list[int] = []
    for name in gold.BOOKS:
        book = gold.read(name)
        for ranks, with_model in ((ours, model), (lexical, None)):
            ranking = Ranking(index, words, with_model)
            await ranking.fill(book.paragraphs())
            ranks.extend(await ranking.ranks(book))
        theirs += entity_ranks(book, model)
    assert gold.recall(ours) >= 0.69
    assert gold.reciprocal(ours) >= 0.49
    low, _ = gold.interval(gold.recall, ours, theirs, lambda one, other: one / max(other, 1e-9))
    assert low >= 2.0, (gold.recall(ours), gold.recall(theirs), low)
    gain, _ = gold.interval(gold.recall, ours, lexical, lambda one, other: one - other)
    assert gain > 0
