"""A task does its step again and again, whatever happens; one that does not is seen."""

import asyncio
import time
from collections.abc import Callable

import asyncpg
import pytest
from prometheus_client import REGISTRY

from libs import errors
from libs.postgres import Pool
from libs.tasks import Pace, PeriodicTask, TaskRunner, progressed
from libs.tasks.task import BACKOFF_S_FIRST
from tests.support.tasks import running
from tests.support.waiting import until

LONG_S = 600.0


def metric(name: str, task: PeriodicTask) -> float:
    return REGISTRY.get_sample_value(f"scriptorium_task_{name}", {"task": task.name}) or 0.0


class Steps:
    """Counts steps, and does what it is told in each."""

    def __init__(self, *results: object) -> None:
        self.results = list(results)
        self.at: list[float] = []

    async def __call__(self) -> object:
        self.at.append(time.monotonic())
        result = self.results.pop(0) if self.results else None
        if isinstance(result, Exception):
            raise result
        return result

    def pauses(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.at, self.at[1:], strict=False)]

    def done(self, times: int) -> Callable[[], bool]:
        return lambda: len(self.at) >= times


async def test_while_there_is_more_nothing_waits():
    """Then the interval; `wake` ends it."""
    steps = Steps(True, "position", None)
    task = PeriodicTask("more", steps, interval_s=LONG_S)
    async with running(task.run()):
        await until(steps.done(3))
        await asyncio.sleep(0.1)
        waited = len(steps.at)
        task.wake()
        await until(steps.done(4))
    assert waited == 3


async def test_what_woke_it_during_a_step_is_not_lost():
    """The step may have looked already."""
    began, go_on = asyncio.Event(), asyncio.Event()
    steps = 0

    async def step() -> None:
        nonlocal steps
        steps += 1
        began.set()
        await go_on.wait()

    task = PeriodicTask("woken", step, interval_s=LONG_S)
    async with running(task.run()):
        await began.wait()
        task.wake()
        go_on.set()
        await until(lambda: steps == 2)


async def test_steps_take_their_share_of_the_time():
    """A step of 20 ms at a tenth leaves 180 ms to others; a wake does not cut that short."""

    async def step() -> bool:
        await asyncio.sleep(0.02)
        steps.at.append(time.monotonic())
        return True

    steps = Steps()
    task = PeriodicTask("share", step, interval_s=0, duty=0.1)
    async with running(task.run()):
        await until(steps.done(1))
        task.wake()
        await until(steps.done(3))
    assert min(steps.pauses()) >= 0.2


async def test_a_rest_has_a_limit():
    steps = Steps(*[True] * 3)

    async def slow() -> object:
        await asyncio.sleep(0.02)
        return await steps()

    async with running(PeriodicTask("rest", slow, interval_s=0, duty=1e-6, rest_s_max=0.05).run()):
        await until(steps.done(3))


