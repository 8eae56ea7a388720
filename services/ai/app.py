"""The ai service as a process: `python -m services.ai.app`."""

import asyncio
from contextlib import AsyncExitStack

import structlog
from faststream.nats import NatsBroker

from libs.bus import Caller, Relay, connect_broker, drain, is_connected, serve, synced
from libs.contracts.ai.runs import (
    CANCEL_RUN,
    CREATE_RUN,
    FOLLOW_RUN,
    LIST_RUNS,
    READ_LINEAGE,
    READ_RUN,
    WHERE_RUN,
)
from libs.contracts.streams import AI
from libs.postgres import connect, migrate
from libs.process import load, run, settled
from libs.tasks import PeriodicTask, TaskRunner
from libs.telemetry import Health, serve_ops
from services.ai import metrics
from services.ai.announcing import Announcing
from services.ai.runs.erasing import Erasing
from services.ai.runs.handlers import Runs
from services.ai.runs.worker import Worker
from services.ai.settings import Settings
from services.ai.store import SQL, Store
from services.ai.workflows.continuity import Continuity
from services.ai.workflows.enrich import Enrich

log = structlog.get_logger(__name__)

SERVICE = "ai"
CONNECTIONS_MIN = 2
MEASURE_INTERVAL_S = 15.0


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until *stop* is set; then give back what was begun, and end."""
    async with AsyncExitStack() as stack:
        if settings.postgres_owner_url:
            await migrate(settings.postgres_owner_url, "services.ai", role=settings.role)
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
        store, caller, announcing = Store(pool), Caller(client), Announcing(client)
        worker = Worker(
            store,
            {"enrich": Enrich(caller), "continuity": Continuity(caller)},
            replica=settings.replica,
            at_once=settings.ai_runs_at_once,
            project_max=settings.ai_project_runs_max,
            on_change=announcing.changed,
        )
        _serve(broker, Runs(store, on_new=announcing.queued, on_cancel=announcing.cancelled))
        erasing = Erasing(store)
        erasing.subscribe(broker, client)

        async def database() -> None:
            await pool.fetchval("SELECT 1")

        health = Health(postgres=database, bus=is_connected(client))
        relay = Relay(pool, client, service=SERVICE, stream=AI)
        runner = TaskRunner()
        stack.push_async_callback(runner.stop)
        runner.start(
            worker.task,
            worker.renewing,
            relay.measuring,
            *erasing.tasks(),
            PeriodicTask("run_figures", lambda: _measure(store), interval_s=MEASURE_INTERVAL_S),
        )
        relaying = asyncio.create_task(relay.run(), name="relay")
        await broker.start()
        await announcing.listen(on_queued=worker.task.wake, on_cancelled=worker.cancel)
        await synced(client)
        close_ops = serve_ops(health, port=settings.ops_port, host=settings.ops_host)
        stack.push_async_callback(asyncio.to_thread, close_ops)
        log.info("ai ready")
        settled()
        try:
            await stop.wait()
        finally:
            health.draining = True
            await drain(broker, client)
            await worker.stop()
            relaying.cancel()
            await runner.stop()
    log.info("ai stopped")


def _serve(broker: NatsBroker, runs: Runs) -> None:
    serve(broker, CREATE_RUN, runs.create)
    serve(broker, LIST_RUNS, runs.list)
    serve(broker, READ_RUN, runs.read)
    serve(broker, CANCEL_RUN, runs.cancel)
    serve(broker, WHERE_RUN, runs.where)
    serve(broker, FOLLOW_RUN, runs.follow)
    serve(broker, READ_LINEAGE, runs.lineage)


async def _measure(store: Store) -> None:
    row = (await store.rows(SQL.figures))[0]
    metrics.queued.set(row["queued"])
    metrics.running.set(row["running"])
    metrics.abandoned.set(row["abandoned"])
    metrics.wait_s.set(row["wait_s"])


if __name__ == "__main__":
    run(SERVICE, load(Settings), main)
