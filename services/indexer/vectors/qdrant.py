"""Qdrant as a server, for any number of replicas of the service.

One collection for each model; the project of a point is its tenant. Strict mode refuses filters on
fields without an index, which would otherwise read every point.
"""

from collections.abc import Awaitable, Sequence
from typing import Any
from uuid import UUID, uuid4

import structlog
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from libs import errors
from services.indexer import metrics
from services.indexer.vectors import (
    Found,
    Match,
    Point,
    ProjectVectors,
    Sparse,
    VectorIndex,
    VectorQuery,
    ranked,
)

log = structlog.get_logger(__name__)

DENSE, SPARSE = "dense", "text"
PROJECT, DOCUMENT, KIND, HASH = "project", "document", "kind", "hash"
CALL_WAIT_S_MAX = 30
UPSERT_POINTS_MAX = 256
QUERY_LIMIT_MAX = 1_000
"""Matches of one query; strict mode refuses more."""
PAYLOAD_LINKS = 16
"""Links of a vector in the graph of its own project; there is no graph over all projects."""

CONFLICT = 409
"""Another replica made it just now."""

_MARK_POINT = UUID(int=1)
"""A point of no project that holds the mark of the collection."""
_NO_PROJECT = "-"
_FAILURES = (ApiException, QdrantException, OSError, ValueError)


class QdrantIndex(VectorIndex):
    """A collection on a server."""

    def __init__(self, client: AsyncQdrantClient, collection: str, dimension: int) -> None:
        """Use *collection* over *client*; nothing happens before `open`."""
        self._client = client
        self._collection = collection
        self._dimension = dimension

    async def open(self) -> UUID:
        """Make the collection if it is missing, its indexes before any point."""
        if not await self.call("check", self._client.collection_exists(self._collection)):
            await self._create()
        found = await self.call(
            "open", self._client.retrieve(self._collection, ids=[str(_MARK_POINT)])
        )
        if found and found[0].payload:
            self.mark = UUID(str(found[0].payload["mark"]))
        else:
            self.mark = uuid4()
            payload = {PROJECT: _NO_PROJECT, "mark": str(self.mark)}
            marked = models.PointStruct(id=str(_MARK_POINT), vector={}, payload=payload)
            await self.call("open", self._client.upsert(self._collection, [marked], wait=True))
        return self.mark

    async def _create(self) -> None:
        try:
            await self._client.create_collection(
                self._collection,
                vectors_config={
                    DENSE: models.VectorParams(
                        size=self._dimension, distance=models.Distance.COSINE
                    )
                },
                sparse_vectors_config={
                    SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)
                },
                hnsw_config=models.HnswConfigDiff(m=0, payload_m=PAYLOAD_LINKS),
                strict_mode_config=models.StrictModeConfig(
                    enabled=True,
                    unindexed_filtering_retrieve=False,
                    unindexed_filtering_update=False,
                    max_query_limit=QUERY_LIMIT_MAX,
                ),
            )
        except UnexpectedResponse as error:
            if error.status_code != CONFLICT:
                raise errors.Unavailable("The vector engine refused.") from error
        except _FAILURES as error:
            raise errors.Unavailable("The vector engine does not answer.") from error
        for name in (PROJECT, DOCUMENT, KIND, HASH):
            # A graph for each value of each field would take minutes; projects have one.
            of_projects = name == PROJECT
            schema = models.KeywordIndexParams(
                type=models.KeywordIndexType.KEYWORD,
                is_tenant=of_projects,
                enable_hnsw=of_projects,
            )
            indexed = self._client.create_payload_index(self._collection, name, schema, wait=True)
            await self.call("open", indexed)

    def for_project(self, project: UUID) -> ProjectVectors:
        """Return the points of a project."""
        return _QdrantProject(self, self._client, self._collection, project)

    async def check(self) -> None:
        """Return when the server has the collection."""
        if not await self.call("check", self._client.collection_exists(self._collection)):
            raise errors.Unavailable("The vector engine has no such collection.")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def call[R](self, name: str, answer: Awaitable[R]) -> R:
        """Return what the server answers.

        Raises:
            errors.Unavailable: It does not answer, or refused.
        """
        try:
            with metrics.engine_seconds.labels(name).time():
                return await answer
        except _FAILURES as error:
            log.warning("vector engine refused", operation=name, reason=repr(error)[:300])
            raise errors.Unavailable("The vector engine does not answer.") from error


