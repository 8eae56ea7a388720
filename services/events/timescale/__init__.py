"""The log as a TimescaleDB hypertable, if the extension is installed in the database."""

import structlog

from libs.postgres import Connection, LockKey, Pool, connect, wait_for_lock
from services.events.timescale.store import SQL

log = structlog.get_logger(__name__)

ADOPTION_S_MAX = 6 * 3600.0
NEVER_DAYS = 36_500


async def is_adopted(connection: Pool | Connection) -> bool:
    """Return whether the log is a hypertable."""
    if not await connection.fetchval(SQL.installed):
        return False
    return bool(await connection.fetchval(SQL.adopted))


async def adopt(owner_url: str, *, role: str, compress_after_days: int | None) -> bool:
    """Make the log a hypertable if the extension is installed; return whether it is one.

    Raises:
        asyncpg.PostgresError: A statement failed; nothing was changed.
    """
    pool = await connect(
        owner_url, application=f"{role}-adopt", size_max=1, statement_timeout_s=ADOPTION_S_MAX
    )
    try:
        async with pool.acquire() as connection:
            if not await connection.fetchval(SQL.installed):
                return False
            async with connection.transaction():
                # The lock of the migrations: adoption is a migration that depends on the server.
                await wait_for_lock(connection, LockKey.MIGRATION)
                if await connection.fetchval(SQL.adopted):
                    return True
                days = NEVER_DAYS if compress_after_days is None else compress_after_days
                text = SQL.adopt.replace("{role}", f'"{role}"').replace("{days}", str(days))
                await connection.execute(text)
            log.info("the event log became a hypertable")
            return True
    finally:
        await pool.close()
