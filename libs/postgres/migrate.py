"""Forward-only migrations: numbered files, one transaction each, one replica at a time.

Files are `migrations/NNNN_words.sql` of a service. `{role}` stands for the service's run-time
role, which owns nothing and gets only what the files grant.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

import structlog

from libs.postgres.locks import LockKey, unlock, wait_for_session_lock
from libs.postgres.pool import Connection, connect

log = structlog.get_logger(__name__)

_FILE = re.compile(r"^(\d{4})_\w+\.sql$")

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
        MigrationError: A number is given twice, or there is no first one.
    """
    found: list[Migration] = []
    for file in resources.files(package).joinpath("migrations").iterdir():
        if match := _FILE.match(file.name):
            found.append(Migration(int(match[1]), file.name, file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    # Holes are allowed: rooms that grow side by side number their files in ranges of their own.
    numbers = [migration.number for migration in found]
    if len(set(numbers)) != len(numbers) or numbers[:1] not in ([], [1]):
        raise MigrationError(f"{package}: migrations must be numbered from 0001, once each")
    return found


async def migrate(owner_url: str, package: str, *, role: str) -> int:
    """Bring the database up to the newest migration of *package*; returns how many were applied.

    Safe to call from many replicas at once: an advisory lock lets one work while others wait.

    Raises:
        MigrationError: An applied file was changed, or the database is newer than these files.
        asyncpg.PostgresError: A statement failed; its migration was rolled back whole.
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
    rows = await connection.fetch("SELECT number, name, checksum FROM schema_migrations")
    done = {row["number"]: row for row in rows}
    if done and max(done) > wanted[-1].number:
        raise MigrationError("the database was migrated by a newer release; upgrade this one")
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
