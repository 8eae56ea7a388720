"""Gives points their vectors, a moment after they can be found by their words."""

import time
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
        for row in rows:
            await self._embed(row)
            progressed()
        return len(rows) == TOGETHER

    async def _embed(self, row: Row) -> None:
        chunk: UUID = row["id"]
        if row["vector"] is None:
            started = time.monotonic()
            try:
                vector = (await self._model.embed(row["text"])).tolist()
            except BadVector as error:
                metrics.embed_failed.inc()
                log.warning("chunk not embedded", chunk_id=str(chunk), reason=str(error))
                await self._store.rows(SQL.note_failure, chunk, row["hash"])
                return
            metrics.embed_seconds.observe(time.monotonic() - started)
            metrics.embedded.inc()
            passed("embedding.made")
            await self._store.rows(
                SQL.put_embedding,
                row["project_id"],
                self._model.name,
                row["hash"],
                stored_vector(vector),
            )
        else:
            vector = vector_of(row["vector"])
            metrics.embed_reused.inc()
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
