"""`python -m tests.bench.bundles`: events per second in bundles, and the latency of one append.

One events service, PostgreSQL with fsync on, and NATS, all on this machine with the load beside
them; the relay publishes meanwhile. Bars: 5,000 events/s in bundles; a single append with its
projection p95 < 5 ms at 200/s.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles
from uuid import UUID

import uvloop

from libs.bus import Caller, connect_broker
from libs.contracts import bundles as b
from libs.contracts import manuscript as m
from libs.contracts.actor import Actor, Role
from libs.contracts.ids import new_id
from libs.postgres import connect
from libs.stack import Stack

EVENTS_A_SIZE = 2_000
SIZES = (100, 1_000, 10_000)
APPENDS_PER_S = 200
APPEND_S = 8.0
MAY = frozenset(f"{kind}.{deed}" for kind in ("chapter", "scene") for deed in ("create", "update"))


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        async with Stack(Path(folder) / "data", replicas={"events": 1}) as stack:
            broker, client = await connect_broker(
                stack.nats_url("gateway"), service="gateway", replica="bench"
            )
            caller = Caller(client)
            user_id, project_id = new_id(), new_id()
            create = m.Create(
                kind="project", id=project_id, command_id=new_id(), fields={"name": "Bench"}
            )
            await caller.ask(m.CREATE, create, Actor(user_id=user_id))
            actor = Actor(user_id=user_id, project_id=project_id, role=Role.OWNER)
            book = m.Create(
                kind="book",
                id=new_id(),
                command_id=new_id(),
                parent_id=project_id,
                fields={"title": "Book"},
            )
            await caller.ask(m.CREATE, book, actor)
            for size in SIZES:
                await _bundles(caller, actor, book.id, size)
            await _drained(stack)
            await _appends(caller, actor, book.id)
            await broker.stop()


async def _drained(stack: Stack) -> None:
    """Wait until the relay has published all of it."""
    pool = await connect(stack.postgres_url("events", "events"), application="bench", size_max=1)
    waiting = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
    left, started = await pool.fetchval(waiting), time.perf_counter()
    while await pool.fetchval(waiting):  # noqa: ASYNC110  (the relay sends no signal)
        await asyncio.sleep(0.2)
    took_s = time.perf_counter() - started
    await pool.close()
    _say(f"the relay published the {left:,} events that were left in {took_s:.1f} s")


async def _bundles(caller: Caller, actor: Actor, book: UUID, size: int) -> None:
    """Bundles one after the other: first creations, then changes of what was created."""
    rounds = max(1, EVENTS_A_SIZE // size)
    created_s = changed_s = 0.0
    for _ in range(rounds):
        chapter = new_id()
        scenes = [new_id() for _ in range(size - 1)]
        first: list[b.Operation] = [
            b.CreateOne(
                op="create",
                aggregate=b.Target(kind="chapter", id=chapter),
                parent_id=book,
                fields={"title": "Chapter"},
            )
        ]
        first += [
            b.CreateOne(
                op="create",
                aggregate=b.Target(kind="scene", id=scene),
                parent_id=chapter,
                fields={"title": f"Scene {n}"},
            )
            for n, scene in enumerate(scenes)
        ]
        second: list[b.Operation] = [
            b.SetField(
                op="set",
                aggregate=b.Target(kind="scene", id=scene),
                path="summary",
                value="Walton writes home from the ice.",
                old_value=None,
            )
            for scene in scenes
        ]
        created_s += await _commit(caller, actor, first)
        changed_s += await _commit(caller, actor, second)
    _say(
        f"bundles of {size:6,}: created {rounds * size / created_s:7,.0f} events/s,"
        f" changed {rounds * (size - 1) / changed_s:7,.0f} events/s"
    )


async def _commit(caller: Caller, actor: Actor, operations: Sequence[b.Operation]) -> float:
    question = b.Commit(command_id=new_id(), operations=list(operations), may=MAY)
    started = time.perf_counter()
    await caller.ask(b.COMMIT, question, actor, deadline_s=120)
    return time.perf_counter() - started


async def _appends(caller: Caller, actor: Actor, book: UUID) -> None:
    """Changes of one field each, at a fixed rate, each on its own schedule."""
    chapters = [new_id() for _ in range(20)]
    for chapter in chapters:
        create = m.Create(
            kind="chapter",
            id=chapter,
            command_id=new_id(),
            parent_id=book,
            fields={"title": "A"},
        )
        await caller.ask(m.CREATE, create, actor)
    took_ms: list[float] = []

    async def one(number: int, due: float) -> None:
        await asyncio.sleep(due - time.perf_counter())
        change = m.Change(
            kind="chapter",
            id=chapters[number % len(chapters)],
            command_id=new_id(),
            fields={"title": f"Title {number}"},
        )
        await caller.ask(m.CHANGE, change, actor)
        took_ms.append((time.perf_counter() - due) * 1000)

    start = time.perf_counter() + 0.5
    count = int(APPENDS_PER_S * APPEND_S)
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(one(number, start + number / APPENDS_PER_S))
    cuts = quantiles(took_ms, n=100)
    _say(
        f"single appends at {APPENDS_PER_S}/s: p50 {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms,"
        f" p99 {cuts[98]:.1f} ms, max {max(took_ms):.1f} ms (asked over NATS)"
    )


def _say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
