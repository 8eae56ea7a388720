"""Old events are compressed, and stay as readable as new ones; nothing else about them changes."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from libs.contracts.events import integrity as c
from libs.postgres import Pool
from services.events.model.chain import content_bytes, digest
from services.events.rebuild.__main__ import rebuild
from services.events.store.log import SQL, log_rows
from services.events.timescale import adopt, is_adopted
from services.events.upkeep import CHUNK_EVENTS, LogPolicy, LogUpkeep
from tests.events.integrity.damage import Operator
from tests.events.support import World
from tools.stack import Stack

REFUSALS = (asyncpg.InsufficientPrivilegeError, asyncpg.ObjectNotInPrerequisiteStateError)
LOG = "SELECT * FROM event_log WHERE project_id = $1 ORDER BY aggregate_id, version"


async def written(world: World, scenes: int) -> None:
    chapter = await world.chapter()
    for number in range(scenes):
        await world.scene(chapter, title=f"Scene {number}")


async def archive(pool: Pool, older_than: datetime | None = None) -> int:
    moment = older_than or datetime.now(UTC) - timedelta(hours=1)
    moved = 0
    while events := await pool.fetchval("SELECT archive_events($1, $2)", moment, CHUNK_EVENTS):
        moved += events
    return moved


async def age(owner: Pool, world: World, days: int) -> None:
    """Let the events of a project be of another time; their checksums are made anew."""
    rows = await owner.fetch(LOG, world.project_id)
    link: dict[object, str] = {}
    for old in log_rows(rows):
        new = old._replace(timestamp=old.timestamp - timedelta(days=days))
        checksum = digest(link.get(old.aggregate_id, ""), content_bytes(new))
        link[old.aggregate_id] = checksum
        await owner.execute(
            'UPDATE events SET "timestamp" = $2, checksum = $3 WHERE id = $1',
            old.id,
            new.timestamp,
            checksum,
        )
    for aggregate_id, checksum in link.items():
        await owner.execute(
            "UPDATE aggregates SET checksum = $2 WHERE aggregate_id = $1", aggregate_id, checksum
        )
    for table in ("projects", "members", "books", "chapters", "scenes"):
        key = "id" if table == "projects" else "project_id"
        moments = ["created_at", "updated_at"] + ["deleted_at"] * (table != "members")
        aged = ", ".join(f"{each} = {each} - make_interval(days => $2)" for each in moments)
        await owner.execute(
            f"UPDATE {table} SET {aged} WHERE {key} = $1",
            world.project_id,
            days,
        )
    await owner.execute(
        "UPDATE bundles SET created_at = created_at - make_interval(days => $2) "
        "WHERE project_id = $1",
        world.project_id,
        days,
    )


async def test_archived_events_read_as_before(
    world: World, owner: Pool, pool: Pool, operator: Operator
) -> None:
    """By everybody: the log, one aggregate, the verifier, a search, an export, a rebuild."""
    await written(world, 30)
    await age(owner, world, 10)
    before = await owner.fetch(LOG, world.project_id)
    exported = await operator.export(world.project_id)

    moved = await archive(pool, datetime.now(UTC) - timedelta(days=7))

    assert moved == len(before) == 34
    assert (
        await owner.fetchval("SELECT count(*) FROM events WHERE project_id = $1", world.project_id)
        == 0
    )
    assert await owner.fetch(LOG, world.project_id) == before
    one = before[-1]["aggregate_id"]
    assert len(await pool.fetch(SQL.events_of_chains, [one])) == before[-1]["version"]
    assert await operator.verify(world.project_id) == []
    assert await operator.export(world.project_id) == exported
    assert (await operator.inspect(before[-1]["id"])).aggregate_id == one
    found = await operator.search(project_id=world.project_id, text="scene 7")
    assert [each.event_type for each in found] == ["scene.created"]
    answer = await rebuild(owner, into=None, do_swap=False, force=False)
    assert answer["equal"], answer["shown"]


async def test_archived_things_go_on(
    world: World, owner: Pool, pool: Pool, operator: Operator
) -> None:
    """A chain may begin in the archive and end in the log; later it is archived too."""
    await written(world, 3)
    await age(owner, world, 10)
    await archive(pool, datetime.now(UTC) - timedelta(days=7))
    scene = (await owner.fetch("SELECT id FROM scenes WHERE project_id = $1", world.project_id))[0]

    changed = await world.change("scene", scene["id"], title="Later")

    assert changed["version"] == 2
    assert await operator.verify(world.project_id) == []
    assert len((await operator.inspect(scene["id"])).chapters) == 2


async def test_small_chunks_are_joined(world: World, owner: Pool, pool: Pool) -> None:
    """A project that writes little every day does not end up with a chunk for each."""
    for _ in range(4):
        await written(world, 2)
    await age(owner, world, 20)
    rows = await owner.fetch(LOG, world.project_id)
    times = sorted(row["timestamp"] for row in rows)

    for cut in (times[5], times[9], times[-1] + timedelta(seconds=1)):
        await archive(pool, cut)

    chunks = await owner.fetch(
        "SELECT events FROM event_archive WHERE project_id = $1", world.project_id
    )
    assert [row["events"] for row in chunks] == [len(rows)]
    assert await owner.fetch(LOG, world.project_id) == rows


async def test_archive_is_out_of_reach_of_the_service(
    world: World, owner: Pool, pool: Pool
) -> None:
    """It may have events moved there, old ones, and nothing else."""
    await written(world, 1)
    await age(owner, world, 10)
    await archive(pool, datetime.now(UTC) - timedelta(days=7))
    for statement in (
        "UPDATE event_archive SET events = 1",
        "DELETE FROM event_archive",
        "TRUNCATE event_archive",
        "INSERT INTO event_archive (project_id) SELECT project_id FROM event_archive",
        "DELETE FROM event_log",
        "UPDATE event_log SET data = '{}'",
    ):
        with pytest.raises(REFUSALS):
            await pool.execute(statement)
    with pytest.raises(asyncpg.RaiseError):
        await pool.execute("SELECT archive_events(now(), 1000)")
    own = "SELECT proname FROM pg_proc WHERE prosecdef AND has_function_privilege(oid, 'EXECUTE')"
    assert {row["proname"] for row in await pool.fetch(own)} == {
        "archive_events",
        "bury_row",
        "drop_archived_partitions",
        "ensure_event_partitions",
        "erase_purged",
        "forget_events",
        "forget_project",
    }


async def test_killed_archivist_loses_nothing(
    stack: Stack, world: World, owner: Pool, pool: Pool
) -> None:
    """PostgreSQL dies in the middle: events are in the log or in the archive, never in neither."""
    await written(world, 40)
    await age(owner, world, 10)
    before = await owner.fetch(LOG, world.project_id)

    async def work() -> None:
        moment = datetime.now(UTC) - timedelta(days=7)
        while await pool.fetchval("SELECT archive_events($1, $2)", moment, 5):
            pass

    working = asyncio.create_task(work())
    await asyncio.sleep(0.03)
    stack.kill("postgres")
    await asyncio.gather(working, return_exceptions=True)
    await stack.wait_ready("postgres")

    assert await owner.fetch(LOG, world.project_id) == before
    await archive(pool, datetime.now(UTC) - timedelta(days=7))
    assert await owner.fetch(LOG, world.project_id) == before


async def test_whole_months_give_their_space_back(world: World, owner: Pool, pool: Pool) -> None:
    """The partition goes when all in it is archived, and not before."""
    month = (datetime.now(UTC).replace(day=1) - timedelta(days=40)).replace(day=1)
    first = month.replace(hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    name = f"events_{first:%Y_%m}"
    await owner.execute(
        f"CREATE TABLE {name} PARTITION OF events FOR VALUES FROM ('{first}') TO ('{following}')"
    )
    await written(world, 2)
    await age(owner, world, (datetime.now(UTC) - first).days - 3)
    assert await owner.fetchval(f"SELECT count(*) FROM {name}") == 6
    now = datetime.now(UTC)

    assert await pool.fetchval("SELECT drop_archived_partitions($1)", now) == 0
    await LogUpkeep(pool, LogPolicy(archive_after_days=7)).once()

    assert await owner.fetchval("SELECT to_regclass($1)", name) is None
    assert len(await owner.fetch(LOG, world.project_id)) == 6


async def test_policy_of_never_archives_nothing(world: World, owner: Pool, pool: Pool) -> None:
    await written(world, 1)
    await age(owner, world, 400)

    await LogUpkeep(pool, LogPolicy(archive_after_days=None)).once()

    assert (
        await owner.fetchval("SELECT count(*) FROM events WHERE project_id = $1", world.project_id)
        == 5
    )


async def test_events_are_counted_by_the_hour_once(
    world: World, owner: Pool, pool: Pool, operator: Operator
) -> None:
    """Late or early, by any number of replicas at once."""
    await written(world, 5)
    await owner.execute(
        "UPDATE outbox SET position = (SELECT coalesce(max(position), 0) FROM outbox) + seq "
        "WHERE position IS NULL"
    )

    await asyncio.gather(*(LogUpkeep(pool).count() for _ in range(4)))
    await LogUpkeep(pool).count()

    now = datetime.now(UTC)
    question = c.Activity(since=now - timedelta(hours=2), until=now + timedelta(hours=1))
    hours = await operator.caller.ask(c.ACTIVITY, question, world.actor)
    counted: dict[str, int] = {}
    for each in hours.items:
        counted[each.event_type] = counted.get(each.event_type, 0) + each.count
    assert counted == {
        "project.created": 1,
        "member.added": 1,
        "book.created": 1,
        "chapter.created": 1,
        "scene.created": 5,
    }
    assert all(each.hour.minute == 0 for each in hours.items)


async def test_no_hypertable_without_the_extension(stack: Stack, pool: Pool) -> None:
    """It is an administrator's choice, found out at each start; see tests/events/test_timescale."""
    url = stack.postgres_url("events", "events_owner")

    assert not await adopt(url, role="events", compress_after_days=7)
    assert not await is_adopted(pool)
