"""`python -m tests.bench.bundles`: one append, the relay's delay, events in bundles, the tree.

One events service, PostgreSQL with fsync on, and NATS, all on this machine with the load beside
them; the relay publishes meanwhile. Each rate is the best of a few bundles, because others on the
machine can only slow them down. Exits with 1 when a bar is missed.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import uvloop
from prometheus_client.parser import text_string_to_metric_families

from libs import errors
from libs.bus import Caller, connect_broker
from libs.contracts.actor import Actor, Role
from libs.contracts.events import bundles as b
from libs.contracts.events import manuscript as m
from libs.contracts.events.resources import Kind
from libs.contracts.events.tree import READ_TREE, ReadTree
from libs.contracts.ids import new_id
from libs.contracts.rpc import Method
from libs.postgres import Pool, connect
from libs.process import settled
from tests.bench.figures import Figure, percentile, stated
from tools.stack import Stack

ROUNDS = 4
SIZES = (100, 1_000, 10_000)
AUTHORS = 2
BUNDLES_PER_S_BAR = 5_000
APPENDS_PER_S = 200
APPEND_S = 8.0
APPEND_MS_BAR = 5
DELAY_MS_BAR = 50
TREE_SCENES = 2_000
TREE_READS = 40
TREE_MS_BAR = 30
MAY = frozenset(f"{kind}.{deed}" for kind in ("chapter", "scene") for deed in ("create", "update"))


@dataclass(frozen=True)
class Author:
    """Somebody with a book."""

    caller: Caller
    actor: Actor
    book: UUID

    @classmethod
    async def begin(cls, caller: Caller) -> "Author":
        user_id, project_id, book_id = new_id(), new_id(), new_id()
        project = m.Create(
            kind="project", id=project_id, command_id=new_id(), fields={"name": "Bench"}
        )
        await caller.ask(m.CREATE, project, Actor(user_id=user_id))
        author = cls(
            caller, Actor(user_id=user_id, project_id=project_id, role=Role.OWNER), book_id
        )
        await author.create("book", book_id, project_id, "Book")
        return author

    async def create(self, kind: Kind, id: UUID, parent: UUID, title: str) -> None:  # noqa: A002
        question = m.Create(
            kind=kind, id=id, command_id=new_id(), parent_id=parent, fields={"title": title}
        )
        await self.caller.ask(m.CREATE, question, self.actor)

    async def commit(self, operations: Sequence[b.Operation]) -> float:
        """Commit a bundle; returns how long that took, in seconds."""
        question = b.Commit(command_id=new_id(), operations=list(operations), may=MAY)
        started = time.perf_counter()
        await self.caller.ask(b.COMMIT, question, self.actor, deadline_s=120)
        return time.perf_counter() - started


async def main() -> int:
    """Measure and print; 1 when a bar was missed."""
    settled()
    with tempfile.TemporaryDirectory() as folder:
        async with Stack(Path(folder) / "data", replicas={"events": 1}) as stack:
            broker, client = await connect_broker(
                stack.nats_url("gateway"), service="gateway", replica="bench"
            )
            url = stack.postgres_url("events", "events")
            pool = await connect(url, application="bench", size_max=1)
            _say(await stated(pool))
            caller = Caller(client)
            author = await Author.begin(caller)
            # One by one first: after the bundles the database tidies up for a while.
            figures = await _appends(author, pool, stack.ops_url("events-1"))
            for size in SIZES:
                figures += await _bundles([author], size, ROUNDS)
            authors = [await Author.begin(caller) for _ in range(AUTHORS)]
            figures += await _bundles(authors, 1_000, ROUNDS)
            figures.append(await _drained(pool))
            figures.append(await _tree(caller))
            await pool.close()
            await broker.stop()
    for figure in figures:
        _say(figure.line())
    return int(any(figure.missed for figure in figures))


def _creations(author: Author, size: int) -> tuple[list[b.Operation], list[UUID]]:
    chapter, scenes = new_id(), [new_id() for _ in range(size - 1)]
    first = b.CreateOne(
        op="create",
        aggregate=b.Target(kind="chapter", id=chapter),
        parent_id=author.book,
        fields={"title": "Chapter"},
    )
    rest = [
        b.CreateOne(
            op="create",
            aggregate=b.Target(kind="scene", id=scene),
            parent_id=chapter,
            fields={"title": f"Scene {n}"},
        )
        for n, scene in enumerate(scenes)
    ]
    return [first, *rest], scenes


def _changes(scenes: Sequence[UUID]) -> list[b.Operation]:
    return [
        b.SetField(
            op="set",
            aggregate=b.Target(kind="scene", id=scene),
            path="summary",
            value="Walton writes home from the ice.",
            old_value=None,
        )
        for scene in scenes
    ]


async def _bundles(authors: Sequence[Author], size: int, rounds: int) -> list[Figure]:
    """Creations, then changes of what was created; every author one after the other."""
    best = {"created": 0.0, "changed": 0.0}
    for _ in range(max(rounds, 1_000 // size)):
        made = [_creations(author, size) for author in authors]
        for what, bundles in (
            ("created", [operations for operations, _ in made]),
            ("changed", [_changes(scenes) for _, scenes in made]),
        ):
            started = time.perf_counter()
            await asyncio.gather(
                *(author.commit(each) for author, each in zip(authors, bundles, strict=True))
            )
            rate = sum(map(len, bundles)) / (time.perf_counter() - started)
            best[what] = max(best[what], rate)
    by = f"{len(authors)} authors" if len(authors) > 1 else "one author"
    # What a client waits for is the bundle; what the machine can do, several authors show.
    bar = BUNDLES_PER_S_BAR if size >= 1_000 else None
    return [
        Figure(f"bundles of {size:,}, {by}, {what}", rate, "events/s", at_least=bar)
        for what, rate in best.items()
    ]


async def _drained(pool: Pool) -> Figure:
    """Wait until the relay has published all of it."""
    waiting = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
    started = time.perf_counter()
    while await pool.fetchval(waiting):  # noqa: ASYNC110  (the relay sends no signal)
        await asyncio.sleep(0.02)
    return Figure("the relay's rest after the bundles", time.perf_counter() - started, "s")


async def _appends(author: Author, pool: Pool, ops_url: str) -> list[Figure]:
    """Changes of one field each, at a fixed rate, each on its own schedule.

    An append is what the service does from a request to its answer: read, decide, log and project,
    committed. What a caller waits for has the bus and the caller's own work in it, so the same is
    told of a request that is refused at once: what is left on this machine when nothing is done.
    """
    chapters = [new_id() for _ in range(20)]
    for chapter in chapters:
        await author.create("chapter", chapter, author.book, "A")

    def change(number: int, field: str = "title") -> m.Change:
        return m.Change(
            kind="chapter",
            id=chapters[number % len(chapters)],
            command_id=new_id(),
            fields={field: f"Title {number}"},
        )

    async def refused(number: int) -> None:
        with suppress(errors.Unknown):
            await author.caller.ask(m.CHANGE, change(number, "noSuchField"), author.actor)

    async def append(number: int) -> None:
        await author.caller.ask(m.CHANGE, change(number), author.actor, deadline_s=30)

    nothing_ms = await _at_rate(refused)
    begun_at = await pool.fetchval("SELECT clock_timestamp()")
    took_ms = await _at_rate(append)
    await _drained(pool)
    # From the beginning of the transaction, so a little more than the relay's own share.
    delays = await pool.fetch(
        "SELECT extract(epoch FROM published_at - created_at)::float * 1000 AS ms FROM outbox "
        "WHERE created_at > $1",
        begun_at,
    )
    delays_ms = [row["ms"] for row in delays]
    at = f"at {APPENDS_PER_S}/s"
    within = await _share_within(ops_url, m.CHANGE, APPEND_MS_BAR / 1000)
    return [
        Figure(f"single append {at}, {APPEND_MS_BAR} ms at most", within, "%", at_least=95),
        Figure(f"a refused request over the bus {at}, p50", percentile(nothing_ms, 50), "ms"),
        Figure(f"a refused request over the bus {at}, p95", percentile(nothing_ms, 95), "ms"),
        Figure(f"single append over the bus {at}, p50", percentile(took_ms, 50), "ms"),
        Figure(f"single append over the bus {at}, p95", percentile(took_ms, 95), "ms"),
        Figure(f"publish delay {at}, p50", percentile(delays_ms, 50), "ms"),
        Figure(f"publish delay {at}, p95", percentile(delays_ms, 95), "ms", below=DELAY_MS_BAR),
    ]


async def _at_rate(ask: Callable[[int], Awaitable[None]]) -> list[float]:
    """Ask APPENDS_PER_S times a second for APPEND_S; returns how long each took, in ms."""
    took_ms: list[float] = []

    async def one(number: int, due: float) -> None:
        await asyncio.sleep(due - time.perf_counter())
        await ask(number)
        took_ms.append((time.perf_counter() - due) * 1000)

    start = time.perf_counter() + 0.5
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(APPENDS_PER_S * APPEND_S)):
            tasks.create_task(one(number, start + number / APPENDS_PER_S))
    return took_ms


async def _share_within(ops_url: str, method: Method[Any, Any], seconds: float) -> float:
    """Which share of requests the service answered so soon, by its own metric, per cent."""
    async with httpx.AsyncClient() as http:
        page = (await http.get(f"{ops_url}/metrics")).text
    found = {
        sample.labels["le"]: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "scriptorium_rpc_seconds_bucket"
        and sample.labels["method"] == f"{method.service}.{method.name}"
        and sample.labels["code"] == "OK"
    }
    return 100 * found[str(seconds)] / found["+Inf"]


async def _tree(caller: Caller) -> Figure:
    """Reads of a whole manuscript, asked over NATS."""
    author = await Author.begin(caller)
    for _ in range(20):
        await author.commit(_creations(author, TREE_SCENES // 20 + 1)[0])
    took_ms: list[float] = []
    for _ in range(TREE_READS):
        started = time.perf_counter()
        await caller.ask(READ_TREE, ReadTree(), author.actor)
        took_ms.append((time.perf_counter() - started) * 1000)
    name = f"tree of {TREE_SCENES:,} scenes, p95"
    return Figure(name, percentile(took_ms, 95), "ms", below=TREE_MS_BAR)


def _say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
