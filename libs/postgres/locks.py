"""Advisory locks of PostgreSQL: all keys in one table, so that no two purposes share one.

A lock of a transaction ends with it. A lock of a session ends with its connection, so that another
replica takes over at once when the holder dies. A session lock saves work and protects nothing: a
holder that loses its connection loses the lock without notice, so each step of such work must be
harmless when it is done twice.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from enum import Enum, unique

from libs.postgres.pool import UNREACHABLE, Connection, Pool


@unique
class LockKey(Enum):
    """The purpose of a lock.

    The value is the seed under which the name of the thing is hashed, or the whole key where a
    database has one such lock. Keys that are written in migrations can never change.
    """

    ROLLUP = 7101
    """A head of a scene is being made; the name is the scene's id."""
    SCENE_UPKEEP = 7102
    """A scene is being compacted, pruned, verified or repaired; the name is the scene's id."""
    TASK = 7103
    """A background task that one replica at a time does; the name is the task's."""
    SNAPSHOT = 7104
    """A snapshot of a scene is being taken; the name is the scene's id."""
    BRANCH_MERGE = 7105
    """A branch is being merged; the name is the branch's id."""
    THREADS = 7107
    """The threads of a scene are counted; the name is the scene's id."""
    REFACTOR = 7120
    """A refactor is being found or carried out; the name is its id."""
    REFACTORS = 7121
    """The refactors of a project are counted; the name is the project's id."""
    UPLOAD = 7106
    """An upload is being put together; the name is the upload's id."""
    INDEXED_DOCUMENT = 7108
    """A document is being indexed or forgotten; the name is its id."""
    CONTAINMENT = 6111
    """An entity is put into another one; the name is the project's id (events, 0010)."""
    PERSON = 6141
    """The jobs and packages of a person are counted; the name is the person's id."""
    WORKSPACE_JOB = 6142
    """A job of a workspace is being carried on; the name is the job's id."""
    RELAY = (6111, 1)
    """The relay of the outbox is at work."""
    PARTITIONS = (6111, 2)
    """Partitions of the log are being made (events, 0001)."""
    PAST = (6111, 3)
    """Old events are being archived or forgotten (events, 0030, 0045 and 0094)."""
    REBUILD = (6111, 4)
    """Projections are being rebuilt from the log."""
    PURGE = (6111, 5)
    """A purge takes a step."""
    MIGRATION = (0x5C21_7001,)
    """Migrations are being applied."""

    def call(self, function: str, name: object) -> tuple[str, list[str]]:
        """Return a query that calls a lock *function* with this key, and the query's arguments."""
        if isinstance(self.value, int):
            return f"SELECT {function}(hashtextextended($1::text, {self.value}))", [str(name)]
        return f"SELECT {function}({', '.join(map(str, self.value))})", []


async def try_lock(connection: Connection, key: LockKey, name: object = "") -> bool:
    """Take a lock until the transaction ends; return False when another holder has it."""
    query, arguments = key.call("pg_try_advisory_xact_lock", name)
    return bool(await connection.fetchval(query, *arguments))


async def wait_for_lock(connection: Connection, key: LockKey, name: object = "") -> None:
    """Wait for a lock, and keep it until the transaction ends."""
    query, arguments = key.call("pg_advisory_xact_lock", name)
    await connection.execute(query, *arguments)


async def try_session_lock(connection: Connection, key: LockKey, name: object = "") -> bool:
    """Take a lock until it is unlocked or the connection ends; False when another holder has it."""
    query, arguments = key.call("pg_try_advisory_lock", name)
    return bool(await connection.fetchval(query, *arguments))


async def wait_for_session_lock(
    connection: Connection, key: LockKey, name: object = "", *, timeout_s: float | None = None
) -> None:
    """Wait for a lock, and keep it until it is unlocked or the connection ends.

    Raises:
        TimeoutError: It was not free within *timeout_s*; without one, the pool's limit holds.
    """
    query, arguments = key.call("pg_advisory_lock", name)
    await connection.execute(query, *arguments, timeout=timeout_s)


async def unlock(connection: Connection, key: LockKey, name: object = "") -> None:
    """Release a lock of the session."""
    query, arguments = key.call("pg_advisory_unlock", name)
    await connection.execute(query, *arguments)


class AdvisoryLocks:
    """The session locks of one process, on one connection, which is held while any of them is."""

    def __init__(self, pool: Pool) -> None:
        """Take the connection from *pool*."""
        self._pool = pool
        self._turn = asyncio.Lock()
        self._held: set[tuple[LockKey, str]] = set()
        self._connection: Connection | None = None

    @asynccontextmanager
    async def hold(self, key: LockKey, name: object = "") -> AsyncGenerator[bool]:
        """Hold a lock within the block; gives False when it is held elsewhere, or here."""
        lock = key, str(name)
        taken = await self._take(lock)
        try:
            yield taken
        finally:
            if taken:
                await self._release(lock)

    async def _take(self, lock: tuple[LockKey, str]) -> bool:
        async with self._turn:
            if lock in self._held:
                return False  # PostgreSQL would give it to the same session again
            try:
                taken = await self._try(lock)
                if taken:
                    self._held.add(lock)
            finally:
                if not self._held:
                    await self._end_connection()
            return taken

    async def _try(self, lock: tuple[LockKey, str]) -> bool:
        if self._connection is not None:
            try:
                return await try_session_lock(self._connection, *lock)
            except UNREACHABLE:
                # Locks of the lost connection are lost; their holders do no harm.
                await self._end_connection()
        self._connection = await self._pool.acquire()
        return await try_session_lock(self._connection, *lock)

    async def _release(self, lock: tuple[LockKey, str]) -> None:
        async with self._turn:
            self._held.discard(lock)
            if not self._held:
                await self._end_connection()
            elif self._connection is not None:
                # The server has released the locks of a broken connection already.
                with suppress(*UNREACHABLE):
                    await unlock(self._connection, *lock)

    async def _end_connection(self) -> None:
        """Give the connection back without any lock, also one that a cancelled query may hold."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            with suppress(*UNREACHABLE):
                if not connection.is_closed():
                    await connection.execute("SELECT pg_advisory_unlock_all()")
        except BaseException:
            connection.terminate()
            raise
        finally:
            await self._pool.release(connection)  # pyright: ignore[reportArgumentType]  # it is its own
