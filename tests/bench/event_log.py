"""`python -m tests.bench.event_log`: the event log in the long run, on PostgreSQL with fsync on.

Rebuild in events a second and its memory, the delay of the relay, bytes per event before and after
the archive. Nothing is compared with peers here: they have no such log.
"""

import argparse
import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import uvloop
from pydantic.alias_generators import to_camel

from libs.bus import Fact, Relay, announce, connect_broker
from libs.contracts.ids import new_id
from libs.contracts.subjects import fact
from libs.postgres import Pool, connect, migrate
from libs.stack import Stack
from services.events.integrity.announcing import Screen
from services.events.integrity.chain import Stored, content_bytes, digest
from services.events.integrity.quarantine import as_json
from services.events.model.aggregates import BOOK, CHAPTER, PROJECT, SCENE
from services.events.model.log import wire_time
from services.events.model.rank import after
from services.events.rebuild.__main__ import rebuild
from services.events.upkeep import CHUNK_EVENTS, PARTITION_MONTHS_AHEAD
from tests.bench.figures import percentile

SCENES_PER_PROJECT = 2000
CHANGES_PER_SCENE = 4
COPY_EVENTS = 20_000
DELAY_SECONDS = 10.0
DELAY_PER_SECOND = 200
WORDS = "the a of whale sea ship night letter ice captain storm harbour white long".split()  # noqa: SIM905


def story(rng: random.Random, at: datetime) -> Iterator[Stored]:
    """Yield the log of one project: a book, its scenes, and what is changed about them."""
    project_id, user_id = new_id(), new_id()
    links: dict[UUID, tuple[int, str]] = {}
    moment = at

    def event(kind: str, aggregate_id: UUID, action: str, data: dict[str, Any]) -> Stored:
        nonlocal moment
        moment += timedelta(seconds=rng.random() * 20)
        version, link = links.get(aggregate_id, (0, ""))
        made = Stored(
            *(new_id(), aggregate_id, kind, f"{kind}.{action}", project_id, user_id, data, {}),
            *(moment, version + 1, None, rng.randbytes(16).hex(), "api", new_id(), ""),
        )
        made = made._replace(checksum=digest(link, content_bytes(made)))
        links[aggregate_id] = (made.version, made.checksum)
        return made

    def place(parent: UUID, rank: str) -> dict[str, Any]:
        return {"parentId": str(parent), "index": 0, "rank": rank}

    def words(count: int) -> str:
        return " ".join(rng.choices(WORDS, k=count))

    name = {"name": "Bench", "slug": f"p-{project_id.hex}"}
    yield event(PROJECT.kind, project_id, "created", name)
    book, chapter = new_id(), new_id()
    data = {"title": "Book", "kind": "novel"} | place(project_id, "a0")
    yield event(BOOK.kind, book, "created", data)
    yield event(CHAPTER.kind, chapter, "created", {"title": "One"} | place(book, "a0"))
    scenes = [new_id() for _ in range(SCENES_PER_PROJECT)]
    titles: dict[UUID, str | None] = {}
    at_first = wire_time(at)
    born = {to_camel(k): v for k, v in SCENE.initial({}, at=at_first).items()}
    for scene, rank in zip(scenes, after(None, len(scenes)), strict=True):
        titles[scene] = words(4)
        data = born | {"title": titles[scene]} | place(chapter, rank)
        yield event(SCENE.kind, scene, "created", data)
    for _ in range(CHANGES_PER_SCENE * SCENES_PER_PROJECT):
        scene = rng.choice(scenes)
        if rng.random() < 0.3:
            data = {"from": None, "to": words(25)}
            yield event(SCENE.kind, scene, "summary_changed", data)
        else:
            title = words(4)
            yield event(SCENE.kind, scene, "title_changed", {"from": titles[scene], "to": title})
            titles[scene] = title


async def fill(owner: Pool, count: int) -> int:
    """Write a log of about *count* events that is a month old."""
    rng, made = random.Random(1), 0
    at = datetime.now(UTC) - timedelta(days=30)
    buffer: list[Stored] = []
    heads: dict[UUID, tuple[Any, ...]] = {}

    async def flush() -> None:
        async with owner.acquire() as connection, connection.transaction():
            await connection.copy_records_to_table(
                "events", records=buffer, columns=list(Stored._fields)
            )
            columns = ["aggregate_id", "aggregate_type", "project_id", "version", "checksum"]
            await connection.copy_records_to_table(
                "aggregates", records=list(heads.values()), columns=columns
            )
        buffer.clear()
        heads.clear()

    while made < count:
        for each in story(rng, at):
            buffer.append(each)
            heads[each.aggregate_id] = (
                *(each.aggregate_id, each.aggregate_type, each.project_id),
                *(each.version, each.checksum),
            )
            made += 1
        if len(buffer) >= COPY_EVENTS:
            await flush()
    await flush()
    return made


