"""Collab as a process: `python -m services.collab.app`."""

import asyncio
from functools import partial
from uuid import UUID

from libs.bus import Caller, connect_broker, drain, is_connected, serve, synced
from libs.contracts.actor import Actor
from libs.contracts.collab.content import CONVERT_SCENE, READ_CONTENT, WRITE_CONTENT
from libs.contracts.collab.migration import LIST_IMPORTED, MIGRATE_SCENE
from libs.contracts.collab.passages import READ_PASSAGES
from libs.contracts.events.word_counts import RECORD_WORD_COUNTS
from libs.contracts.events.workspaces import PLANT_TEXT, TAKE_TEXT
from libs.postgres import AdvisoryLocks, connect, migrate
from libs.process import load, run, settled
from libs.tasks import TaskRunner
from libs.telemetry import Health, serve_ops
from services.collab.commits import Commits
from services.collab.content import ContentHandlers
from services.collab.copying.handlers import CopyHandlers
from services.collab.editors import SceneEditors
from services.collab.history.serving import serve_history
from services.collab.live import Live
from services.collab.migrating.handlers import MigrationHandlers
from services.collab.notices.teller import TextNotices
from services.collab.passages.handlers import PassageHandlers
from services.collab.purging.consumer import Purges
from services.collab.purging.worker import Eraser
from services.collab.review.authorship.serving import serve_authorship
from services.collab.review.room import Room as Review
from services.collab.rollups import Rollups
from services.collab.scenes import Scenes
from services.collab.settings import CollabSettings
from services.collab.snapshots.room import Room as Snapshots
from services.collab.store import Store
from services.collab.upkeep.room import Room as UpkeepRoom
from services.collab.word_counts.counter import WordCounter
from services.collab.word_counts.store import WordCountStore
from services.collab.word_counts.telling import Teller
from services.collab.workers import Workers

DRAIN_WAIT_S = 8.0
NOBODY = Actor(user_id=UUID(int=0))
CONTENT_NICENESS = 5
"""Upkeep, snapshots and large documents give way to edits and joins."""


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
    content_workers = Workers(settings.content_workers, niceness=CONTENT_NICENESS)
    commits = Commits(
        live.journal, store, live.announce, update_bytes_max=settings.update_bytes_max
    )
    content = ContentHandlers(
        store=store,
        scenes=scenes,
        workers=workers,
        large=content_workers,
        commits=commits,
        settings=settings,
    )
    serve(broker, READ_CONTENT, content.read)
    serve(broker, WRITE_CONTENT, content.write)
    serve(broker, CONVERT_SCENE, content.convert)
    editors = SceneEditors(Caller(client))
    copying = CopyHandlers(
        scenes=scenes,
        editors=editors,
        workers=content_workers,
        commits=commits,
        scene_bytes_max=settings.scene_bytes_max,
    )
    serve(broker, TAKE_TEXT, copying.take)
    serve(broker, PLANT_TEXT, copying.plant)
    serve_history(
        broker,
        pool=pool,
        store=store,
        scenes=scenes,
        workers=content_workers,
        commits=commits,
        pause_s=settings.session_pause_s,
    )
    serve_authorship(broker, pool=pool, store=store, scenes=scenes, workers=content_workers)
    # Not with the workers that joins wait for.
    snapshots = Snapshots(pool, store, scenes, editors, workers=content_workers, settings=settings)
    snapshots.serve(broker)
    migrating = MigrationHandlers(pool, store, snapshots.snapshots, content_workers, commits)
    serve(broker, LIST_IMPORTED, migrating.list)
    serve(broker, MIGRATE_SCENE, migrating.migrate)
    live.observers.append(snapshots.worker.committed)
    counts = WordCountStore(pool)
    teller = Teller(counts, partial(Caller(client).ask, RECORD_WORD_COUNTS, actor=NOBODY))
    counter = WordCounter(
        counts,
        scenes,
        content_workers,
        duty=settings.word_count_duty,
        walk_interval_s=settings.word_count_walk_s,
        on_counted=teller.wake,
    )
    live.observers.append(counter.committed)
    snapshots.snapshots.on_import = counter.imported
    review = Review(
        pool,
        client,
        store,
        scenes,
        editors,
        commits=commits,
        workers=content_workers,
        settings=settings,
    )
    review.serve(broker)
    live.observers.append(review.follower.committed)
    live.observers.append(review.suggesting.committed)
    notices = TextNotices(pool, client)
    live.observers.append(notices.committed)
    serve(broker, READ_PASSAGES, PassageHandlers(scenes, store, editors, content_workers).read)
    upkeep = UpkeepRoom(
        pool=pool,
        locks=AdvisoryLocks(pool),
        store=store,
        scenes=scenes,
        rollups=rollups,
        workers=content_workers,
        settings=settings,
    )
    upkeep.serve(broker)
    eraser = Eraser(pool, scenes)
    Purges(pool, eraser.task.wake).subscribe(broker, client)
    runner = TaskRunner()
    health = Health(postgres=store.ping, bus=is_connected(client))
    try:
        async with asyncio.TaskGroup() as tasks:
            # Edits are its work: when it fails, the process ends.
            journal = tasks.create_task(live.journal.run(), name="journal")
            relaying = tasks.create_task(review.relay.run(), name="relay")
            runner.start(rollups.task, eraser.task, counter.task, counter.walk, teller.task)
            runner.start(*review.tasks(), notices.task, notices.walk)
            await live.subscribe()
            await broker.start()
            await synced(client)
            runner.start(live.heartbeat, *upkeep.tasks(), *snapshots.tasks())
            close_ops = serve_ops(health, port=settings.ops_port, host=settings.ops_host)
            tasks.create_task(workers.warm_up())
            settled()
            await stop.wait()
            health.draining = True
            await drain(broker, client)
            await live.drain(within_s=DRAIN_WAIT_S)
            close_ops()
            journal.cancel()
            relaying.cancel()
    finally:
        await runner.stop()
        await broker.stop()
        workers.close()
        content_workers.close()
        await store.close()
        await pool.close()


if __name__ == "__main__":
    run("collab", load(CollabSettings), main)
