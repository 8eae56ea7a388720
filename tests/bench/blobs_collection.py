"""What a collection costs, and what uploads beside it feel of it."""

import asyncio
import os
from uuid import UUID

import asyncpg

from libs.bus import Caller, connect_broker
from libs.contracts.actor import Actor
from libs.contracts.blobs.operations import COLLECT, Collect, Collection, Fate
from tests.bench.blobs_bench import QUIET, Bench, bench, told
from tests.bench.figures import percentile

ROWS = 1_000_000
GARBAGE_EVERY = 20
"""One of so many rows is referred to by nothing."""
UPLOAD_BYTES = 1_000_000
PAUSE_S = 0.05
BACKGROUND_ROWS = 200_000
BACKGROUND_GARBAGE = 1_000
"""New in each round."""
ROUNDS = 4
ALONE_UPLOADS = 60
"""Before each round, while none may begin."""
DUTY = "0.1"
"""As it is when nobody sets another."""
WORKING = QUIET | {
    "SCRIPTORIUM_COLLECTION": "true",
    "SCRIPTORIUM_COLLECTION_INTERVAL_S": "1",
    "SCRIPTORIUM_COLLECTION_DUTY": DUTY,
}
FILL = """
    INSERT INTO blobs (project_id, sha256, size, stored_size, codec, media_type, asset_type, key,
        created_by, touched_at)
    SELECT $1::uuid, lpad(to_hex(n), 64, '0'), 1000, 1000, 'identity', 'text/plain', 'attachment',
        $1::uuid::text || '/00/' || lpad(to_hex(n), 32, '0'), $1::uuid, now() - interval '200 days'
    FROM generate_series(1, $2::int) AS n
"""
REFER = """
    INSERT INTO refs (project_id, sha256, source, source_id)
    SELECT $1, lpad(to_hex(n), 64, '0'), 'path', gen_random_uuid()
    FROM generate_series(1, $2::int) AS n WHERE n % $3 <> 0
"""
GARBAGE = """
    INSERT INTO blobs (project_id, sha256, size, stored_size, codec, media_type, asset_type, key,
        created_by, touched_at)
    SELECT $1::uuid, md5($2 || n::text) || md5(n::text), 1000, 1000, 'identity', 'text/plain',
        'attachment', $1::uuid::text || '/00/' || md5($2 || n::text), $1::uuid,
        now() - interval '200 days'
    FROM generate_series(1, $3::int) AS n
"""
KEPT = """
    INSERT INTO accounts (project_id, bytes, stored_bytes, blobs)
    VALUES ($1, $2::bigint * 1000, $2::bigint * 1000, $2::bigint)
    ON CONFLICT (project_id) DO UPDATE SET bytes = accounts.bytes + excluded.bytes,
        stored_bytes = accounts.stored_bytes + excluded.stored_bytes,
        blobs = accounts.blobs + excluded.blobs
"""
GRACE_IS_OVER = """
    UPDATE blobs SET condemned_at = condemned_at - interval '2 days' WHERE state = 'condemned'
"""
HOLD = "SELECT pg_advisory_lock(hashtextextended('collect', 7405))"
LET = "SELECT pg_advisory_unlock(hashtextextended('collect', 7405))"


