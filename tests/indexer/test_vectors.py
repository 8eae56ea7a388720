"""Both engines do what the port says: one suite for the embedded one and the server's client.

A server does not run here: its adapter is tried on the client's own engine in memory, which takes
the same requests and knows neither indexes nor strict mode.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from qdrant_client import AsyncQdrantClient

from services.indexer.lexical import Words
from services.indexer.searching.fusion import fused
from services.indexer.vectors import Point, ProjectVectors, VectorIndex, VectorQuery
from services.indexer.vectors.edge import EdgeIndex
from services.indexer.vectors.qdrant import QdrantIndex

DIMENSION = 4
WORDS = Words("english")
EAST, NORTH = [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]


@pytest.fixture(scope="module", params=["edge", "qdrant"])
async def index(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[VectorIndex]:
    made: VectorIndex
    if request.param == "edge":
        made = EdgeIndex(tmp_path_factory.mktemp("edge"), DIMENSION)
    else:
        made = QdrantIndex(AsyncQdrantClient(":memory:"), "chunks", DIMENSION)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def own(index: VectorIndex) -> ProjectVectors:
    return index.for_project(uuid4())


def point(text: str, dense: list[float] | None = None, kind: str = "scene") -> Point:
    return Point(uuid4(), uuid4(), kind, f"hash of {text}", WORDS.of_text(text), dense)


def by_words(text: str, **more: object) -> VectorQuery:
    return VectorQuery(limit=10, sparse=WORDS.of_query(text), **more)  # pyright: ignore[reportArgumentType]


async def found(vectors: ProjectVectors, query: VectorQuery) -> list[UUID]:
    return [match.id for match in fused(await vectors.search(query))]


async def test_a_point_is_found_by_its_words_before_it_has_a_vector(own: ProjectVectors):
    storm, calm = point("a storm at sea"), point("the calm of the harbour")
    await own.upsert([storm, calm])
    [match] = (await own.search(by_words("storms"))).words
    assert (match.id, match.hash) == (storm.id, storm.hash)
    assert await found(own, VectorQuery(limit=10, dense=EAST)) == []


async def test_a_vector_follows_and_both_are_fused(own: ProjectVectors):
    """Found by words and by meaning is better than either."""
    both, words, meaning = point("storm and ice"), point("storm"), point("harbour")
    await own.upsert([both, words, meaning])
    assert await own.set_dense(both.id, both.hash, EAST)
    assert await own.set_dense(meaning.id, meaning.hash, [0.9, 0.1, 0.0, 0.0])
    query = VectorQuery(limit=10, sparse=WORDS.of_query("storm"), dense=EAST)
    order = await found(own, query)
    assert order[0] == both.id
    assert set(order) == {both.id, words.id, meaning.id}


async def test_a_late_vector_never_wins(own: ProjectVectors):
    """Of an older text it changes nothing, and of a point that is gone it makes none."""
    one = point("first words")
    await own.upsert([one])
    newer = Point(one.id, one.document, one.kind, "newer", WORDS.of_text("other words"))
    await own.upsert([newer])
    await own.set_dense(one.id, one.hash, EAST)
    assert await found(own, VectorQuery(limit=10, dense=EAST)) == []
    await own.delete([one.id])
    assert not await own.set_dense(one.id, "newer", EAST)
    assert await own.page(None, 10) == []


async def test_writing_again_replaces_the_whole_point(own: ProjectVectors):
    """Its old vector is gone with its old text."""
    one = point("old words", EAST)
    await own.upsert([one])
    await own.upsert([Point(one.id, one.document, "entity", "new", WORDS.of_text("new text"))])
    assert await found(own, by_words("old words")) == []
    assert await found(own, VectorQuery(limit=10, dense=EAST)) == []
    [match] = (await own.search(by_words("text", kinds=["entity"]))).words
    assert match.hash == "new"


async def test_kinds_and_documents_narrow(own: ProjectVectors):
    scene, entity = point("storm"), point("storm", kind="entity")
    await own.upsert([scene, entity])
    assert await found(own, by_words("storm", kinds=["entity"])) == [entity.id]
    assert await found(own, by_words("storm", documents=[scene.document])) == [scene.id]
    assert await found(own, by_words("storm", kinds=[])) == []
    assert await found(own, by_words("storm", documents=[])) == []
    assert await found(own, by_words("storm", points=[entity.id])) == [entity.id]
    assert await found(own, by_words("storm", points=[])) == []
    assert await found(own, by_words("storm", without=scene.document)) == [entity.id]


async def test_vectors_that_are_too_different_do_not_match(own: ProjectVectors):
    near, far = point("near", EAST), point("far", [0.1, 0.9, 0.0, 0.0])
    await own.upsert([near, far])
    assert await found(own, VectorQuery(limit=10, dense=EAST)) == [near.id, far.id]
    assert await found(own, VectorQuery(limit=10, dense=EAST, dense_min=0.5)) == [near.id]


async def test_a_project_reaches_only_its_own_points(index: VectorIndex, own: ProjectVectors):
    """By search, by pages, by vectors, and by deletion: whatever ids it names."""
    theirs = index.for_project(uuid4())
    secret = point("a secret storm", EAST)
    await theirs.upsert([secret])

    query = VectorQuery(limit=10, sparse=WORDS.of_query("secret storm"), dense=EAST)
    assert await found(own, query) == []
    assert await found(own, by_words("storm", documents=[secret.document])) == []
    assert await own.page(None, 10) == []
    await own.delete([secret.id])
    await own.set_dense(secret.id, secret.hash, NORTH)
    assert await theirs.page(None, 10) == [(secret.id, secret.hash)]
    [kept] = (await theirs.search(VectorQuery(limit=1, dense=EAST))).meaning
    assert kept.score == pytest.approx(1.0)


async def test_rare_is_what_is_rare_in_the_project(index: VectorIndex, own: ProjectVectors):
    """However often others say it."""
    theirs = index.for_project(uuid4())
    await theirs.upsert([point(f"albatross {number}") for number in range(50)])
    common = [point(f"sea {number}") for number in range(9)]
    rare = point("albatross sea")
    await own.upsert([*common, rare])
    order = (await own.search(by_words("albatross sea"))).words
    assert order[0].id == rare.id
    alone = (await own.search(by_words("albatross"))).words
    assert alone[0].score > order[-1].score


async def test_pages_go_through_all_in_order(own: ProjectVectors):
    points = [point(f"page {number}") for number in range(25)]
    await own.upsert(points)
    seen: list[UUID] = []
    after: UUID | None = None
    while page := await own.page(after, 10):
        fresh = [ident for ident, _ in page if ident != after]
        if not fresh:
            break
        seen += fresh
        after = fresh[-1]
    assert seen == sorted(one.id for one in points)


async def test_the_mark_of_an_embedded_index_outlives_it(tmp_path: Path):
    """And what is written in it; a damaged one is made anew with another mark."""
    first = EdgeIndex(tmp_path, DIMENSION)
    mark, project, kept = await first.open(), uuid4(), point("kept")
    await first.for_project(project).upsert([kept])
    await first.close()
    again = EdgeIndex(tmp_path, DIMENSION)
    assert await again.open() == mark
    assert await again.for_project(project).page(None, 10) == [(kept.id, kept.hash)]
    await again.close()

    for file in (tmp_path / "points").rglob("*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    anew = EdgeIndex(tmp_path, DIMENSION)
    assert await anew.open() != mark
    assert await anew.for_project(project).page(None, 10) == []
    await anew.close()


async def test_replicas_of_a_server_share_its_mark():
    client = AsyncQdrantClient(":memory:")
    one, other = (QdrantIndex(client, "chunks", DIMENSION) for _ in range(2))
    assert await one.open() == await other.open()
    assert await one.for_project(UUID(int=0)).page(None, 10) == []
