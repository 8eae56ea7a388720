"""Snapshots and comparisons take the share of the time that is set: real parts, in this process."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from services.collab.workers import Workers
from tests.collab.snapshots.support import HARDLY, Desk, replica
from tests.support.waiting import until

INTERVAL_S = 2.0
"""The longest rest of the worker of snapshots."""
RESTING_S = 1.5
"""By the shares that are usual two more would be done by then."""


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
    async with replica(desk, workers, snapshot_interval_s=INTERVAL_S, **settings) as room:
        # Not counted: it takes the worker's start, and so longer than any other.
        await room.snapshots.renew(first)
        room.worker.committed([scene.bytes for scene in scenes])
        # All are due from now on; late, for longer than the interval, too.
        await asyncio.sleep(INTERVAL_S * (2 if late else 1) + 0.1)
        running = asyncio.create_task(room.worker.task.run())

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
    async with replica(desk, workers, **settings) as room:
        running = asyncio.create_task(room.detector.task.run())

        async def left() -> int:
            return await desk.owner.fetchval(unchecked, timedelta(hours=1))

        async def done() -> bool:
            return await left() <= (0 if duty == 1 else 2)

        await until(done)
        await asyncio.sleep(RESTING_S)
        found = await left()
        running.cancel()

    assert found == (0 if duty == 1 else 2)
