"""A pass that one replica at a time does: kept in the database, gone on with by another."""

import asyncio
import os
import signal
import sys
from datetime import timedelta

import pytest

from libs.postgres import AdvisoryLocks, Pool
from libs.tasks import SharedTask, TaskPositions
from libs.tasks.failpoints import CRASH
from tests.support.tasks import running
from tests.support.waiting import until
from tools.stack import Stack

THINGS = 5

DYING = """
import asyncio, sys
from libs.postgres import AdvisoryLocks, connect
from libs.tasks import SharedTask, TaskPositions, passed

async def step(position):
    passed(f"step.{position}")
    return str(int(position or 0) + 1)

async def main():
    pool = await connect(sys.argv[1], application="dying")
    positions = TaskPositions(pool, AdvisoryLocks(pool))
    await SharedTask("walk", step, positions=positions, every_s=60).run()

asyncio.run(main())
"""


class Replica:
    """One that walks over THINGS things."""

    def __init__(self, pool: Pool, every_s: float = 3600.0) -> None:
        self.seen: list[int] = []
        self.breaks_at = 0
        self.positions = TaskPositions(pool, AdvisoryLocks(pool))
        self.task = SharedTask(
            "walk", self.step, positions=self.positions, every_s=every_s, poll_s_max=0.05
        )

    async def step(self, position: str) -> str | None:
        at = int(position or 0)
        if at == self.breaks_at > 0:
            self.breaks_at = 0
            raise OSError
        await asyncio.sleep(0.01)
        self.seen.append(at)
        self.task.report["things"] += 1
        return str(at + 1) if at + 1 < THINGS else None


async def test_a_pass_is_done_once_by_one_of_two(pool: Pool, other: Pool):
    """And not again before it is time."""
    one, two = Replica(pool), Replica(other)
    async with running(one.task.run()), running(two.task.run()):
        await until(lambda: len(one.seen) + len(two.seen) >= THINGS)
        await asyncio.sleep(0.3)
    assert sorted(one.seen + two.seen) == [*range(THINGS)]
    (kept,) = await one.positions.all()
    assert (kept.name, kept.report) == ("walk", {"things": THINGS})
    assert kept.ended_at and kept.ended_at >= kept.begun_at
    assert not await two.task.run_pass()


async def test_a_pass_that_is_due_begins_at_the_beginning(pool: Pool):
    one = Replica(pool, every_s=0.2)
    assert await one.task.run_pass()
    assert not await one.task.run_pass()
    await asyncio.sleep(0.25)
    assert await one.task.run_pass()
    assert one.seen == [*range(THINGS)] * 2
    assert 0 <= await one.positions.age_s("walk") < 5
    assert await one.positions.age_s("never") == 0


async def test_a_pass_goes_on_where_it_failed(pool: Pool, other: Pool):
    """Here or in another replica; nothing is done twice, for the position was kept."""
    one, two = Replica(pool), Replica(other)
    one.breaks_at = 3
    with pytest.raises(OSError):
        await one.task.run_pass()
    assert await two.task.run_pass()
    assert (one.seen, two.seen) == ([0, 1, 2], [3, 4])


async def test_another_goes_on_where_a_process_died(stack: Stack, pool: Pool):
    """Killed in the middle of a step: that one is done again, and no earlier one."""
    dying = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        DYING,
        stack.postgres_url("collab", "collab_owner"),
        env=os.environ | {CRASH: "step.3"},
    )
    assert await dying.wait() == -signal.SIGKILL
    one = Replica(pool)

    async def taken() -> bool:
        return await one.task.run_pass()

    await until(taken)
    assert one.seen == [3, 4]


async def test_positions_begin_only_when_due(pool: Pool):
    """Under way they are given again and again; ended, only after the interval."""
    positions = TaskPositions(pool, AdvisoryLocks(pool))
    hour = timedelta(hours=1)
    assert await positions.begin("walk", hour) == ""
    await positions.keep("walk", "here")
    assert await positions.begin("walk", hour) == "here"
    await positions.end("walk", {})
    assert await positions.begin("walk", hour) is None
    assert await positions.begin("walk", timedelta(0)) == ""
