"""Workers that die or freeze: another one goes on at the step, and none is recorded twice."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from libs.contracts.ai.runs import RunOutput
from libs.contracts.wire import Wire
from libs.postgres import Pool
from services.ai.runs import worker as working
from services.ai.runs.steps import Steps
from services.ai.runs.worker import Outcome, Worker
from services.ai.store import Claimed, Store
from tests.ai.desk import Desk
from tests.support.waiting import until
from tools.stack import Stack

LEASE_S = 0.6
PROJECT_MAX = 8


class Done(Wire):
    """The result of a step."""

    by: str


class FiveSteps:
    """A workflow that notes who did what, and waits where it is told."""

    def __init__(self, name: str, noted: list[tuple[str, int]], stop_at: int | None) -> None:
        self.name = name
        self.noted = noted
        self.stop_at = stop_at
        self.go_on = asyncio.Event()
        self.stopped = asyncio.Event()

    async def run(self, claimed: Claimed, steps: Steps) -> Outcome:
        assert claimed.kind == "enrich"
        for number in range(1, 6):

            async def work(number: int = number) -> Done:
                self.noted.append((self.name, number))
                if number == self.stop_at:
                    self.stopped.set()
                    await self.go_on.wait()
                return Done(by=self.name)

            await steps.do(f"step {number}", Done, work)
        return Outcome(RunOutput(note=self.name))


async def _nothing(_: UUID) -> None:
    """Tell nobody."""


@pytest.fixture
async def store(
    stack: Stack, desk: Desk, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Store]:
    """A store whose runs are left to the workers of the test."""
    assert desk
    monkeypatch.setattr(working, "LEASE_S", LEASE_S)
    name = next(part for part in stack.parts if part.startswith("ai-"))
    stack.hold(name)
    stack.kill(name)
    await stack.wait_ended(name)
    yield Store(pool)
    stack.release(name)
    await stack.wait_ready(name)


async def queued(pool: Pool) -> UUID:
    run = uuid4()
    await pool.execute(
        "INSERT INTO runs (id, project_id, kind, engine, config, config_hash, created_by,"
        " updated_by) VALUES ($1, $1, 'enrich', 'test', '{}', decode(repeat('00', 32), 'hex'),"
        " $1, $1)",
        run,
    )
    return run


def worker(store: Store, workflow: FiveSteps) -> Worker:
    return Worker(
        store,
        {"enrich": workflow},
        replica=workflow.name,
        at_once=4,
        project_max=PROJECT_MAX,
        on_change=_nothing,
    )


async def test_a_frozen_worker_records_nothing_more(store: Store, pool: Pool):
    """It does not renew, as if its process stood still; when it wakes up, its lease is lost."""
    noted = list[tuple[str, int]]()
    frozen, fresh = FiveSteps("frozen", noted, 3), FiveSteps("fresh", noted, None)
    run = await queued(pool)
    assert await worker(store, frozen).look()
    await frozen.stopped.wait()
    other = worker(store, fresh)

    assert not await other.look(), "the lease is still held"
    await until(other.look)
    await until(lambda: _status(pool, run, "completed"))
    frozen.go_on.set()
    await asyncio.sleep(0.2)

    rows = await pool.fetch("SELECT seq, memo FROM run_steps WHERE run_id = $1 ORDER BY seq", run)
    assert [(row["seq"], row["memo"]["by"]) for row in rows] == [
        (1, "frozen"),
        (2, "frozen"),
        (3, "fresh"),
        (4, "fresh"),
        (5, "fresh"),
    ]
    assert noted == [("frozen", 1), ("frozen", 2), ("frozen", 3)] + [
        ("fresh", number) for number in (3, 4, 5)
    ]
    output = await pool.fetchval("SELECT output ->> 'note' FROM runs WHERE id = $1", run)
    assert output == "fresh"


async def test_a_run_is_cancelled_within_its_step(store: Store, pool: Pool):
    workflow = FiveSteps("slow", [], 2)
    run = await queued(pool)
    one = worker(store, workflow)
    assert await one.look()
    await workflow.stopped.wait()
    assert await store.cancel(run, run, run)
    one.cancel(run)
    await until(lambda: _status(pool, run, "cancelled"))
    assert await pool.fetchval("SELECT count(*) FROM run_steps WHERE run_id = $1", run) == 1


async def test_a_worker_that_stops_gives_its_runs_back(store: Store, pool: Pool):
    """The next one need not wait for the end of the lease."""
    noted = list[tuple[str, int]]()
    leaving, next_one = FiveSteps("leaving", noted, 4), FiveSteps("next", noted, None)
    run = await queued(pool)
    first = worker(store, leaving)
    assert await first.look()
    await leaving.stopped.wait()
    await first.stop()
    assert await worker(store, next_one).look()
    await until(lambda: _status(pool, run, "completed"))
    assert noted[-2:] == [("next", 4), ("next", 5)]


async def _status(pool: Pool, run: UUID, wanted: str) -> bool:
    return await pool.fetchval("SELECT status FROM runs WHERE id = $1", run) == wanted
