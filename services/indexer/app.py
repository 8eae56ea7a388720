"""The indexer as a process: `python -m services.indexer.app`."""

import asyncio
from contextlib import AsyncExitStack

import structlog

from libs.bus import Caller, connect_broker, drain, is_connected, serve, synced
from libs.contracts.indexer.search import (
    FIND_SIMILAR,
    READ_INDEX,
    REBUILD_INDEX,
    SEARCH,
    SUGGEST_NAMES,
)
from libs.postgres import connect, migrate
from libs.process import load, run, settled
from libs.tasks import PeriodicTask, TaskRunner
from libs.telemetry import Health, serve_ops
from services.indexer import metrics
from services.indexer.drift import Drift
from services.indexer.embedding.choosing import chosen, folder_of
from services.indexer.embedding.loading import Model
from services.indexer.embedding_task import Embedding
from services.indexer.following import Following
from services.indexer.indexing import Indexing
from services.indexer.lexical import Words
from services.indexer.points import PointWriter
from services.indexer.searching.handlers import Search
from services.indexer.searching.similar import Similar
from services.indexer.searching.state import State
from services.indexer.searching.suggesting import Suggesting
from services.indexer.settings import Settings
from services.indexer.store import SQL, Store
from services.indexer.vectors import VectorIndex
from services.indexer.vectors.edge import EdgeIndex

log = structlog.get_logger(__name__)

SERVICE = "indexer"
CONNECTIONS_MIN = 2
MEASURE_INTERVAL_S = 15.0
COLLECTION = "chunks_minilm_l6_v2"
"""The collection of a Qdrant server for vectors of the default model."""


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until *stop* is set; then finish what was begun, and end."""
    words = Words(settings.stem_language)
    model = Model(await asyncio.to_thread(chosen, settings))
    index = _vectors(settings, model)
    async with AsyncExitStack() as stack:
        opening = asyncio.create_task(index.open(), name="open vectors")
        stack.push_async_callback(index.close)
        stack.push_async_callback(model.close)
        if settings.postgres_owner_url:
            await migrate(settings.postgres_owner_url, "services.indexer", role=settings.role)
        pool = await connect(
            settings.postgres_url,
            application=f"{SERVICE}-{settings.replica}",
            size_min=CONNECTIONS_MIN,
            size_max=settings.postgres_connections_max,
        )
        stack.push_async_callback(pool.close)
        broker, client = await connect_broker(
            settings.nats_url, service=SERVICE, replica=settings.replica
        )
        stack.push_async_callback(broker.stop)
        store, caller = Store(pool), Caller(client)
        await opening
        embedding = Embedding(store, index, model, duty=settings.embed_duty)
        points = PointWriter(
            store, index, words, model, name=settings.replica, on_written=embedding.task.wake
        )
        drift = Drift(store, index, points.task.wake)
        indexing = Indexing(store, caller, points.task.wake)
        Following(store, indexing.task.wake, points.task.wake).subscribe(broker, client)
        serve(broker, SEARCH, Search(store, index, words, model, caller).search)
        serve(broker, FIND_SIMILAR, Similar(store, index, words, model, caller).find)
        serve(broker, SUGGEST_NAMES, Suggesting(store, caller).suggest)
        state = State(store, model, caller, indexing.task.wake)
        serve(broker, READ_INDEX, state.read)
        serve(broker, REBUILD_INDEX, state.rebuild)

        async def database() -> None:
            await pool.fetchval("SELECT 1")

        health = Health(postgres=database, bus=is_connected(client), vectors=index.check)
        runner = TaskRunner()
        stack.push_async_callback(runner.stop)
        runner.start(
            indexing.task,
            points.task,
            embedding.task,
            *drift.tasks(),
            PeriodicTask("index_figures", lambda: _measure(store), interval_s=MEASURE_INTERVAL_S),
        )
        await broker.start()
        await synced(client)
        close_ops = serve_ops(health, port=settings.ops_port, host=settings.ops_host)
        stack.push_async_callback(asyncio.to_thread, close_ops)
        log.info("indexer ready")
        settled()
        loading = asyncio.create_task(model.load(), name="load model")
        loading.add_done_callback(lambda _: embedding.task.wake())
        try:
            await stop.wait()
        finally:
            health.draining = True
            await drain(broker, client)
            loading.cancel()
            await runner.stop()
    log.info("indexer stopped")


def _vectors(settings: Settings, model: Model) -> VectorIndex:
    folder = "default" if not model.is_expected else folder_of(model.name)
    if settings.vectors_folder:
        return EdgeIndex(settings.vectors_folder / folder, model.dimension)
    # A second of processor time that an index on this machine does not need.
    from qdrant_client import AsyncQdrantClient  # noqa: PLC0415

    from services.indexer.vectors.qdrant import CALL_WAIT_S_MAX, QdrantIndex  # noqa: PLC0415

    key = settings.vectors_api_key
    client = AsyncQdrantClient(
        url=settings.vectors_url,
        api_key=key.get_secret_value() if key else None,
        timeout=CALL_WAIT_S_MAX,
        check_compatibility=False,  # it would ask before the loop runs
    )
    collection = COLLECTION if folder == "default" else f"chunks_{folder}"
    return QdrantIndex(client, collection, model.dimension)


async def _measure(store: Store) -> None:
    row = await store.row(SQL.figures)
    metrics.due.set(row["due"])
    metrics.lag_s.set(row["lag_s"])
    metrics.unwritten.set(row["unwritten"])
    metrics.unembedded.set(row["unembedded"])
    metrics.gone.set(row["gone"])


if __name__ == "__main__":
    run(SERVICE, load(Settings), main)
