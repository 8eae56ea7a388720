"""The blobs service as a process: `python -m services.blobs.app`."""

import asyncio
from contextlib import AsyncExitStack

import structlog

from libs import errors
from libs.bus import Relay, connect_broker, drain, is_connected, synced
from libs.contracts.streams import BLOBS
from libs.postgres import AdvisoryLocks, connect, migrate
from libs.process import load, run, settled
from libs.process.server import HttpServer
from libs.tasks import TaskPositions, TaskRunner
from libs.telemetry import Health, serve_ops
from services.blobs.finishing import Finishing
from services.blobs.handlers import Handlers, subscribe
from services.blobs.listener import PATH, Listener
from services.blobs.marks import Marks
from services.blobs.operating.room import Room
from services.blobs.reading import Reading
from services.blobs.settings import Settings
from services.blobs.storage import open_storage
from services.blobs.storage.marked import TRUST_S, Marked
from services.blobs.store import Store
from services.blobs.store.committing import READERS_S
from services.blobs.strays import Strays
from services.blobs.sweeping import Sweeper
from services.blobs.threads import blocking
from services.blobs.tickets import Tickets
from services.blobs.uploads import Uploads

log = structlog.get_logger(__name__)

SERVICE = "blobs"
CONNECTIONS_MIN = 2
DRAIN_WAIT_S = 10.0
"""Time that transfers under way have when the process is asked to end."""


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until *stop* is set; then finish what was begun, and end."""
    if settings.postgres_owner_url:
        await migrate(settings.postgres_owner_url, "services.blobs", role=settings.role)
    async with AsyncExitStack() as stack:
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
        storages = {"hot": await blocking(_open, "hot", settings.storage_url, settings)}
        if settings.cold_url:
            storages["cold"] = await blocking(_open, "cold", settings.cold_url, settings)
        hot = storages["hot"]
        store = Store(pool, quota_bytes=settings.quota_bytes)
        marks, locks = Marks(store.database, storages), AdvisoryLocks(pool)
        positions = TaskPositions(pool, locks)
        finishing = Finishing(store, hot, locks)
        uploads = Uploads(store, hot, finishing)
        tickets = Tickets(store, settings.bytes_url.rstrip("/") + PATH)
        reading = Reading(store, storages)
        room = Room(
            pool=pool,
            client=client,
            store=store,
            storages=storages,
            reading=reading,
            uploads=uploads,
            positions=positions,
            settings=settings,
        )
        subscribe(
            broker,
            Handlers(
                store,
                storages,
                finishing,
                tickets,
                life_s=float(settings.upload_life_s),
                direct_s=min(READERS_S, settings.readers_wait_s),
                on_read=room.uses.note,
                recheck=room.verifier.recheck_for_reader,
            ),
        )
        room.serve(broker, client)
        server = HttpServer(
            Listener(store, uploads, reading, tickets),
            host=settings.bytes_host,
            port=settings.bytes_port,
            drain_wait_s=DRAIN_WAIT_S,
        )

        async def database() -> None:
            await pool.fetchval("SELECT 1")

        async def storage() -> None:
            await blocking(hot.check)

        async def cold() -> None:
            # Hot blobs can be served without the cold tier, but a wrong one is a mistake.
            if not all(each.was_right for each in storages.values()):
                raise errors.Unavailable("The cold storage of files is not the one that is known.")

        health = Health(postgres=database, bus=is_connected(client), storage=storage, cold=cold)
        relay = Relay(pool, client, service=SERVICE, stream=BLOBS)
        runner = TaskRunner()
        stack.push_async_callback(runner.stop)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        relaying = tasks.create_task(relay.run(), name="relay")
        runner.start(
            marks.task,
            finishing.task,
            relay.measuring,
            *Sweeper(store, storages).tasks(),
            *Strays(store, positions, storages).tasks(),
            *room.tasks(),
        )
        await broker.start()
        await synced(client)
        await server.start()
        close_ops = serve_ops(health, port=settings.ops_port, host=settings.ops_host)
        stack.push_async_callback(asyncio.to_thread, close_ops)
        log.info("blobs ready")
        settled()
        try:
            await _until_stopped(stop, server)
        finally:
            health.draining = True
            await drain(broker, client)
            await server.drain()
            await finishing.stop()
            relaying.cancel()
            await runner.stop()
    log.info("blobs stopped")


def _open(tier: str, url: str, settings: Settings) -> Marked:
    # A file is looked at for nothing, an object in a bucket costs a request.
    trust_s = TRUST_S if url.startswith("s3:") else 0.0
    return Marked(tier, open_storage(url, settings.credentials), trust_s=trust_s)


async def _until_stopped(stop: asyncio.Event, server: HttpServer) -> None:
    waits = {asyncio.create_task(stop.wait()), asyncio.create_task(server.wait_failed())}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


if __name__ == "__main__":
    run(SERVICE, load(Settings), main)
