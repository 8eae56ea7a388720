"""Gives points their vectors, a moment after they can be found by their words."""

import time
from collections.abc import Sequence
from itertools import batched
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
        fresh: dict[tuple[UUID, bytes], list[Row]] = {}
        for row in rows:
            if row["vector"] is None:
                # Letters of a novel end alike: equal texts of a project are embedded once.
                fresh.setdefault((row["project_id"], row["hash"]), []).append(row)
        for some in batched(fresh.values(), self._model.texts_max, strict=False):
            await self._embed(some)
            progressed()
        return len(rows) == TOGETHER

    async def _embed(self, groups: Sequence[Sequence[Row]]) -> None:
        """Embed the texts of groups of rows; the rows of a group have the same."""
        started = time.monotonic()
        made = await self._model.embed_all([rows[0]["text"] for rows in groups])
        metrics.embed_seconds.observe((time.monotonic() - started) / len(groups))
        passed("embedding.made")
        for rows, vector in zip(groups, made, strict=True):
            if isinstance(vector, BadVector):
                await self._note_failures(rows, vector)
                continue
            metrics.embedded.inc()
            await self._store.rows(
                SQL.put_embedding,
                rows[0]["project_id"],
                self._model.name,
                rows[0]["hash"],
                stored_vector(vector.tolist()),
            )
            for row in rows:
                await self._give(row, vector.tolist())

    async def _note_failures(self, rows: Sequence[Row], reason: BadVector) -> None:
        for row in rows:
            metrics.embed_failed.inc()
            log.warning("chunk not embedded", chunk_id=str(row["id"]), reason=str(reason))
            await self._store.rows(SQL.note_failure, row["id"], row["hash"])

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
