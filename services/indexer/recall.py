"""Measures in the background what the engine finds against a comparison with every vector.

A project is served by comparing every vector as long as that is fast, since nothing is missed then
(3 ms for 12,000). Beyond that its graph is used, if the engine has one and it finds nearly all.
A graph that has become bad is made again: the points of its project are written again, while search
goes on.
"""

import time
from collections.abc import Callable
from uuid import UUID

import structlog

from libs.tasks import PeriodicTask, progressed
from services.indexer import metrics
from services.indexer.embedding.loading import Model
from services.indexer.store import SQL, Store, vector_of
from services.indexer.vectors import ProjectVectors, VectorIndex, VectorQuery

log = structlog.get_logger(__name__)

MEASURED_FROM_VECTORS = 1_000
"""Smaller projects are always compared vector by vector."""
SAMPLE = 30
FIRST = 10
EXACT_MS_MAX = 10.0
"""The p95 of comparing every vector up to which a project is served so."""
SERVED_RECALL_MIN = 0.98
KEPT_RECALL_MIN = 0.95
"""A graph that finds less is made again."""
INTERVAL_S = 3600.0
DUTY = 0.02
REMADE_EVERY_S = 86_400.0


class Recall:
    """Decides how each project is served."""

    def __init__(
        self, store: Store, index: VectorIndex, model: Model, on_unwritten: Callable[[], None]
    ) -> None:
        """Measure *index*; call *on_unwritten* when points are to be written again."""
        self._store = store
        self._index = index
        self._model = model
        self._on_unwritten = on_unwritten
        self._after = UUID(int=0)
        self._recall: dict[UUID, float] = {}
        self._by_graph: set[UUID] = set()
        self._remade_at: dict[UUID, float] = {}
        self.task = PeriodicTask("recall", self.step, interval_s=INTERVAL_S, duty=DUTY, jitter=0.1)

    def is_exact(self, project: UUID) -> bool:
        """Whether a project is served by comparing every vector."""
        return project not in self._by_graph

    async def step(self) -> bool:
        """Measure the next large project; False when all are done."""
        rows = await self._store.rows(SQL.large_project, self._after, MEASURED_FROM_VECTORS)
        if not rows or not self._model.is_ready:
            self._after = UUID(int=0)
            return False
        self._after = rows[0]["project_id"]
        await self.measure(self._after)
        return True

    async def measure(self, project: UUID) -> float:
        """Measure a project, and decide how it is served; returns the recall of its graph.

        Raises:
            errors.Unavailable: The engine or the database is away.
        """
        rows = await self._store.rows(SQL.sample_vectors, project, self._model.name, SAMPLE)
        vectors, shares, exact_s = self._index.for_project(project), list[float](), list[float]()
        for row in rows:
            asked = vector_of(row["vector"])
            started = time.monotonic()
            all_of_them = await _nearest(vectors, asked, exact=True)
            exact_s.append(time.monotonic() - started)
            if self._index.has_graph and all_of_them:
                found = await _nearest(vectors, asked, exact=False)
                shares.append(len(found & all_of_them) / len(all_of_them))
            progressed()
        recall = sum(shares) / len(shares) if shares else 1.0
        exact_ms = 1e3 * sorted(exact_s)[int(len(exact_s) * 0.95)] if exact_s else 0.0
        self._recall[project] = recall
        metrics.recall.set(min(self._recall.values()))
        metrics.exact_ms.set(exact_ms)
        self._decide(project, recall, exact_ms)
        if recall < KEPT_RECALL_MIN:
            await self._make_again(project, recall)
        return recall

    def _decide(self, project: UUID, recall: float, exact_ms: float) -> None:
        is_slow = exact_ms > EXACT_MS_MAX
        if self._index.has_graph and is_slow and recall >= SERVED_RECALL_MIN:
            self._by_graph.add(project)
        else:
            self._by_graph.discard(project)

    async def _make_again(self, project: UUID, recall: float) -> None:
        now = time.monotonic()
        if now - self._remade_at.get(project, -REMADE_EVERY_S) < REMADE_EVERY_S:
            return
        self._remade_at[project] = now
        log.warning("graph made again", project_id=str(project), recall=round(recall, 3))
        metrics.graphs_remade.inc()
        await self._store.rows(SQL.reset_points, project)
        self._on_unwritten()


async def _nearest(vectors: ProjectVectors, asked: list[float], *, exact: bool) -> set[UUID]:
    found = await vectors.search(VectorQuery(FIRST, dense=asked, exact=exact))
    return {match.id for match in found.meaning}