@pytest.mark.parametrize(
    "failure",
    [
        asyncpg.PostgresError("refused"),
        asyncpg.QueryCanceledError("too slow"),
        ConnectionError("away"),
        errors.Unavailable(),
        KeyError("a mistake of ours"),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_no_failure_ends_a_task(failure: Exception):
    """It is counted, and tried again sooner than after the interval."""
    steps = Steps(failure, None)
    task = PeriodicTask("failing", steps, interval_s=LONG_S)
    runs, failures = metric("runs_total", task), metric("failures_total", task)
    async with running(task.run()):
        await until(steps.done(2))
        await until(lambda: metric("runs_total", task) == runs + 1)
    assert metric("failures_total", task) == failures + 1
    # At most: to write the trace of a mistake takes its time, too.
    assert 0.9 * BACKOFF_S_FIRST <= steps.pauses()[0] < LONG_S / 10


async def test_pauses_after_failures_grow_up_to_a_limit():
    """Not more often than need be, and soon enough when what was away is back."""
    steps = Steps(*[OSError() for _ in range(5)])
    async with running(PeriodicTask("backoff", steps, interval_s=1, backoff_s_max=1.0).run()):
        await until(steps.done(5))
    first, *others = steps.pauses()
    assert first < 0.95 and min(others) >= 0.95, steps.pauses()


async def test_a_database_that_refuses_is_survived(pool: Pool):
    """As in production: a table that is not there, and is later."""

    async def step() -> None:
        await pool.execute("INSERT INTO things VALUES (1)")

    task = PeriodicTask("refused", step, interval_s=0.05)
    async with running(task.run()):
        await until(lambda: metric("failures_total", task) >= 2)
        await pool.execute("CREATE TABLE things (n integer)")
        await until(lambda: metric("runs_total", task) >= 1)


async def test_a_hung_task_is_seen():
    """Before its patience is over it may only be slow."""
    hang = asyncio.Event()
    runner = TaskRunner()
    task = PeriodicTask("hung", hang.wait, interval_s=LONG_S, patience_s=0.5)
    runner.start(task)
    await asyncio.sleep(0.1)
    assert task.is_working and metric("stalled", task) == 0
    await until(lambda: runner.stalled() == ["hung"])
    assert metric("stalled", task) == 1 and metric("success_age_seconds", task) >= 0.5
    hang.set()
    await until(lambda: task.is_working)
    assert runner.stalled() == []
    await runner.stop()
    assert not task.is_working


async def test_a_task_that_rests_is_not_taken_for_hung():
    """Its interval is longer than its patience."""
    task = PeriodicTask("idle", Steps(), interval_s=1.0, patience_s=0.2)
    async with running(task.run()):
        await asyncio.sleep(0.6)
        assert task.is_working


async def test_a_dead_task_is_seen():
    """Somebody cancelled it, or it ended in a way that nobody thought of."""
    task = PeriodicTask("dead", Steps(), interval_s=0.01)
    async with running(task.run()) as run:
        await until(lambda: task.is_working)
        run.cancel()
        await until(run.done)
        assert not task.is_working and metric("stalled", task) == 1


async def test_a_task_that_only_fails_is_seen():
    """One failure is none to speak of; a step that began well is no success either."""

    async def step() -> None:
        progressed()
        raise OSError

    task = PeriodicTask("broken", step, interval_s=0.1, patience_s=1.0, backoff_s_max=0.1)
    async with running(task.run()):
        await until(lambda: metric("failures_total", task) >= 1)
        assert task.is_working
        await until(lambda: not task.is_working)


async def test_what_hung_and_then_fails_does_not_work_again():
    """As a query does that waits for a lock until its time is over."""

    began = asyncio.Event()

    async def step() -> None:
        began.set()
        await asyncio.sleep(0.5)
        raise TimeoutError

    task = PeriodicTask("late", step, interval_s=0.1, patience_s=0.2, backoff_s_max=0.1)
    async with running(task.run()):
        await began.wait()
        await until(lambda: not task.is_working)
        for _ in range(40):
            await asyncio.sleep(0.02)
            assert not task.is_working
        assert metric("failures_total", task) >= 1


async def test_a_long_step_that_goes_on_is_no_hung_one():
    """It says so, or rests between its parts."""

    async def step() -> None:
        pace = Pace(0.5)
        for _ in range(15):
            await asyncio.sleep(0.05)
            await pace.rest()

    task = PeriodicTask("long", step, interval_s=LONG_S, patience_s=0.5)
    async with running(task.run()):
        for _ in range(14):
            await asyncio.sleep(0.1)
            assert task.is_working


async def test_a_runner_stops_what_it_started():
    """Also a task that turns its cancellation into something else once."""
    stubborn = True

    async def step() -> None:
        nonlocal stubborn
        try:
            await asyncio.sleep(LONG_S)
        except asyncio.CancelledError:
            if stubborn:
                stubborn = False
                raise OSError from None
            raise

    runner = TaskRunner()
    runner.start(PeriodicTask("stubborn", step, interval_s=1))
    with pytest.raises(ValueError, match="two tasks"):
        runner.start(PeriodicTask("stubborn", step, interval_s=1))
    await asyncio.sleep(0.05)
    await runner.stop()
    left = {task.get_name() for task in asyncio.all_tasks()}
    assert "stubborn" not in left and not stubborn