async def background() -> None:
    """Uploads alone and beside collections at the pace of the background, in turns.

    The chore's lock, which one replica has while it collects, is ours while none may.
    """
    async with bench(WORKING) as b:
        owner = await asyncpg.connect(b.stack.postgres_url("blobs", "postgres"))
        await owner.execute(HOLD)
        await fill(owner, b.project_id, BACKGROUND_ROWS, 0)
        alone, beside, seconds = list[float](), list[float](), 0.0
        await b.upload(os.urandom(UPLOAD_BYTES))
        for number in range(ROUNDS):
            await owner.execute(GARBAGE, b.project_id, str(number), BACKGROUND_GARBAGE)
            await owner.execute(KEPT, b.project_id, BACKGROUND_GARBAGE)
            await owner.execute(GRACE_IS_OVER)
            for _ in range(ALONE_UPLOADS):
                alone.append(await _paced(b))
            began = asyncio.get_running_loop().time()
            last = await owner.fetchval(
                "SELECT ended_at FROM task_positions WHERE name = 'collect'"
            )
            await owner.execute(LET)
            while await owner.fetchval(
                "SELECT ended_at IS NOT DISTINCT FROM $1 OR ended_at IS NULL"
                " FROM task_positions WHERE name = 'collect'",
                last,
            ) in {None, True}:
                beside.append(await _paced(b))
            seconds += asyncio.get_running_loop().time() - began
            await owner.execute(HOLD)
        gone = await owner.fetchval("SELECT count(*) FROM blobs WHERE state = 'collected'")
        await owner.close()
        assert gone == BACKGROUND_GARBAGE * (ROUNDS - 1), gone
        ratios = ", ".join(
            f"p{each} {percentile(beside, each) / percentile(alone, each):.2f} x"
            for each in (50, 95)
        )
        print(
            f"collections at duty {DUTY} over {BACKGROUND_ROWS:,} rows, {seconds / ROUNDS:.0f} s"
            f" each; uploads of 1 MB alone {told(alone)}, beside {told(beside)}: {ratios}"
        )


async def _paced(b: Bench) -> float:
    await asyncio.sleep(PAUSE_S)
    return await b.upload(os.urandom(UPLOAD_BYTES))


async def fill(
    owner: "asyncpg.Connection", project_id: UUID, rows: int, garbage_every: int
) -> None:
    """Make rows of old blobs that are nowhere, all but one of *garbage_every* referred to."""
    await owner.execute(FILL, project_id, rows, timeout=600)
    await owner.execute(REFER, project_id, rows, garbage_every or rows + 1, timeout=600)
    await owner.execute(KEPT, project_id, rows)
    await owner.execute("VACUUM ANALYZE", timeout=600)


async def collection() -> None:
    """A million rows, one of twenty to collect, while somebody uploads."""
    async with bench() as b:
        owner = await asyncpg.connect(b.stack.postgres_url("blobs", "postgres"))
        await fill(owner, b.project_id, ROWS, GARBAGE_EVERY)
        alone = [await b.upload(os.urandom(UPLOAD_BYTES)) for _ in range(40)]
        before = b.memory("blobs-1")
        print(f"collection over {ROWS:,} rows; uploads of 1 MB alone: {told(alone)}")
        dry = await _beside(b, "a dry run", dry_run=True)
        await _beside(b, "condemning")
        await owner.execute(GRACE_IS_OVER, timeout=600)
        done = await _beside(b, "collecting")
        assert dry.tallies[Fate.CONDEMN].blobs == done.tallies[Fate.COLLECT].blobs
        after, peak = b.memory("blobs-1"), b.peak_mb("blobs-1")
        print(f"  blobs-1: {before:.0f} MB before, {after:.0f} MB after, peak {peak:.0f} MB")
        await owner.close()


async def _beside(b: Bench, what: str, *, dry_run: bool = False) -> Collection:
    """Collect while somebody uploads."""
    broker, client = await connect_broker(
        b.stack.nats_url("gateway"), service="gateway", replica="bench"
    )
    cpu_s, took = b.cpu_s(), list[float]()
    question = Collect(dry_run=dry_run, items=0)
    collecting = asyncio.create_task(
        Caller(client).ask(COLLECT, question, Actor(user_id=b.project_id), deadline_s=900)
    )
    while not collecting.done():
        took.append(await b.upload(os.urandom(UPLOAD_BYTES)))
        await asyncio.sleep(PAUSE_S)
    done = await collecting
    await broker.stop()
    fates = ", ".join(f"{fate} {tally.blobs:,}" for fate, tally in done.tallies.items())
    used_s = b.cpu_s() - cpu_s
    print(f"  {what}: {done.seconds:.1f} s, {used_s:.1f} s of CPU ({fates}); uploads {told(took)}")
    return done
