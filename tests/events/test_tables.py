"""What the database itself refuses, and what upkeep does to it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest

from libs.postgres import Connection, Pool, load_queries
from services.events.upkeep import COMMANDS_KEPT_DAYS, OUTBOX_KEPT_DAYS, LogUpkeep
from tests.events.support import World


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET user_id = user_id",
        "DELETE FROM events",
        "TRUNCATE events",
        "UPDATE events_default SET user_id = user_id",
        "DELETE FROM {partition}",
        "INSERT INTO {partition} SELECT * FROM events",
        "ALTER TABLE events ADD COLUMN more text",
        "CREATE TABLE mine (id integer)",
        "DELETE FROM aggregates",
        "DELETE FROM projects",
        "TRUNCATE scenes",
        "UPDATE commands SET digest = digest",
        "UPDATE schema_migrations SET checksum = ''",
    ],
)
async def test_run_time_role_may_only_append(world: World, pool: Pool, statement: str) -> None:
    """Not even a bug or an intruder in the service can rewrite history."""
    await world.scene()
    partition = f"events_{datetime.now(UTC):%Y_%m}"

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(statement.format(partition=partition))


@asynccontextmanager
async def undone(owner: Pool) -> AsyncGenerator[Connection]:
    async with owner.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            yield connection
        finally:
            await transaction.rollback()


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("UPDATE scenes SET chapter_id = $2 WHERE id = $1", asyncpg.ForeignKeyViolationError),
        ("UPDATE scenes SET word_count = -1 WHERE id = $1", asyncpg.CheckViolationError),
        ("UPDATE scenes SET title = '' WHERE id = $1", asyncpg.CheckViolationError),
        ("UPDATE scenes SET rank = '!' WHERE id = $1", asyncpg.CheckViolationError),
        ("UPDATE scenes SET deleted_at = now() WHERE id = $1", asyncpg.CheckViolationError),
        ("UPDATE scenes SET version = 0 WHERE id = $1", asyncpg.CheckViolationError),
        ("UPDATE scenes SET status = 'LOST' WHERE id = $1", asyncpg.InvalidTextRepresentationError),
        ("UPDATE scenes SET project_id = uuidv7() WHERE id = $1", asyncpg.ForeignKeyViolationError),
    ],
)
async def test_wrong_rows_are_impossible(
    world: World, owner: Pool, statement: str, refusal: type[Exception]
) -> None:
    scene = await world.scene()
    arguments = [scene["id"], scene["bookId"]][: statement.count("$")]

    async with undone(owner) as connection:
        with pytest.raises(refusal):
            await connection.execute(statement, *arguments)


async def test_event_beyond_the_partitions_is_kept_and_moved_later(
    world: World, owner: Pool
) -> None:
    """A clock far ahead, or upkeep that did not run, never loses an event."""
    await world.book()
    async with undone(owner) as connection:
        await connection.execute(
            "INSERT INTO events SELECT (jsonb_populate_record(e, jsonb_build_object("
            "'timestamp', date_trunc('month', now()) + interval '5 months'))).* "
            "FROM events e WHERE project_id = $1",
            world.project_id,
        )
        strays = await connection.fetchval("SELECT count(*) FROM events_default")

        made = await connection.fetchval("SELECT ensure_event_partitions(6)")

        assert (strays, made) == (3, 3)
        assert await connection.fetchval("SELECT count(*) FROM events_default") == 0
        assert await connection.fetchval("SELECT ensure_event_partitions(6)") == 0
        kept = await connection.fetchval(
            "SELECT count(*) FROM events WHERE project_id = $1", world.project_id
        )
        assert kept == 6


async def test_old_outbox_rows_go_and_the_newest_stays(
    world: World, pool: Pool, owner: Pool
) -> None:
    """Positions continue from the greatest one, so that one row is never deleted."""
    for _ in range(3):
        await world.book()
    await owner.execute(load_queries("libs.bus").place, 100_000)
    await owner.execute(
        "UPDATE outbox SET published_at = now() - make_interval(days => $1)", OUTBOX_KEPT_DAYS + 1
    )
    newest = await owner.fetchval("SELECT max(position) FROM outbox")
    await owner.execute(
        "UPDATE commands SET created_at = now() - make_interval(days => $1)",
        COMMANDS_KEPT_DAYS + 1,
    )

    await LogUpkeep(pool).once()

    assert [row["position"] for row in await owner.fetch("SELECT position FROM outbox")] == [newest]
    assert await owner.fetchval("SELECT count(*) FROM commands") == 0


async def test_unpublished_rows_stay_however_old(world: World, pool: Pool, owner: Pool) -> None:
    book = await world.book()
    await owner.execute("UPDATE outbox SET created_at = now() - interval '99 days'")

    await LogUpkeep(pool).once()

    row = "SELECT count(*) FROM outbox WHERE payload->>'aggregateId' = $1"
    assert await owner.fetchval(row, book["id"]) == 1


async def test_partitions_are_made_ahead_once(pool: Pool) -> None:
    await LogUpkeep(pool).once()

    names = {
        row["relname"]
        for row in await pool.fetch(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = 'events'::regclass"
        )
    }
    assert len(names) == 5
    assert f"events_{datetime.now(UTC):%Y_%m}" in names
