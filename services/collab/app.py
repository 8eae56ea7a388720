"""Collab as a process: `python -m services.collab.app`."""

import asyncio

from libs.bus import connect_broker, drain, heard, is_connected, serve
from libs.contracts.content import READ_CONTENT, WRITE_CONTENT
from libs.postgres import connect, migrate
from libs.process import load, run, settled
from libs.telemetry import Health, serve_ops
from services.collab.content import ContentHandlers
from services.collab.live import Live
from services.collab.rollups import Rollups
from services.collab.scenes import Scenes
from services.collab.settings import CollabSettings
from services.collab.store import Store
from services.collab.workers import Workers

DRAIN_WAIT_S = 8.0


async def main(settings: CollabSettings, stop: asyncio.Event) -> None:
    """Serve until *stop*."""
    if settings.postgres_owner_url:
        await migrate(settings.postgres_owner_url, "services.collab", role="collab")
    pool = await connect(
        settings.postgres_url,
        application=settings.replica,
        size_max=settings.postgres_connections_max,
    )
    broker, client = await connect_broker(
        settings.nats_url, service="collab", replica=settings.replica
    )
    store = Store(pool)
    workers = Workers(settings.workers)
    scenes = Scenes(store, workers, cache_bytes_max=settings.cache_bytes_max)
    rollups = Rollups(store, scenes, workers, settings)
    live = Live(
        client=client,
        store=store,
        scenes=scenes,
        rollups=rollups,
        workers=workers,
        settings=settings,
    )
    content = ContentHandlers(
        store=store, scenes=scenes, workers=workers, journal=live.journal, settings=settings
    )
    serve(broker, READ_CONTENT, content.read)
    serve(broker, WRITE_CONTENT, content.write)
    health = Health(postgres=store.ping, bus=is_connected(client))
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(live.journal.run(), name="journal"),
                tasks.create_task(rollups.run(), name="rollups"),
            ]
            await live.subscribe()
            await broker.start()
            await heard(client)
            running.append(tasks.create_task(live.beat(), name="beat"))
            close_ops = serve_ops(health, port=settings.ops_port, host=settings.ops_host)
            tasks.create_task(workers.warm_up())
            settled()
            await stop.wait()
            health.draining = True
            await drain(broker, client)
            await live.drain(within_s=DRAIN_WAIT_S)
            close_ops()
            for task in running:
                task.cancel()
    finally:
        await broker.stop()
        workers.close()
        await store.close()
        await pool.close()


if __name__ == "__main__":
    run("collab", load(CollabSettings), main)
