"""`python -m tests.bench.event_log`: the event log in the long run, on PostgreSQL with fsync on.

Rebuild in events a second and its memory, the delay of the relay and what it can do at most, bytes
per event before and after the archive, and whether reads are still fast over a long archived log.
Nothing is compared with peers here: they have no such log. Exits with 1 when a bar is missed.
"""

import argparse
import asyncio
import random
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop
from nats.aio.client import Client

from libs.bus import Fact, Relay, announce, connect_broker
from libs.contracts.events.bundles import ListBundles
from libs.contracts.events.tree import TREE_SCENES_MAX
from libs.contracts.subjects import fact
from libs.postgres import Pool, connect, migrate, snapshot_transaction
from libs.process import settled
from services.events.bundles import store as bundle_store
from services.events.integrity.publish_filter import ChainPublishFilter
from services.events.integrity.quarantine import log_row_to_json
from services.events.model.aggregates import SCENE
from services.events.model.chain import LogRow
from services.events.rebuild.__main__ import rebuild
from services.events.store import Reader, Store
from services.events.store.log import read_chains, read_heads
from services.events.upkeep import CHUNK_EVENTS, PARTITION_MONTHS_AHEAD
from tests.bench.figures import Figure, percentile, stated
from tests.bench.past import SCENES_PER_PROJECT, fill, story
from tools.stack import Stack

DELAY_SECONDS = 10.0
DELAY_PER_SECOND = 200
BACKLOG = 10_000
READS = 30
DELAY_MS_BAR = 50
TREE_MS_BAR = 30
REBUILD_PER_S_BAR = 20_000
RELAY_PER_S_BAR = 5_000


async def size(owner: Pool, tables: str) -> int:
    return await owner.fetchval(
        "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class "
        f"WHERE relkind = 'r' AND relname ~ '{tables}'"
    )


async def long_run(owner: Pool, pool: Pool, count: int) -> AsyncIterator[Figure]:
    """Rebuild, archive, verify and read a long log; minutes pass between the figures."""
    begun = time.perf_counter()
    made = await fill(owner, count)
    say(f"{made:,} events written in {time.perf_counter() - begun:.0f} s")
    await owner.execute("VACUUM ANALYZE events")
    yield Figure("events in the log", made, "")
    hot = await size(owner, r"^events_(\d|default)")
    yield Figure("bytes per event, new", hot / made, "bytes")
    cpu = time.process_time()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = await rebuild(owner, into=None, do_swap=True, force=False)
    cpu = time.process_time() - cpu
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    if not answer["swapped"]:
        raise RuntimeError("the rebuilt tables are not equal")
    yield Figure("rebuild", answer["perSecond"], "events/s", at_least=REBUILD_PER_S_BAR)
    yield Figure("rebuild, processor", cpu / made * 1e6, "us/event")
    yield Figure("rebuild, memory grown", grown / 1024, "MB")
    swapped = answer["swapped"]
    yield Figure("swap, rows put in place", swapped["rows"], "")
    yield Figure("swap, times that writers were held", swapped["holds"], "")
    yield Figure("swap, longest that writers were held", swapped["longestHoldS"] * 1000, "ms")
    begun = time.perf_counter()
    older_than = datetime.now(UTC) - timedelta(days=7)
    while await owner.fetchval("SELECT archive_events($1, $2)", older_than, CHUNK_EVENTS):
        pass
    yield Figure("archive", made / (time.perf_counter() - begun), "events/s")
    await owner.execute("VACUUM ANALYZE event_archive")
    cold = await size(owner, "^event_archive$")
    yield Figure("bytes per event, archived", cold / made, "bytes")
    again = await rebuild(owner, into=None, do_swap=False, force=False)
    if not again["equal"]:
        raise RuntimeError("the tables rebuilt from the archive are not equal")
    yield Figure("rebuild from the archive", again["perSecond"], "events/s")
    yield Figure("verification of the archive", await verified(pool, made), "events/s")
    for figure in await reads(pool):
        yield figure


async def verified(pool: Pool, made: int) -> float:
    """Walk over all chains, as the verifier does; returns events a second."""
    begun = time.perf_counter()
    async with snapshot_transaction(pool) as connection:
        page = await read_heads(connection, None)
        while page:
            async for piece in read_chains(connection, page):
                if piece.findings:
                    raise RuntimeError(f"the log is corrupt: {piece.findings}")
            page = await read_heads(connection, page[-1])
    return made / (time.perf_counter() - begun)


