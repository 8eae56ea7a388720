"""The events service as a process: `python -m services.events.app`."""

import asyncio

import nats.errors
import structlog
from faststream.nats import NatsBroker

from libs.bus import Caller, Relay, connect_broker, drain, is_connected, synced
from libs.contracts.streams import EVENTS
from libs.postgres import Pool, connect, migrate
from libs.process import load, run, settled
from libs.tasks import TaskRunner, cancelled
from libs.telemetry import Health, serve_ops
from services.events.api import (
    serve_audit,
    serve_bundles,
    serve_following,
    serve_lifecycle,
    serve_operators,
    serve_resources,
    serve_sync,
    serve_things,
    serve_workspaces,
)
from services.events.bundles.jobs import JobExpiry
from services.events.integrity.publish_filter import ChainPublishFilter
from services.events.integrity.verifier import ChainVerifier
from services.events.lifecycle.purger import Purger
from services.events.settings import Settings
from services.events.store import Store
from services.events.sync.expiry import AnswerExpiry
from services.events.timescale import adopt
from services.events.upkeep import LogPolicy, LogUpkeep
from services.events.workspaces.files import PackageBytes
from services.events.workspaces.job_steps import JobSteps
from services.events.workspaces.texts import SceneTexts
from services.events.workspaces.worker import JobWorker

log = structlog.get_logger(__name__)

SERVICE = "events"
CONNECTIONS_MIN = 2
CLOSE_WAIT_S_MAX = 5.0


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until *stop* is set; then finish running requests, and end."""
    if settings.postgres_owner_url:
        await migrate(settings.postgres_owner_url, "services.events", role=settings.role)
        await adopt(
            settings.postgres_owner_url,
            role=settings.role,
            compress_after_days=settings.archive_after_days,
        )
    pool = await connect(
        settings.postgres_url,
        application=f"{SERVICE}-{settings.replica}",
        size_min=CONNECTIONS_MIN,
        size_max=settings.postgres_connections_max,
    )
    broker, client = await connect_broker(
        settings.nats_url, service=SERVICE, replica=settings.replica
    )
    relay = Relay(pool, client, service=SERVICE, screening=ChainPublishFilter(pool), stream=EVENTS)
    store = Store(pool, relay)
    serve_resources(broker, store, pool)
    serve_bundles(broker, store)
    serve_sync(broker, store)
    serve_audit(broker, store)
    serve_following(broker, store)
    serve_things(broker, store)
    serve_lifecycle(broker, store, pool)
    serve_operators(broker, pool)
    files = PackageBytes(Caller(client))
    jobs = JobWorker(pool, JobSteps(pool, SceneTexts(Caller(client)), files), files)
    serve_workspaces(broker, pool, jobs, files)

    async def database() -> None:
        await pool.fetchval("SELECT 1")

    health = Health(postgres=database, bus=is_connected(client))
    policy = LogPolicy(settings.archive_after_days, settings.events_kept_days)
    purger = Purger(pool, store, deleted_kept_days=settings.deleted_kept_days)
    runner, relaying = TaskRunner(), asyncio.create_task(relay.run(), name="relay")
    runner.start(
        relay.measuring,
        JobExpiry(pool, kept_s=settings.staged_kept_s).task,
        AnswerExpiry(pool).task,
        ChainVerifier(pool).task,
        *LogUpkeep(pool, policy).tasks(),
        *jobs.tasks(),
        *purger.tasks(),
    )
    close_ops = None
    try:
        await broker.start()
        await synced(client)
        # Only now, so that a replica that says ready answers requests.
        close_ops = serve_ops(health, port=settings.ops_port, host=settings.ops_host)
        log.info("events ready")
        settled()
        await _until(stop, relaying)
    finally:
        health.draining = True
        await drain(broker, client)
        await runner.stop()
        await cancelled([relaying])
        await _end(pool, broker)
        if close_ops:
            await asyncio.to_thread(close_ops)
        log.info("events stopped")


async def _until(stop: asyncio.Event, relaying: asyncio.Task[None]) -> None:
    """Return when *stop* is set; raise when the relay failed, to be restarted."""
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({waiting, relaying}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if relaying.done():
        relaying.result()


async def _end(pool: Pool, broker: NatsBroker) -> None:
    """Disconnect from both servers, within short timeouts."""
    try:
        async with asyncio.timeout(CLOSE_WAIT_S_MAX):
            await broker.stop()
    except (TimeoutError, nats.errors.Error) as error:
        log.warning("the connection to NATS was not closed cleanly", reason=type(error).__name__)
    try:
        async with asyncio.timeout(CLOSE_WAIT_S_MAX):
            await pool.close()
    except TimeoutError:
        pool.terminate()


if __name__ == "__main__":
    run(SERVICE, load(Settings), main)