class _QdrantProject(ProjectVectors):
    def __init__(
        self, index: QdrantIndex, client: AsyncQdrantClient, collection: str, project: UUID
    ) -> None:
        self._index = index
        self._client = client
        self._collection = collection
        self._project = project
        self._tenant = _is(PROJECT, str(project))

    async def upsert(self, points: Sequence[Point]) -> None:
        for start in range(0, len(points), UPSERT_POINTS_MAX):
            part = [self._written(one) for one in points[start : start + UPSERT_POINTS_MAX]]
            written = self._client.upsert(self._collection, part, wait=True)
            await self._index.call("upsert", written)

    def _written(self, point: Point) -> models.PointStruct:
        vector: dict[str, Any] = {SPARSE: _sparse(point.sparse)}
        if point.dense is not None:
            vector[DENSE] = point.dense
        payload = {
            PROJECT: str(self._project),
            DOCUMENT: str(point.document),
            KIND: point.kind,
            HASH: point.hash,
        }
        return models.PointStruct(id=str(point.id), vector=vector, payload=payload)

    async def set_dense(self, point: UUID, text_hash: str, vector: list[float]) -> bool:
        ours = models.Filter(must=[self._tenant, models.HasIdCondition(has_id=[str(point)])])
        found = await self._index.call(
            "set_dense", self._client.scroll(self._collection, scroll_filter=ours, limit=1)
        )
        if not found[0]:
            return False
        update = self._client.update_vectors(
            self._collection,
            [models.PointVectors(id=str(point), vector={DENSE: vector})],
            # The text may be another one by now.
            update_filter=models.Filter(must=[self._tenant, _is(HASH, text_hash)]),
            wait=True,
        )
        await self._index.call("set_dense", update)
        return True

    async def delete(self, points: Sequence[UUID]) -> None:
        if points:
            ids: list[Any] = [str(point) for point in points]
            ours = models.Filter(must=[self._tenant, models.HasIdCondition(has_id=ids)])
            selected = models.FilterSelector(filter=ours)
            deleted = self._client.delete(self._collection, selected, wait=True)
            await self._index.call("delete", deleted)

    async def search(self, query: VectorQuery) -> Found:
        if query.is_empty:
            return Found()
        words, meaning = list[Match](), list[Match]()
        if query.sparse is not None:
            # Rare is what is rare in this project.
            corpus = models.IdfCorpusParams(corpus=models.Filter(must=[self._tenant]))
            params = models.SearchParams(idf=corpus)
            words = await self._leg(query, _sparse(query.sparse), SPARSE, params, None)
        if query.dense is not None:
            params = models.SearchParams(exact=query.exact)
            meaning = await self._leg(query, query.dense, DENSE, params, query.dense_min)
        return Found(words, meaning)

    async def _leg(
        self,
        query: VectorQuery,
        nearest: Any,
        using: str,
        params: models.SearchParams,
        least: float | None,
    ) -> list[Match]:
        asked = self._client.query_points(
            self._collection,
            query=nearest,
            using=using,
            query_filter=self._within(query),
            search_params=params,
            limit=query.limit,
            score_threshold=least,
            with_payload=[HASH],
            timeout=CALL_WAIT_S_MAX,
        )
        found = await self._index.call("search", asked)
        return ranked(
            [
                Match(UUID(str(one.id)), one.score, str((one.payload or {}).get(HASH, "")))
                for one in found.points
            ]
        )

    def _within(self, query: VectorQuery) -> models.Filter:
        must: list[Any] = [self._tenant]
        documents = None if query.documents is None else [str(one) for one in query.documents]
        for name, values in ((KIND, query.kinds), (DOCUMENT, documents)):
            if values is not None:
                chosen = models.MatchAny(any=values)
                must.append(models.FieldCondition(key=name, match=chosen))
        if query.points is not None:
            ids: list[Any] = [str(one) for one in query.points]
            must.append(models.HasIdCondition(has_id=ids))
        never: list[Any] | None = [_is(DOCUMENT, str(query.without))] if query.without else None
        return models.Filter(must=must, must_not=never)

    async def page(self, after: UUID | None, limit: int) -> list[tuple[UUID, str]]:
        asked = self._client.scroll(
            self._collection,
            scroll_filter=models.Filter(must=[self._tenant]),
            limit=limit,
            offset=str(after) if after else None,
            with_payload=[HASH],
        )
        found, _ = await self._index.call("page", asked)
        return [(UUID(str(one.id)), str((one.payload or {}).get(HASH, ""))) for one in found]


def _is(name: str, value: str) -> models.FieldCondition:
    return models.FieldCondition(key=name, match=models.MatchValue(value=value))


def _sparse(words: Sparse) -> models.SparseVector:
    return models.SparseVector(indices=words.indices, values=words.values)
