"""Writes into the engine what the rows say: points that are new or changed, and deletions.

Rows come first. A point that was not written, or not deleted, is found by its row, so that a death
at any moment only delays it; until then what the engine says of it is not shown.
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import groupby
from uuid import UUID

import structlog

from libs.tasks import PeriodicTask, passed
from services.indexer import metrics
from services.indexer.embedding.loading import Model
from services.indexer.lexical import Words
from services.indexer.store import SQL, Row, Store, vector_of
from services.indexer.vectors import Point, VectorIndex

log = structlog.get_logger(__name__)

TOGETHER = 128
POLL_S = 2.0


class PointWriter:
    """Keeps the points of the engine in step with the rows."""

    def __init__(
        self,
        store: Store,
        index: VectorIndex,
        words: Words,
        model: Model,
        *,
        name: str,
        on_written: Callable[[], None],
    ) -> None:
        """Write into *index*, which is known as *name*.

        *on_written* is called when chunks may wait for their vectors.
        """
        self._store = store
        self._index = index
        self._words = words
        self._model = model
        self._on_written = on_written
        self._name = name
        self._adopted: UUID | None = None
        self.task = PeriodicTask("points", self.write_due, interval_s=POLL_S)

    async def write_due(self) -> bool:
        """Delete and write some points; False when there are none left.

        Raises:
            errors.Unavailable: The engine or the database is away.
        """
        await self._adopt()
        deleted = await self._delete()
        written = await self._write()
        if written:
            self._on_written()
        return TOGETHER in (deleted, written)

    async def _adopt(self) -> None:
        """Have all points written again when the engine or the model is another."""
        mark, model = self._index.mark, self._model.name
        if mark is None or mark == self._adopted:
            return
        known = await self._store.rows(SQL.engine, self._name)
        if not known or (known[0]["mark"], known[0]["model"]) != (mark, model):
            async with self._store.transaction() as connection:
                await connection.execute(SQL.reset_points, None)
                await connection.execute(SQL.put_engine, self._name, mark, model)
            log.info("all points will be written again", engine=str(mark), model=model)
        self._adopted = mark

    async def _delete(self) -> int:
        rows = await self._store.rows(SQL.gone, TOGETHER)
        for project, some in groupby(sorted(rows, key=_project), _project):
            ids = [row["id"] for row in some]
            await self._index.for_project(project).delete(ids)
            passed("points.deleted")
            await self._store.rows(SQL.forget_gone, ids)
            metrics.points_deleted.inc(len(ids))
        return len(rows)

    async def _write(self) -> int:
        rows = await self._store.rows(SQL.unwritten, self._model.name, TOGETHER)
        for project, some in groupby(sorted(rows, key=_project), _project):
            await self._write_of(project, list(some))
        return len(rows)

    async def _write_of(self, project: UUID, rows: Sequence[Row]) -> None:
        points = await asyncio.to_thread(self._points, rows)
        await self._index.for_project(project).upsert(points)
        passed("points.written")
        await self._store.rows(
            SQL.note_written,
            [row["id"] for row in rows],
            [row["hash"] for row in rows],
            [row["vector"] is not None for row in rows],
        )
        metrics.points_written.inc(len(rows))
        metrics.embed_reused.inc(sum(row["vector"] is not None for row in rows))

    def _points(self, rows: Sequence[Row]) -> list[Point]:
        return [
            Point(
                id=row["id"],
                document=row["document_id"],
                kind=row["kind"],
                hash=row["hash"].hex(),
                sparse=self._words.of_text(row["text"]),
                dense=None if row["vector"] is None else vector_of(row["vector"]),
            )
            for row in rows
        ]


def _project(row: Row) -> UUID:
    return row["project_id"]
