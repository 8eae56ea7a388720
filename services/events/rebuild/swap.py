"""Putting the rebuilt rows in the place of the live ones while writes go on."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from libs.postgres import Connection
from services.events.rebuild.proof import differences
from services.events.rebuild.replay import catch_up
from services.events.rebuild.tables import BUNDLES, PROVED, TABLES, filled

HOLD_WAIT_MS = 500
"""How long we stand in line for the writers' lock before we let others pass: who waits behind us
waits as long."""
HOLD_TRIES_MAX = 60
RETRY_DELAY_S = 0.2


class NotSwapped(Exception):
    """The rebuilt rows could not take the place of the live ones; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Swapped:
    """What a swap did: rows replaced, aggregates caught up, how long writers were held."""

    rows: int
    caught_up: int
    held_s: float


async def swap(connection: Connection, schema: str, known: Sequence[UUID]) -> Swapped:
    """Make the live rows equal to the rebuilt ones, in one transaction.

    Only rows that differ are touched: those of *known*, found before, and of aggregates that have
    grown since. Writers wait meanwhile, and readers do not.

    Raises:
        NotSwapped: The lock was not to be had, or a unique value is held by a row that stays.
    """
    for _ in range(HOLD_TRIES_MAX):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{HOLD_WAIT_MS}ms'")
                await connection.execute(filled("hold_writers", schema))
                await connection.execute("SET LOCAL lock_timeout = 0")
                started = time.perf_counter()
                changed, _ = await catch_up(connection, schema)
                keys = list({*known, *changed})
                before = await differences(connection, schema, keys)
                if before:
                    await _replace(connection, schema, [each.key for each in before])
                    if await differences(connection, schema, keys):
                        raise NotSwapped("rows still differ after they were replaced")
                held_s = time.perf_counter() - started
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await asyncio.sleep(RETRY_DELAY_S)
        except asyncpg.IntegrityConstraintViolationError as error:
            raise NotSwapped(f"a live row is in the way: {error}") from error
        else:
            return Swapped(len(before), len(changed), held_s)
    raise NotSwapped(f"writers did not let go in {HOLD_TRIES_MAX} tries")


async def _replace(connection: Connection, schema: str, keys: Sequence[UUID]) -> None:
    for table in TABLES:
        if table.ranked:
            await connection.execute(filled("park", schema, table), keys)
    gone = 0
    for table in reversed(TABLES):
        status = await connection.execute(filled("drop_extra", schema, table), keys)
        gone += int(status.rpartition(" ")[2])
    await connection.execute(filled("drop_extra", schema, BUNDLES), keys)
    for table in PROVED:
        # A row that went takes those below it along; they are missing now, whatever their keys.
        below = gone > 0 and table is not BUNDLES
        await connection.execute(filled("put_missing", schema, table), keys, below)
        await connection.execute(filled("put_different", schema, table), keys)
