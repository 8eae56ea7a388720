"""Advisory locks: one table of keys; what is held ends with the block, or with the connection."""

import asyncio
import random
import re
from pathlib import Path

import pytest

from libs.postgres import AdvisoryLocks, LockKey, Pool, try_lock
from libs.postgres.locks import wait_for_session_lock

ROOT = Path(__file__).parents[3]
CALL = re.compile(r"advisory_\w*lock\w*\(\s*(.+?)\)\s*(?:;|THEN|$)", re.MULTILINE)
REGISTRY = ROOT / "libs/postgres/locks.py"


def sources() -> list[Path]:
    return [
        file
        for folder in ("libs", "services", "tools")
        for kind in ("*.sql", "*.py")
        for file in sorted((ROOT / folder).rglob(kind))
    ]


def test_keys_stand_in_one_table():
    """Two purposes that share a key hold each other up. Only migrations name keys themselves."""
    known = {value if isinstance(value, int) else str(value)[1:-1] for value in _values()}
    found: dict[str, list[str]] = {}
    for file in sources():
        if file != REGISTRY and (calls := CALL.findall(file.read_text())):
            found[str(file.relative_to(ROOT))] = calls
    assert found, "nothing calls a lock: does the pattern still fit?"
    for name, calls in found.items():
        assert "/migrations/" in name or name.endswith("schema.sql"), (
            f"{name} takes a lock without libs.postgres.locks"
        )
        for call in calls:
            seed = re.fullmatch(r"hashtextextended\(.+, (\d+)\)?", call)
            assert (int(seed[1]) if seed else call) in known, f"{name}: {call}"


def _values() -> list[int | tuple[int, ...]]:
    return [key.value for key in LockKey]


async def test_one_holds_a_lock_and_others_are_told(pool: Pool, other: Pool):
    """Elsewhere and here; another name and another purpose are other locks."""
    here, there = AdvisoryLocks(pool), AdvisoryLocks(other)
    async with here.hold(LockKey.TASK, "walk") as ours:
        async with here.hold(LockKey.TASK, "walk") as again, there.hold(LockKey.TASK, "walk") as no:
            assert (ours, again, no) == (True, False, False)
        async with (
            there.hold(LockKey.TASK, "verify") as by_name,
            there.hold(LockKey.SNAPSHOT, "walk") as by_purpose,
            here.hold(LockKey.TASK, "purge") as also,
        ):
            assert (by_name, by_purpose, also) == (True, True, True)
    async with there.hold(LockKey.TASK, "walk") as free:
        assert free


async def test_many_locks_take_one_connection_and_none_when_none_is_held(pool: Pool):
    """A service whose pool is small is not emptied by what it does in the background."""
    locks = AdvisoryLocks(pool)
    before = pool.get_idle_size()
    async with locks.hold(LockKey.TASK, "one"), locks.hold(LockKey.TASK, "two"):
        assert pool.get_size() - pool.get_idle_size() == 1
    assert pool.get_idle_size() >= before
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    assert await pool.fetchval(held) == 0


async def test_a_lock_ends_with_its_connection(pool: Pool, other: Pool):
    """Who dies lets go at once, and who only lost the connection takes the next lock anew."""
    here, there = AdvisoryLocks(pool), AdvisoryLocks(other)
    kill = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'one' AND pid IN (SELECT pid FROM pg_locks"
        " WHERE locktype = 'advisory')"
    )
    async with here.hold(LockKey.TASK, "walk") as ours:
        await other.fetch(kill)
        async with (
            there.hold(LockKey.TASK, "walk") as taken_over,
            here.hold(LockKey.TASK, "another") as on_a_new_one,
        ):
            assert (ours, taken_over, on_a_new_one) == (True, True, True)
    async with here.hold(LockKey.TASK, "walk") as again:
        assert again


async def test_what_is_cancelled_leaves_no_lock(pool: Pool, other: Pool):
    """At whatever moment: the pool would hand the connection on with the lock in it."""
    locks = AdvisoryLocks(pool)

    async def work() -> None:
        async with locks.hold(LockKey.TASK, "walk"):
            await asyncio.sleep(0.002)

    for _ in range(60):
        task = asyncio.create_task(work())
        await asyncio.sleep(random.uniform(0, 0.004))
        task.cancel()
        await asyncio.wait({task})
    async with other.acquire() as connection, connection.transaction():
        assert await try_lock(connection, LockKey.TASK, "walk")


async def test_a_lock_of_a_transaction_ends_with_it(pool: Pool, other: Pool):
    async with pool.acquire() as one, other.acquire() as two:
        async with one.transaction():
            assert await try_lock(one, LockKey.PURGE)
            async with two.transaction():
                assert not await try_lock(two, LockKey.PURGE)
        async with two.transaction():
            assert await try_lock(two, LockKey.PURGE)
            with pytest.raises(TimeoutError):
                await wait_for_session_lock(one, LockKey.PURGE, timeout_s=0.1)
