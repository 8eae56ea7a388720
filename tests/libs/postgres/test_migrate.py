"""Migrations: forward only, once, by one of many; queries by name."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from libs.postgres import load_queries, migrate
from libs.postgres.migrations import MigrationError, migrations_of
from tools.stack import Stack
from tools.stack.services import ROOT


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """PostgreSQL and NATS."""
    async with Stack(tmp_path_factory.mktemp("postgres") / "data", replicas={}) as running:
        yield running


@pytest.fixture
def package(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A package with migrations, importable by its folder's name."""
    root = tmp_path / f"room_{abs(hash(request.node.name))}"
    (root / "migrations").mkdir(parents=True)
    (root / "__init__.py").touch()
    sys.path.insert(0, str(tmp_path))
    yield root
    sys.path.remove(str(tmp_path))


def put(package: Path, name: str, sql: str) -> None:
    """Add a migration."""
    (package / "migrations" / name).write_text(sql)


@pytest.fixture
async def owner(stack: Stack) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A connection as the owner of an empty database."""
    connection = await asyncpg.connect(stack.postgres_url("collab", "collab_owner"))
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.execute("GRANT USAGE ON SCHEMA public TO collab")
    yield connection
    await connection.close()


async def test_many_replicas_may_start_at_once(
    stack: Stack, package: Path, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """The advisory lock lets one migrate; the others find nothing to do."""
    put(package, "0001_one.sql", "CREATE TABLE one (n integer); GRANT SELECT ON one TO {role};")
    put(package, "0002_two.sql", "INSERT INTO one VALUES (1)")
    url = stack.postgres_url("collab", "collab_owner")

    applied = await asyncio.gather(*(migrate(url, package.name, role="collab") for _ in range(6)))

    assert sorted(applied) == [0, 0, 0, 0, 0, 2]
    assert await owner.fetchval("SELECT count(*) FROM one") == 1


async def test_a_failing_migration_leaves_nothing_behind(
    stack: Stack, package: Path, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Each file is one transaction; what came before it stays."""
    put(package, "0001_good.sql", "CREATE TABLE good ()")
    put(package, "0002_bad.sql", "CREATE TABLE half (); SELECT 1 / 0")
    url = stack.postgres_url("collab", "collab_owner")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(url, package.name, role="collab")

    tables = await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {row["tablename"] for row in tables} == {"good", "schema_migrations"}


async def test_an_edited_file_is_noticed(
    stack: Stack, package: Path, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Two databases of one number must be the same."""
    del owner
    url = stack.postgres_url("collab", "collab_owner")
    put(package, "0001_one.sql", "CREATE TABLE one ()")
    await migrate(url, package.name, role="collab")
    put(package, "0001_one.sql", "CREATE TABLE another ()")

    with pytest.raises(MigrationError, match="changed after it was applied"):
        await migrate(url, package.name, role="collab")


async def test_an_older_release_refuses_a_newer_database(
    stack: Stack, package: Path, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """It would not know what it must not break."""
    del owner
    url = stack.postgres_url("collab", "collab_owner")
    put(package, "0001_one.sql", "SELECT 1")
    put(package, "0002_two.sql", "SELECT 1")
    await migrate(url, package.name, role="collab")
    (package / "migrations" / "0002_two.sql").unlink()

    with pytest.raises(MigrationError, match="newer release"):
        await migrate(url, package.name, role="collab")


async def test_a_number_below_the_greatest_applied_one_is_refused(
    stack: Stack, package: Path, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """It would run last here and earlier on a new database; nothing of it is applied."""
    url = stack.postgres_url("collab", "collab_owner")
    put(package, "0001_one.sql", "SELECT 1")
    put(package, "0010_ten.sql", "SELECT 1")
    await migrate(url, package.name, role="collab")
    put(package, "0005_late.sql", "CREATE TABLE late ()")
    put(package, "0011_next.sql", "CREATE TABLE next ()")

    with pytest.raises(MigrationError, match=r"0005_late.sql .* below 0010.* above 0011"):
        await migrate(url, package.name, role="collab")
    assert await owner.fetchval("SELECT to_regclass('late')") is None
    assert await owner.fetchval("SELECT to_regclass('next')") is None

    (package / "migrations" / "0005_late.sql").rename(package / "migrations" / "0012_late.sql")
    assert await migrate(url, package.name, role="collab") == 2


def test_a_number_is_given_once(package: Path) -> None:
    """Two branches that each added 0002 are noticed before they meet a database."""
    put(package, "0001_one.sql", "SELECT 1")
    put(package, "0002_two.sql", "SELECT 1")
    put(package, "0002_also_two.sql", "SELECT 1")

    with pytest.raises(MigrationError, match="numbered"):
        migrations_of(package.name)


def test_queries_have_names_and_keep_their_comments(package: Path) -> None:
    """A typing error in a name is an error in the first test that runs it."""
    (package / "queries.sql").write_text(
        "-- name: one\n-- Why it is so.\nSELECT 1;\n\n-- name: two\nSELECT 2;\n"
    )

    queries = load_queries(package.name)

    assert queries.one == "-- Why it is so.\nSELECT 1"
    assert list(queries) == ["one", "two"]
    with pytest.raises(AttributeError, match="three"):
        _ = queries.three


def test_a_query_given_twice_is_refused(package: Path) -> None:
    """The second would hide the first."""
    (package / "queries.sql").write_text("-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;\n")

    with pytest.raises(ValueError, match="given twice"):
        load_queries(package.name)


async def command(*words: str, **environment: str) -> tuple[int, str]:
    """Run the command as a Job of Kubernetes does; return its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "libs.postgres.migrate", *words),
        cwd=ROOT,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_the_command_migrates_and_its_wait_ends_then(
    stack: Stack, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """The waiting replica has its own role alone, and may begin before there is any table."""
    mine = {"SCRIPTORIUM_POSTGRES_URL": stack.postgres_url("collab", "collab")}
    owners = {"SCRIPTORIUM_POSTGRES_OWNER_URL": stack.postgres_url("collab", "collab_owner")}
    waiting = asyncio.create_task(command("collab", "--wait", **mine))
    await asyncio.sleep(1.5)
    assert not waiting.done()

    first, second = await command("collab", **owners), await command("collab", **owners)

    count = len(migrations_of("services.collab"))
    assert first[0] == second[0] == 0, (first, second)
    assert first[1].endswith(f"collab: {count} migrations applied\n")
    assert second[1] == "collab: 0 migrations applied\n"
    assert (await asyncio.wait_for(waiting, 10))[0] == 0
    assert await owner.fetchval("SELECT count(*) FROM schema_migrations") == count


async def test_the_command_says_in_a_sentence_what_it_lacks(stack: Stack) -> None:
    """An operator reads the log of a Job that failed."""
    owners = {"SCRIPTORIUM_POSTGRES_OWNER_URL": stack.postgres_url("collab", "collab_owner")}

    assert await command("collab", SCRIPTORIUM_POSTGRES_OWNER_URL="") == (
        1,
        "SCRIPTORIUM_POSTGRES_OWNER_URL is not set\n",
    )
    assert await command("poetry", **owners) == (1, "there is no service poetry\n")