async def size(owner: Pool, tables: str) -> int:
    return await owner.fetchval(
        "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class "
        f"WHERE relkind = 'r' AND relname ~ '{tables}'"
    )


async def long_run(stack: Stack, owner: Pool, count: int) -> dict[str, float]:
    """Rebuild and archive a long log."""
    begun = time.perf_counter()
    made = await fill(owner, count)
    say(f"{made:,} events written in {time.perf_counter() - begun:.0f} s")
    await owner.execute("VACUUM ANALYZE events")
    hot = await size(owner, r"^events_(\d|default)")
    cpu = time.process_time()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = await rebuild(owner, into=None, do_swap=True, force=False)
    cpu = time.process_time() - cpu
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    begun = time.perf_counter()
    older_than = datetime.now(UTC) - timedelta(days=7)
    while await owner.fetchval("SELECT archive_events($1, $2)", older_than, CHUNK_EVENTS):
        pass
    archive_s = time.perf_counter() - begun
    await owner.execute("VACUUM ANALYZE event_archive")
    cold = await size(owner, "^event_archive$")
    begun = time.perf_counter()
    again = await rebuild(owner, into=None, do_swap=False, force=False)
    del stack
    return {
        "events": made,
        "rebuild_events_per_s": answer["perSecond"],
        "rebuild_cpu_us_per_event": cpu / made * 1e6,
        "rebuild_memory_mb": grown / 1024,
        "swap_held_ms": answer["swapped"]["heldS"] * 1000,
        "bytes_per_event_before": hot / made,
        "bytes_per_event_after": cold / made,
        "archive_events_per_s": made / archive_s,
        "rebuild_from_archive_events_per_s": again["perSecond"],
        "equal": float(again["equal"]),
    }


async def delay(stack: Stack, pool: Pool) -> dict[str, float]:
    """Publish delay of the relay while facts are committed one by one at a fixed rate."""
    broker, client = await connect_broker(stack.nats_url("events"), service="events", replica="b")
    relay = asyncio.create_task(Relay(pool, client, service="events", screening=Screen(pool)).run())
    await asyncio.sleep(1)
    source = story(random.Random(2), datetime.now(UTC))
    pending: set[asyncio.Task[None]] = set()

    async def commit(each: Stored) -> None:
        action = each.event_type.partition(".")[2]
        subject = fact("events", each.aggregate_type, action, each.project_id)
        async with pool.acquire() as connection, connection.transaction():
            await announce(connection, [Fact(each.id, subject, as_json(each))])

    begun = time.perf_counter()
    for number in range(int(DELAY_SECONDS * DELAY_PER_SECOND)):
        await asyncio.sleep(begun + number / DELAY_PER_SECOND - time.perf_counter())
        task = asyncio.create_task(commit(next(source)))
        pending.add(task)
        task.add_done_callback(pending.discard)
    await asyncio.gather(*pending)
    await asyncio.sleep(2)
    relay.cancel()
    await asyncio.gather(relay, return_exceptions=True)
    rows = await pool.fetch(
        "SELECT extract(epoch FROM published_at - created_at)::float AS s FROM outbox"
    )
    delays_ms = [row["s"] * 1000 for row in rows if row["s"] is not None]
    await broker.stop()
    return {
        "facts_per_s": DELAY_PER_SECOND,
        "publish_delay_p50_ms": percentile(delays_ms, 50),
        "publish_delay_p95_ms": percentile(delays_ms, 95),
        "unpublished": float(len(rows) - len(delays_ms)),
    }


async def measure(count: int) -> dict[str, float]:
    """Measure everything on one fresh stack."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        async with Stack(Path(folder) / "data", replicas={}) as stack:
            url = stack.postgres_url("events", "events_owner")
            await migrate(url, "services.events", role="events")
            owner = await connect(url, application="b", size_max=6, statement_timeout_s=3600)
            pool = await connect(
                stack.postgres_url("events", "events"), application="b", size_max=16
            )
            await pool.fetchval("SELECT ensure_event_partitions($1)", PARTITION_MONTHS_AHEAD)
            try:
                return await delay(stack, pool) | await long_run(stack, owner, count)
            finally:
                await pool.close()
                await owner.close()


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python -m tests.bench.event_log")
    options.add_argument("--events", type=int, default=1_000_000)
    print(json.dumps(uvloop.run(measure(options.parse_args().events)), indent=2))