async def reads(pool: Pool) -> list[Figure]:
    """What people ask for all the time, in a project whose whole past is archived."""
    store, project_id = Store(pool), await pool.fetchval("SELECT id FROM projects LIMIT 1")
    row = await pool.fetchrow("SELECT * FROM scenes WHERE project_id = $1 LIMIT 1", project_id)
    assert row is not None

    async def tree(reader: Reader) -> object:
        return await reader.tree(TREE_SCENES_MAX)

    async def page(reader: Reader) -> object:
        return await reader.page(
            SCENE, row["chapter_id"], after=None, limit=50, include_deleted=False
        )

    async def bundles(reader: Reader) -> object:
        return await bundle_store.list_bundles(reader, project_id, ListBundles(), None)

    async def history(reader: Reader) -> object:
        return await reader.field_history(SCENE, row["id"], ["title"], since=0)

    asked = {
        f"tree of {SCENES_PER_PROJECT:,} scenes": tree,
        "page of 50 scenes": page,
        "page of bundles": bundles,
        "history of a field": history,
    }
    figures: list[Figure] = []
    for name, work in asked.items():
        took_ms: list[float] = []
        for _ in range(READS):
            begun = time.perf_counter()
            await store.run_read(work, project_id=project_id)
            took_ms.append((time.perf_counter() - begun) * 1000)
        bar = TREE_MS_BAR if work is tree else None
        figures.append(
            Figure(f"{name} over an archived log, p95", percentile(took_ms, 95), "ms", below=bar)
        )
    return figures


async def delay(stack: Stack, pool: Pool) -> list[Figure]:
    """Publish delay of the relay while facts are committed one by one at a fixed rate."""
    broker, client = await connect_broker(stack.nats_url("events"), service="events", replica="b")
    relay = asyncio.create_task(
        Relay(pool, client, service="events", screening=ChainPublishFilter(pool)).run()
    )
    await asyncio.sleep(1)
    source = story(random.Random(2), datetime.now(UTC))
    pending: set[asyncio.Task[None]] = set()

    async def commit(each: LogRow) -> None:
        action = each.event_type.partition(".")[2]
        subject = fact("events", each.aggregate_type, action, each.project_id)
        async with pool.acquire() as connection, connection.transaction():
            await announce(connection, [Fact(each.id, subject, log_row_to_json(each))])

    begun = time.perf_counter()
    for number in range(int(DELAY_SECONDS * DELAY_PER_SECOND)):
        await asyncio.sleep(begun + number / DELAY_PER_SECOND - time.perf_counter())
        task = asyncio.create_task(commit(next(source)))
        pending.add(task)
        task.add_done_callback(pending.discard)
    await asyncio.gather(*pending)
    await asyncio.sleep(2)
    rows = await pool.fetch(
        "SELECT extract(epoch FROM published_at - created_at)::float AS s FROM outbox"
    )
    delays_ms = [row["s"] * 1000 for row in rows if row["s"] is not None]
    if len(delays_ms) < len(rows):
        raise RuntimeError("facts were not published")
    relay.cancel()
    await asyncio.gather(relay, return_exceptions=True)
    most = await backlog(pool, client)
    await broker.stop()
    at = f"at {DELAY_PER_SECOND}/s"
    return [
        Figure(f"publish delay {at}, p50", percentile(delays_ms, 50), "ms"),
        Figure(f"publish delay {at}, p95", percentile(delays_ms, 95), "ms", below=DELAY_MS_BAR),
        Figure("relay, from a backlog", most, "facts/s", at_least=RELAY_PER_S_BAR),
    ]


async def backlog(pool: Pool, client: Client) -> float:
    """Let a relay begin before a full outbox; returns how many facts a second it announces."""
    source = story(random.Random(3), datetime.now(UTC))
    for _ in range(BACKLOG // 500):
        facts = [
            Fact(
                each.id, fact("events", "scene", "changed", each.project_id), log_row_to_json(each)
            )
            for each, _ in zip(source, range(500), strict=False)
        ]
        async with pool.acquire() as connection, connection.transaction():
            await announce(connection, facts)
    begun, cpu = time.perf_counter(), time.process_time()
    relay = asyncio.create_task(Relay(pool, client, service="events").run())
    while await pool.fetchval(  # noqa: ASYNC110 (the relay sends no signal)
        "SELECT EXISTS (SELECT FROM outbox WHERE published_at IS NULL)"
    ):
        await asyncio.sleep(0.02)
    took_s = time.perf_counter() - begun
    say(f"the relay used {(time.process_time() - cpu) / BACKLOG * 1e6:.0f} us of processor a fact")
    relay.cancel()
    await asyncio.gather(relay, return_exceptions=True)
    return BACKLOG / took_s


async def measure(count: int) -> bool:
    """Measure everything on one fresh stack, and print; whether a bar was missed."""
    missed = False
    settled()

    def tell(figure: Figure) -> None:
        nonlocal missed
        missed |= figure.missed
        print(figure.line(), flush=True)

    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        async with Stack(Path(folder) / "data", replicas={}) as stack:
            url = stack.postgres_url("events", "events_owner")
            await migrate(url, "services.events", role="events")
            owner = await connect(url, application="b", size_max=6, statement_timeout_s=3600)
            pool = await connect(
                stack.postgres_url("events", "events"), application="b", size_max=16
            )
            await pool.fetchval("SELECT ensure_event_partitions($1)", PARTITION_MONTHS_AHEAD)
            say(await stated(pool))
            try:
                for figure in await delay(stack, pool):
                    tell(figure)
                async for figure in long_run(owner, pool, count):
                    tell(figure)
            finally:
                await pool.close()
                await owner.close()
    return missed


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def main() -> int:
    """Measure and print; 1 when a bar was missed."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.event_log")
    options.add_argument("--events", type=int, default=1_000_000)
    return int(uvloop.run(measure(options.parse_args().events)))


if __name__ == "__main__":
    sys.exit(main())
