"""Gives points their vectors, a moment after they can be found by their words."""

import time
from collections.abc import Sequence
from uuid import UUID

import structlog

from libs.tasks import PeriodicTask, passed, progressed
from services.indexer import metrics
from services.indexer.embedding import BadVector
from services.indexer.embedding.loading import Model
from services.indexer.store import SQL, Row, Store, stored_vector, vector_of
from services.indexer.vectors import VectorIndex

log = structlog.get_logger(__name__)

TOGETHER = 16
"""Before looking again for what is newer."""
POLL_S = 5.0
FAILURES_MAX = 3
"""After so many a text is found by its words only, until it changes."""


class Embedding:
    """Embeds chunks that have none, the newest first."""

    def __init__(self, store: Store, index: VectorIndex, model: Model, *, duty: float) -> None:
        """Take at most the share *duty* of the time of one core."""
        self._store = store
        self._index = index
        self._model = model
        self.task = PeriodicTask(
            "embedding", self.embed_due, interval_s=POLL_S, duty=duty, rest_s_max=2.0
        )

    async def embed_due(self) -> bool:
        """Embed some chunks; False when there are none left, or no model.

        Raises:
            errors.Unavailable: The engine or the database is away.
        """
        if not self._model.is_ready:
            return False
        rows = await self._store.rows(SQL.unembedded, self._model.name, TOGETHER, FAILURES_MAX)
        known = [row for row in rows if row["vector"] is not None]
        for row in known:
            metrics.embed_reused.inc()
            await self._give(row, vector_of(row["vector"]))
        fresh = [row for row in rows if row["vector"] is None]
        for start in range(0, len(fresh), self._model.texts_max):
            await self._embed(fresh[start : start + self._model.texts_max])
            progressed()
        return len(rows) == TOGETHER

    async def _embed(self, rows: Sequence[Row]) -> None:
        started = time.monotonic()
        made = await self._model.embed_all([row["text"] for row in rows])
        metrics.embed_seconds.observe((time.monotonic() - started) / len(rows))
        passed("embedding.made")
        for row, vector in zip(rows, made, strict=True):
            if isinstance(vector, BadVector):
                metrics.embed_failed.inc()
                log.warning("chunk not embedded", chunk_id=str(row["id"]), reason=str(vector))
                await self._store.rows(SQL.note_failure, row["id"], row["hash"])
                continue
            metrics.embedded.inc()
            await self._store.rows(
                SQL.put_embedding,
                row["project_id"],
                self._model.name,
                row["hash"],
                stored_vector(vector.tolist()),
            )
            await self._give(row, vector.tolist())

    async def _give(self, row: Row, vector: list[float]) -> None:
        chunk: UUID = row["id"]
        text_hash: bytes = row["hash"]
        there = await self._index.for_project(row["project_id"]).set_dense(
            chunk, text_hash.hex(), vector
        )
        passed("embedding.written")
        if there:
            await self._store.rows(SQL.note_embedded, chunk, text_hash)
        else:
            # Deleted meanwhile; if its row is still there, the point is written again.
            await self._store.rows(SQL.unwrite, chunk)
