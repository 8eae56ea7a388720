"""Snapshots and comparisons take the share of the time that is set: real parts, in this process."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from libs.postgres import connect
from services.collab.editors import SceneEditors
from services.collab.scenes import Scenes
from services.collab.settings import CollabSettings
from services.collab.snapshots.room import Room, sampling_of
from services.collab.store import Store
from services.collab.workers import Workers
from tests.collab.snapshots.support import Desk
from tests.support.waiting import until

HARDLY = 1e-4
"""A share of the time that leaves ten seconds and more of rest after anything that is done."""
INTERVAL_S = 2.0
"""The longest rest of the worker of snapshots."""
RESTING_S = 1.5
"""By the shares that are usual two more would be done by then."""


@pytest.fixture(scope="module")
async def workers() -> AsyncIterator[Workers]:
    made = Workers(1)
    yield made
    made.close()


@asynccontextmanager
async def replica(
    desk: Desk, workers: Workers, **settings: Any
) -> AsyncGenerator[tuple[Room, CollabSettings]]:
    """What one replica does about snapshots, with a pool of its own; nothing runs yet."""
    url = desk.stack.postgres_url("collab", "collab")
    pool = await connect(url, application="paces", size_max=3)
    store = Store(pool)
    chosen = CollabSettings(postgres_url=url, nats_url="nats://unused", ops_port=1, **settings)
    try:
        scenes = Scenes(store, workers, cache_bytes_max=1 << 20)
        editors = SceneEditors(desk.caller)
        yield Room(pool, store, scenes, editors, workers=workers, settings=chosen), chosen
    finally:
        await pool.close()


async def taken(desk: Desk, scenes: list[UUID]) -> int:
    query = "SELECT count(*) FROM scene_snapshots WHERE scene_id = ANY ($1)"
    return await desk.owner.fetchval(query, scenes)


@pytest.mark.parametrize(
    ("settings", "late"),
    [
        ({"snapshot_duty": HARDLY, "snapshot_duty_behind": 1}, False),
        ({"snapshot_duty": 1, "snapshot_duty_behind": HARDLY}, True),
    ],
    ids=["due", "behind"],
)
async def test_snapshots_take_the_share_of_the_time_that_is_set(
    desk: Desk, workers: Workers, settings: dict[str, float], late: bool
):
    """One is taken and the others wait, by the share for what is due, or for what is behind."""
    first, *scenes = [await desk.write(f"paced {n}") for n in range(4)]
    async with replica(desk, workers, snapshot_interval_s=INTERVAL_S, **settings) as (room, _):
        # Not counted: it takes the worker's start, and so longer than any other.
        await room.snapshots.renew(first)
        room.worker.committed([scene.bytes for scene in scenes])
        # All are due from now on; late, for longer than the interval, too.
        await asyncio.sleep(INTERVAL_S * (2 if late else 1) + 0.1)
        running = asyncio.create_task(room.worker.run())

        async def done() -> bool:
            return await taken(desk, scenes) > 0

        await until(done)
        await asyncio.sleep(RESTING_S)
        found = await taken(desk, scenes)
        running.cancel()

    assert found == 1


@pytest.mark.parametrize("duty", [1.0, HARDLY], ids=["always", "hardly"])
async def test_comparisons_take_the_share_of_the_time_that_is_set(
    desk: Desk, workers: Workers, duty: float
):
    """The next one waits for it, though its interval is over."""
    await desk.owner.execute("UPDATE snapshot_checks SET checked_at = now()")
    scenes = [await desk.write(f"compared {n}") for n in range(3)]
    for scene in scenes:
        await desk.snap(scene)
    unchecked = "SELECT count(*) FROM snapshot_checks WHERE checked_at < now() - $1::interval"
    settings = {"divergence_interval_s": 0.01, "divergence_duty": duty}
    async with replica(desk, workers, **settings) as (room, chosen):
        running = asyncio.create_task(room.detector.run(sampling_of(chosen)))

        async def left() -> int:
            return await desk.owner.fetchval(unchecked, timedelta(hours=1))

        async def done() -> bool:
            return await left() <= (0 if duty == 1 else 2)

        await until(done)
        await asyncio.sleep(RESTING_S)
        found = await left()
        running.cancel()

    assert found == (0 if duty == 1 else 2)
