"""The log as a TimescaleDB hypertable: the same events, rights, counts, purges and proofs.

The extension comes with no package that the tests install: it is looked for beside the embedded
PostgreSQL, and where it is not these claims are skipped.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from libs.bus import Caller, Relay, connect_broker
from libs.contracts.events import audit
from libs.postgres import Pool, connect, migrate
from services.events.api import serve_audit, serve_lifecycle, serve_resources
from services.events.integrity.publish_filter import ChainPublishFilter
from services.events.rebuild.__main__ import rebuild
from services.events.retention import forget
from services.events.store import Store
from services.events.timescale import adopt, is_adopted
from services.events.upkeep import PARTITION_MONTHS_AHEAD, LogUpkeep
from tests.events.impatience import impatience
from tests.events.integrity.test_archive import age, archive
from tests.events.lifecycle.support import Ending, finish, flaws, furnished, require_equal
from tests.events.relaying import announced
from tests.events.support import World
from tools.stack import Stack
from tools.stack.postgres import find_binaries

LOG = "SELECT * FROM event_log ORDER BY id"
HOURS = "SELECT project_id, event_type, hour, count FROM event_hours"
REFRESH = "CALL refresh_continuous_aggregate('event_hours_live', NULL, date_trunc('hour', now()))"
"""As the policy does it: an hour that is not over is counted when it is asked for."""
TRUE_HOURS = (
    "SELECT project_id, event_type, date_trunc('hour', \"timestamp\", 'UTC') AS hour, 1 AS count "
    "FROM event_log"
)

pytestmark = pytest.mark.skipif(
    not (find_binaries().parent / "share/extension/timescaledb.control").exists(),
    reason="this PostgreSQL has no TimescaleDB to install",
)


@dataclass(frozen=True)
class Hyper:
    """A log that was written in and archived before it became a hypertable."""

    stack: Stack
    pool: Pool
    owner: Pool
    caller: Caller
    old: World
    before: list[asyncpg.Record]


async def by_hour(owner: Pool, source: str) -> list[asyncpg.Record]:
    return await owner.fetch(
        f"SELECT project_id, event_type, hour, sum(count)::bigint FROM ({source}) c "
        "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )


@pytest.fixture(scope="module")
async def hyper(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hyper]:
    folder = tmp_path_factory.mktemp("hyper") / "data"
    async with Stack(folder, replicas={}) as stack, AsyncExitStack() as open_:
        admin = await asyncpg.connect(stack.postgres_url("events", "postgres"))
        await admin.execute("ALTER SYSTEM SET shared_preload_libraries = 'timescaledb'")
        await admin.close()
        await stack.restart("postgres")
        url = stack.postgres_url("events", "events_owner")
        await migrate(url, "services.events", role="events")
        owner = await connect(url, application="tests-owner", size_max=6)
        pool = await connect(
            stack.postgres_url("events", "events"), application="tests", size_max=16
        )
        open_.push_async_callback(owner.close)
        open_.push_async_callback(pool.close)
        await pool.fetchval("SELECT ensure_event_partitions($1)", PARTITION_MONTHS_AHEAD)
        broker, heard = await connect_broker(
            stack.nats_url("events"), service="events", replica="t"
        )
        serve_resources(broker, Store(pool), pool)
        serve_lifecycle(broker, Store(pool), pool)
        serve_audit(broker, Store(pool))
        await broker.start()
        open_.push_async_callback(broker.stop)
        relay = Relay(pool, heard, service="events", screening=ChainPublishFilter(pool))
        open_.callback(asyncio.create_task(relay.run()).cancel)
        asking, client = await connect_broker(
            stack.nats_url("gateway"), service="gateway", replica="t"
        )
        open_.push_async_callback(asking.stop)
        caller = Caller(client)
        old = await World.begin(caller)
        await old.scene(title="Old")
        await age(owner, old, 30)
        assert await archive(pool, datetime.now(UTC) - timedelta(days=7))
        await old.scene(title="New")
        before = await owner.fetch(LOG)
        admin = await asyncpg.connect(stack.postgres_url("events", "postgres"))
        await admin.execute("CREATE EXTENSION timescaledb")
        await admin.close()
        assert await adopt(url, role="events", compress_after_days=7)
        yield Hyper(stack, pool, owner, caller, old, before)


async def test_nothing_is_lost_by_it(hyper: Hyper) -> None:
    """Adopted once, whatever was archived before, and still closed to the service's role."""
    url = hyper.stack.postgres_url("events", "events_owner")

    assert await adopt(url, role="events", compress_after_days=7)
    assert await is_adopted(hyper.pool)
    assert await hyper.owner.fetch(LOG) == hyper.before
    await LogUpkeep(hyper.pool).once()
    for forbidden in ("DELETE FROM events", "UPDATE events SET version = 1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await hyper.pool.execute(forbidden)


async def test_written_compressed_and_proved(hyper: Hyper) -> None:
    """Commands append to it, chunks are compressed, and a rebuild finds the tables equal."""
    world = hyper.old
    scene = await world.scene(title="After")
    await world.change("scene", scene["id"], title="Changed")
    async with hyper.owner.acquire() as connection:
        for chunk in await connection.fetch("SELECT show_chunks('events') AS name"):
            await connection.execute("SELECT compress_chunk($1::regclass)", str(chunk["name"]))
    await world.change("scene", scene["id"], title="On a compressed chunk")

    assert (await world.read("scene", scene["id"]))["version"] == 3
    assert await hyper.owner.fetchval(
        "SELECT bool_or(is_compressed) FROM timescaledb_information.chunks "
        "WHERE hypertable_name = 'events'"
    )
    assert await flaws(hyper.owner, world.project_id) == []
    await require_equal(hyper.owner)
    await hyper.owner.execute("UPDATE scenes SET title = 'Wrong' WHERE id = $1", scene["id"])
    done = await rebuild(hyper.owner, into=None, do_swap=True, force=False)
    assert done["swapped"]["rows"] == 1


async def test_hours_count_what_is_archived_and_what_is_not(hyper: Hyper) -> None:
    """Nothing twice, nothing left out, and the newest before the next refresh."""
    await hyper.old.book("Counted")
    await hyper.owner.execute(REFRESH)
    await hyper.old.book("Not materialised yet")

    assert await by_hour(hyper.owner, HOURS) == await by_hour(hyper.owner, TRUE_HOURS)
    now = datetime.now(UTC)
    question = audit.ReadActivity(since=now - timedelta(days=31), until=now + timedelta(hours=1))
    told = await hyper.caller.ask(audit.READ_ACTIVITY, question, hyper.old.actor)
    assert sum(each.count for each in told.items) == len(await hyper.owner.fetch(LOG))


async def test_what_is_forgotten_leaves_its_rows(hyper: Hyper) -> None:
    """Taken from compressed chunks as from the archive; what goes on follows from what is kept."""
    world = await World.begin(hyper.caller)
    scene = await world.scene(title="A")
    async with hyper.owner.acquire() as connection:
        for chunk in await connection.fetch("SELECT show_chunks('events') AS name"):
            await connection.execute(
                "SELECT compress_chunk($1::regclass, if_not_compressed => true)",
                str(chunk["name"]),
            )
    await announced(hyper.pool)

    async with impatience(hyper.owner):
        assert await forget(hyper.pool, datetime.now(UTC))

    assert await hyper.owner.fetchval("SELECT count(*) FROM event_log") == 0
    assert (await world.change("scene", scene["id"], title="B"))["version"] == 2
    await require_equal(hyper.owner)


async def test_a_purged_project_leaves_its_tombstones(hyper: Hyper) -> None:
    """From compressed chunks, from the archive, and from the counts."""
    world = hyper.old
    await furnished(world)
    async with hyper.owner.acquire() as connection:
        for chunk in await connection.fetch("SELECT show_chunks('events') AS name"):
            await connection.execute(
                "SELECT compress_chunk($1::regclass, if_not_compressed => true)",
                str(chunk["name"]),
            )
    await world.remove("project", world.project_id)
    started = await Ending(world).purge("project", world.project_id)
    await finish(hyper.pool, started.id)

    assert await flaws(hyper.owner, world.project_id) == []
    left = await hyper.owner.fetch(
        "SELECT DISTINCT event_type FROM event_log WHERE project_id = $1", world.project_id
    )
    assert all(row["event_type"].endswith(".purged") for row in left)
    await hyper.owner.execute(REFRESH)
    assert await by_hour(hyper.owner, HOURS) == await by_hour(hyper.owner, TRUE_HOURS)
