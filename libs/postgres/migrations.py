"""Forward-only migrations: numbered files, one transaction each, one replica at a time.

The files are `migrations/NNNN_words.sql` of a service. `{role}` stands for the service's run-time
role, which owns nothing and has only the rights that the files grant.

Migrations are applied in the order of their numbers, and a number never comes late: a file that is
added below the greatest applied number is refused, because it would run last on an old database and
earlier on a new one. `services/<name>/schema.sql` shows the outcome (see `tools.schema`).

A service migrates at its start when it is given the owner's address. Where no service shall have
that, `python -m libs.postgres.migrate SERVICE` does it once before, and with `--wait`, as the
service's own role, returns when somebody has done it.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import asyncpg
import structlog

from libs.postgres.locks import LockKey, unlock, wait_for_session_lock
from libs.postgres.pool import UNREACHABLE, Connection, connect

log = structlog.get_logger(__name__)

_FILE = re.compile(r"^(\d{4})_\w+\.sql$")

WAIT_S = 2.0
"""Time between two looks at the ledger of a database that waits for its migrations."""
TOLD_EVERY = 15
"""Looks after which it is said again that the migrations are waited for."""

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""


class MigrationError(Exception):
    """The database and the files disagree; nothing was changed by the failed step."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, to notice a file edited after it was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations_of(package: str) -> list[Migration]:
    """Read the migrations of *package* in order.

    Raises:
        MigrationError: Two files have the same number, or the first number is not 0001.
    """
    found: list[Migration] = []
    for file in resources.files(package).joinpath("migrations").iterdir():
        if match := _FILE.match(file.name):
            found.append(Migration(int(match[1]), file.name, file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    # Gaps are allowed. Files that are added later continue after the greatest number.
    numbers = [migration.number for migration in found]
    if len(set(numbers)) != len(numbers) or numbers[:1] not in ([], [1]):
        raise MigrationError(f"{package}: migrations must be numbered from 0001, once each")
    return found


async def migrate(owner_url: str, package: str, *, role: str) -> int:
    """Apply the migrations of *package* that the database does not have; return their number.

    Many replicas may call this at once: one holds an advisory lock and migrates, the others wait.

    Raises:
        MigrationError: An applied file was changed, a file was added below the greatest applied
            number, or the database is newer than these files.
        asyncpg.PostgresError: A statement failed; its migration was rolled back as a whole.
    """
    wanted = migrations_of(package)
    pool = await connect(owner_url, application=f"{role}-migrate", size_max=1)
    try:
        async with pool.acquire() as connection:
            await wait_for_session_lock(connection, LockKey.MIGRATION)
            try:
                return await _apply(connection, wanted, role)
            finally:
                await unlock(connection, LockKey.MIGRATION)
    finally:
        await pool.close()


async def _apply(
    connection: Connection,
    wanted: list[Migration],
    role: str,
) -> int:
    await connection.execute(_LEDGER)
    await connection.execute(f'GRANT SELECT ON schema_migrations TO "{role}"')
    rows = await connection.fetch("SELECT number, name, checksum FROM schema_migrations")
    done: dict[int, asyncpg.Record] = {row["number"]: row for row in rows}
    if done and max(done) > wanted[-1].number:
        raise MigrationError("the database was migrated by a newer release; upgrade this one")
    _require_growing_numbers(wanted, done)
    for migration in wanted:
        if known := done.get(migration.number):
            if known["checksum"] != migration.checksum:
                raise MigrationError(f"{migration.name} was changed after it was applied")
            continue
        async with connection.transaction():
            await connection.execute(migration.sql.replace("{role}", f'"{role}"'))
            await connection.execute(
                "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.checksum,
            )
        log.info("migration applied", name=migration.name, role=role)
    return len({migration.number for migration in wanted} - done.keys())


def _require_growing_numbers(wanted: Sequence[Migration], done: Mapping[int, object]) -> None:
    """Return unless a migration that was never applied has a number below an applied one.

    Raises:
        MigrationError: There is one. Old and new databases would apply it in different orders.
    """
    newest = max(done, default=0)
    for migration in wanted:
        if migration.number < newest and migration.number not in done:
            raise MigrationError(
                f"{migration.name} was added below {newest:04}, which this database has applied; "
                f"give the file a number above {max(each.number for each in wanted):04}"
            )


async def wait_until_migrated(url: str, package: str) -> None:
    """Return when the database of *url* has the newest migration of *package*, or later ones.

    A database that cannot be reached is waited for, too: it may be created after this was begun.
    """
    newest = migrations_of(package)[-1].number
    looks = 0
    while (reason := await _lacks(url, package, newest)) is not None:
        if looks % TOLD_EVERY == 0:
            log.info("waiting for migrations", package=package, newest=newest, reason=reason)
        looks += 1
        await asyncio.sleep(WAIT_S)


async def _lacks(url: str, package: str, newest: int) -> str | None:
    """Return why the database of *url* is not ready, or None if it is."""
    try:
        connection = await asyncpg.connect(url, server_settings={"application_name": package})
        try:
            applied = await connection.fetchval("SELECT max(number) FROM schema_migrations")
        finally:
            await connection.close()
    except (*UNREACHABLE, asyncpg.PostgresError) as error:
        # Databases, roles and grants come in any order. The type alone: a message names addresses.
        return type(error).__name__
    return None if (applied or 0) >= newest else f"{applied or 0} of {newest}"
