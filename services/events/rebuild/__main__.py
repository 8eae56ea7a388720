"""`python -m services.events.rebuild '{"into": "shadow", "swap": false, "force": false}'`.

`SCRIPTORIUM_POSTGRES_OWNER_URL` is the database of the events service, as its owner. The output
is lines of JSON: progress as `{"step", "done", "all"}`, and at the end `{"result"}` or `{"error"}`.
"""

import asyncio
import json
import os
import sys
import time
from typing import Any
from uuid import UUID

import asyncpg
import uvloop

from libs.postgres import Connection, LockKey, Pool, connect
from libs.postgres.locks import try_session_lock, unlock, wait_for_session_lock
from libs.postgres.pool import UNREACHABLE
from libs.process import settled
from services.events.rebuild import tables
from services.events.rebuild.proof import compare_rows, note_differences
from services.events.rebuild.replay import ReplayReport, catch_up, fold_bundles, replay
from services.events.rebuild.store import SQL, rebuild_statement
from services.events.rebuild.swap import NotSwapped, swap
from services.events.store.log import count_lost_heads, log_size

STATEMENT_S_MAX = 3600.0
LOCK_TRIES = 20
LOCK_PAUSE_S = 0.25


class RebuildRefused(Exception):
    """The rebuild was refused; the message has the reason."""


async def rebuild(pool: Pool, *, into: str | None, do_swap: bool, force: bool) -> dict[str, Any]:
    """Replay, prove and, if asked, swap; return the report for a person.

    Raises:
        RebuildRefused: Another rebuild runs, or the log has corrupt events and *force* is not set.
        NotSwapped: The live rows could not be replaced.
    """
    schema = tables.require_schema(into or "shadow")
    async with pool.acquire() as connection:
        if not await _lock(connection):
            raise RebuildRefused("another rebuild is running")
        try:
            return await _rebuild(pool, connection, schema, do_swap=do_swap, force=force)
        finally:
            # With a closed connection the lock has ended already.
            if not connection.is_closed():
                if into is None:
                    await connection.execute(rebuild_statement("drop_schema", schema))
                await unlock(connection, LockKey.REBUILD)


async def _lock(connection: Connection) -> bool:
    """Take the lock of rebuilds; return False when another rebuild keeps it."""
    for _ in range(LOCK_TRIES):
        if await try_session_lock(connection, LockKey.REBUILD):
            return True
        # A killed rebuild keeps the lock until PostgreSQL notices the end of its connection.
        await asyncio.sleep(LOCK_PAUSE_S)
    return False


async def _rebuild(
    pool: Pool, connection: Connection, schema: str, *, do_swap: bool, force: bool
) -> dict[str, Any]:
    lost = await count_lost_heads(connection)
    if lost and do_swap:
        # Without a head their events would not be folded, and their rows would seem superfluous.
        await connection.execute(SQL.remake_heads)
    _, events = await log_size(connection)
    started = time.perf_counter()
    await tables.make_tables(connection, schema)
    folded = await replay(
        pool, connection, schema, lambda done: _say(step="replay", done=done, all=events)
    )
    replayed_s = time.perf_counter() - started
    _say(step="prove", done=0, all=1)
    await tables.make_keys(connection, schema)
    if do_swap:
        # Until this is released, archiving moves no events and no purge erases any: the state that
        # a bundle folds into stays the same.
        await wait_for_session_lock(connection, LockKey.PAST)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            changed, later = await catch_up(connection, schema)
            await fold_bundles(connection, schema)
            differences = await note_differences(connection, schema)
            shown = await compare_rows(connection, schema)
        _say(step="prove", done=1, all=1)
        flaws = _flaws(folded) + _flaws(later)
        answer: dict[str, Any] = {
            "aggregates": folded.aggregates,
            "events": folded.events,
            "seconds": round(replayed_s, 3),
            "perSecond": round(folded.events / replayed_s),
            "caughtUp": len(changed),
            "lostHeads": lost,
            "equal": not differences and (do_swap or not lost),
            "differences": differences,
            "shown": shown,
            "flaws": flaws,
            "swapped": None,
        }
        if not do_swap:
            return answer
        if flaws and not force:
            raise RebuildRefused(
                f"{len(flaws)} events are flawed and were left out; decide about them first "
                "(scriptorium events quarantine list), or swap with --force"
            )
        done = await swap(
            connection, schema, lambda rows: _say(step="swap", done=rows, all=differences)
        )
        answer["swapped"] = {
            "rows": done.rows,
            "caughtUp": done.caught_up,
            "holds": done.holds,
            "longestHoldS": round(done.longest_hold_s, 4),
        }
        return answer
    finally:
        if do_swap and not connection.is_closed():
            await unlock(connection, LockKey.PAST)


def _flaws(folded: ReplayReport) -> list[dict[str, Any]]:
    found = [
        {"id": str(each.aggregate_id), "version": each.version, "flaw": each.flaw}
        for each in folded.findings
    ]
    cannot = [
        {"id": str(head.aggregate_id), "version": head.version, "flaw": why}
        for head, why in folded.broken
    ]
    return found + cannot


def _say(**line: Any) -> None:
    print(json.dumps(line, default=_plain), flush=True)  # noqa: T201 (its purpose)


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, UUID) else repr(value)


async def main(order: dict[str, Any]) -> int:
    """Run a rebuild; return 0 when the tables are or became equal, 3 when they differ."""
    settled()
    url = os.environ["SCRIPTORIUM_POSTGRES_OWNER_URL"]
    try:
        pool = await connect(
            url, application="rebuild", size_max=3, statement_timeout_s=STATEMENT_S_MAX
        )
        try:
            answer = await rebuild(
                pool, into=order["into"], do_swap=order["swap"], force=order["force"]
            )
        finally:
            pool.terminate()
    except (RebuildRefused, NotSwapped, ValueError, asyncpg.PostgresError, *UNREACHABLE) as error:
        _say(error=str(error) or type(error).__name__)
        return 1
    _say(result=answer)
    return 0 if answer["equal"] or answer["swapped"] else 3


if __name__ == "__main__":
    sys.exit(uvloop.run(main(json.loads(sys.argv[1]))))
