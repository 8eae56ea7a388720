"""Replacing live rows by rebuilt ones while writes go on."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from libs.postgres import Connection
from services.events.rebuild.proof import Keys, still_different
from services.events.rebuild.replay import catch_up
from services.events.rebuild.store import rebuild_statement
from services.events.rebuild.tables import BUNDLES, TABLES, tables_of

HOLD_WAIT_MS = 500
"""Time that a swap waits for the lock before it lets writers pass: writers behind it in the queue
wait as long."""
HOLD_TRIES_MAX = 60
RETRY_DELAY_S = 0.2
HOLD_ROWS = 2000
"""Small projects are replaced together up to this many rows; a larger one alone."""
PROJECTS_PER_PAGE = 1000
BUNDLES_PER_TURN = 2000

_FIRST = UUID(int=0)

type Progress = Callable[[int], None]


class NotSwapped(Exception):
    """Live rows could not be replaced; their projects are unchanged."""


@dataclass(slots=True)
class SwapReport:
    """The numbers of a swap: rows replaced, aggregates caught up, and blocks of writers."""

    rows: int = 0
    caught_up: int = 0
    holds: int = 0
    longest_hold_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _WriterHold:
    rows: int
    caught_up: int
    held_s: float


async def swap(connection: Connection, schema: str, progress: Progress) -> SwapReport:
    """Make the live rows equal to the rebuilt ones, some projects at a time.

    It needs the noted differences. Only those rows are touched, and rows of aggregates in the same
    projects that have new events. A project changes in one transaction; writers wait meanwhile,
    readers do not, and between two transactions writers get as long as they waited. Bundles never
    change after their commit, so writers do not wait for them.

    Raises:
        NotSwapped: The lock was not available, or a row that stays holds a unique value.
            Earlier projects are replaced, and another run continues with the rest.
    """
    done, in_the_way = SwapReport(), list[UUID]()

    async def put(projects: Sequence[UUID]) -> None:
        held = await _held(connection, schema, projects)
        done.rows += held.rows
        done.caught_up += held.caught_up
        done.holds += 1
        done.longest_hold_s = max(done.longest_hold_s, held.held_s)
        progress(done.rows)
        await _let_in(held.held_s)

    async for projects in _batches(connection, schema):
        try:
            await put(projects)
        except asyncpg.IntegrityConstraintViolationError:
            # The row that holds their values may be replaced with another project.
            in_the_way += projects
    while in_the_way:
        before, in_the_way, why = in_the_way, list[UUID](), ""
        for project in before:
            try:
                await put([project])
            except asyncpg.IntegrityConstraintViolationError as error:
                in_the_way.append(project)
                why = str(error)
        if len(in_the_way) == len(before):
            raise NotSwapped(
                f"a live row is in the way: {why}; {len(before)} projects are as they were,"
                f" {done.rows} rows of others are in place"
            )
    done.rows += await _put_bundles(connection, schema, lambda rows: progress(done.rows + rows))
    return done


async def _let_in(seconds: float) -> None:
    """Give writers as much time as they were blocked."""
    await asyncio.sleep(seconds)


async def _batches(connection: Connection, schema: str) -> AsyncGenerator[list[UUID]]:
    """Yield projects with differences, small ones together."""
    after, batch, rows = _FIRST, list[UUID](), 0
    query = rebuild_statement("differing_projects", schema)
    while page := await connection.fetch(query, after, PROJECTS_PER_PAGE):
        for each in page:
            if batch and rows + each["rows"] > HOLD_ROWS:
                yield batch
                batch, rows = [], 0
            batch.append(each["project_id"])
            rows += each["rows"]
        after = page[-1]["project_id"]
    if batch:
        yield batch


async def _held(connection: Connection, schema: str, projects: Sequence[UUID]) -> _WriterHold:
    """Replace the rows of some projects while all writers wait."""
    for _ in range(HOLD_TRIES_MAX):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{HOLD_WAIT_MS}ms'")
                await connection.execute(rebuild_statement("hold_writers", schema))
                await connection.execute("SET LOCAL lock_timeout = 0")
                started = time.perf_counter()
                changed, _ = await catch_up(connection, schema, projects)
                keys: dict[str, set[UUID]] = {}
                for row in await connection.fetch(
                    rebuild_statement("differing_keys", schema), projects
                ):
                    keys.setdefault(row["table"], set()).add(row["key"])
                for head in changed:
                    for table in tables_of(head.aggregate_type):
                        keys.setdefault(table, set()).add(head.aggregate_id)
                rows = await _replace(
                    connection, schema, projects, {table: list(ids) for table, ids in keys.items()}
                )
            return _WriterHold(rows, len(changed), time.perf_counter() - started)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await asyncio.sleep(RETRY_DELAY_S)
    raise NotSwapped(f"writers did not let go in {HOLD_TRIES_MAX} tries")


async def _replace(
    connection: Connection, schema: str, projects: Sequence[UUID], keys: Keys
) -> int:
    before = await still_different(connection, schema, keys)
    if not before:
        return 0
    for table in TABLES:
        if table.ranked and table.name in before:
            await connection.execute(rebuild_statement("park", schema, table), before[table.name])
    gone = 0
    for table in reversed(TABLES):
        if table.name in before:
            status = await connection.execute(
                rebuild_statement("drop_extra", schema, table), before[table.name]
            )
            gone += int(status.rpartition(" ")[2])
    for table in TABLES:
        if gone:
            await connection.execute(rebuild_statement("put_all_missing", schema, table), projects)
        if ids := before.get(table.name):
            await connection.execute(rebuild_statement("put_missing", schema, table), ids)
            await connection.execute(rebuild_statement("put_different", schema, table), ids)
    if await still_different(connection, schema, keys):
        raise NotSwapped("rows still differ after they were replaced")
    return sum(map(len, before.values()))


async def _put_bundles(connection: Connection, schema: str, progress: Progress) -> int:
    after, done = _FIRST, 0
    query = rebuild_statement("differing_bundles", schema)
    while page := await connection.fetch(query, after, BUNDLES_PER_TURN):
        keys = [row["key"] for row in page]
        async with connection.transaction():
            for step in ("drop_extra", "put_missing", "put_different"):
                await connection.execute(rebuild_statement(step, schema, BUNDLES), keys)
            if await still_different(connection, schema, {BUNDLES.name: keys}):
                raise NotSwapped("bundles still differ after they were replaced")
        after, done = keys[-1], done + len(keys)
        progress(done)
    return done
