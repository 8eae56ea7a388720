"""Qdrant within the installation: qdrant-edge in a process of its own, in a folder of its own."""

import asyncio
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from libs import errors
from services.indexer import metrics
from services.indexer.vectors import (
    Found,
    Match,
    Point,
    ProjectVectors,
    VectorIndex,
    VectorQuery,
    ranked,
    shard,
)

log = structlog.get_logger(__name__)

CALL_WAIT_S_MAX = 60.0
UPSERT_POINTS_MAX = 32
"""Points of one call: searches wait for it."""


class EdgeIndex(VectorIndex):
    """A shard on this machine, for one replica of the service."""

    def __init__(self, folder: Path, dimension: int) -> None:
        """Keep the shard in *folder*; nothing happens before `open`."""
        self._folder = folder
        self._dimension = dimension
        self._pool: ProcessPoolExecutor | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> UUID:
        """Start the process and open the shard in it."""
        async with self._opening:
            return await self._open()

    async def _open(self) -> UUID:
        pool = _process()
        try:
            future = pool.submit(shard.open_shard, str(self._folder), self._dimension)
            mark, why = await asyncio.wrap_future(future)
        except BlockingIOError as error:
            pool.shutdown(wait=False)
            raise errors.Unavailable("Another process has the vector index open.") from error
        except (OSError, BrokenProcessPool) as error:
            pool.shutdown(wait=False)
            raise errors.Unavailable("The vector index cannot be opened.") from error
        if why:
            log.error("the vector index was damaged and is written again", reason=why)
        self._pool, self.mark = pool, mark
        return mark

    def for_project(self, project: UUID) -> ProjectVectors:
        """Return the points of a project."""
        return _EdgeProject(self, project)

    async def check(self) -> None:
        """Return when the process answers."""
        await self.call("check", shard.count)

    async def close(self) -> None:
        """Flush, and end the process."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await asyncio.wait_for(
                asyncio.wrap_future(pool.submit(shard.close_shard)), CALL_WAIT_S_MAX
            )
        except (BrokenProcessPool, TimeoutError) as error:
            log.warning("vector index not closed", reason=type(error).__name__)
        pool.shutdown(wait=False, cancel_futures=True)

    async def call[R](self, name: str, work: Callable[..., R], *arguments: Any) -> R:
        """Run *work* in the process; one that died is started again for the next call.

        Raises:
            errors.Unavailable: It died, does not answer, or refused.
        """
        pool = self._pool
        if pool is None:
            async with self._opening:
                if self._pool is None:
                    await self._open()
                pool = self._pool
            assert pool is not None
        try:
            with metrics.engine_seconds.labels(name).time():
                return await asyncio.wait_for(
                    asyncio.wrap_future(pool.submit(work, *arguments)), CALL_WAIT_S_MAX
                )
        except (BrokenProcessPool, TimeoutError, RuntimeError) as error:
            log.warning("vector engine lost", operation=name, reason=repr(error)[:200])
            if self._pool is pool:
                self._pool = None
                _kill(pool)
            raise errors.Unavailable("The vector engine does not answer.") from error
        except Exception as error:
            # qdrant-edge raises plain exceptions.
            log.warning("vector engine refused", operation=name, reason=repr(error)[:300])
            raise errors.Unavailable("The vector engine refused.") from error


class _EdgeProject(ProjectVectors):
    def __init__(self, index: EdgeIndex, project: UUID) -> None:
        self._index = index
        self._project = project

    async def upsert(self, points: Sequence[Point]) -> None:
        for start in range(0, len(points), UPSERT_POINTS_MAX):
            part = [
                (
                    one.id,
                    one.document,
                    one.kind,
                    one.hash,
                    (one.sparse.indices, one.sparse.values),
                    one.dense,
                )
                for one in points[start : start + UPSERT_POINTS_MAX]
            ]
            await self._index.call("upsert", shard.upsert, self._project, part)

    async def set_dense(self, point: UUID, text_hash: str, vector: list[float]) -> bool:
        return await self._index.call(
            "set_dense", shard.set_dense, self._project, point, text_hash, vector
        )

    async def delete(self, points: Sequence[UUID]) -> None:
        if points:
            await self._index.call("delete", shard.delete, self._project, list(points))

    async def search(self, query: VectorQuery) -> Found:
        if query.is_empty:
            return Found()
        sparse = query.sparse and (query.sparse.indices, query.sparse.values)
        within = (
            query.kinds,
            None if query.documents is None else [str(one) for one in query.documents],
            query.points,
            query.without and str(query.without),
        )
        dense = query.dense and (query.dense, query.dense_min, query.exact)
        words, meaning = await self._index.call(
            "search", shard.search, self._project, sparse, dense, within, query.limit
        )
        return Found(
            ranked([Match(*one) for one in words]), ranked([Match(*one) for one in meaning])
        )

    async def page(self, after: UUID | None, limit: int) -> list[tuple[UUID, str]]:
        return await self._index.call("page", shard.page, self._project, after, limit)


def _process() -> ProcessPoolExecutor:
    main = sys.modules["__main__"]
    if main.__spec__ and main.__spec__.name.startswith("services."):
        # A spawned process imports its parent's main module again: here the whole service.
        main.__spec__ = None
        del main.__file__
    return ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=shard.begin
    )


def _kill(pool: ProcessPoolExecutor) -> None:
    processes: dict[int, Any] = getattr(pool, "_processes", None) or {}
    for process in list(processes.values()):
        process.kill()
    pool.shutdown(wait=False, cancel_futures=True)
