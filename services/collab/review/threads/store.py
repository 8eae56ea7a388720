"""Threads, comments, reactions and mentions in PostgreSQL."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.ids import new_id
from libs.contracts.versions import Expected, is_expected
from libs.postgres import Connection, Pool, load_queries
from libs.postgres.pool import UNREACHABLE
from libs.tasks import passed

SQL = load_queries("services.collab.review.threads")

type Row = asyncpg.Record


class ThreadStore:
    """Transactions and reads; every query names the project."""

    def __init__(self, pool: Pool) -> None:
        """Use *pool*."""
        self._pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """Run what is inside in one transaction.

        Raises:
            errors.Unavailable: The database is away; nothing was changed.
            errors.DeadlineExceeded: It went away during the commit.
        """
        ended = False
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                yield connection
                passed("review.written")
                ended = True
            passed("review.committed")
        except UNREACHABLE as error:
            raise (errors.DeadlineExceeded if ended else errors.Unavailable) from error

    async def rows(self, query: str, *args: Any) -> list[Row]:
        """Return the rows of a query.

        Raises:
            errors.Unavailable: The database is away.
        """
        try:
            return await self._pool.fetch(query, *args)
        except UNREACHABLE as error:
            raise errors.Unavailable from error

    async def row(self, query: str, *args: Any) -> Row | None:
        """Return the first row of a query, if any. Raises as `rows`."""
        rows = await self.rows(query, *args)
        return rows[0] if rows else None

    async def thread(self, thread: UUID, project: UUID) -> Row:
        """Return a thread.

        Raises:
            errors.NotFound: The project has no such thread, or not any more.
        """
        return _there(await self.row(SQL.thread, thread, project))

    async def comment(self, comment: UUID, project: UUID) -> Row:
        """Return a comment, which may be a tombstone. Raises as `thread`."""
        return _there(await self.row(SQL.comment, comment, project))


async def lock_thread(connection: Connection, thread: UUID, project: UUID) -> Row:
    """Return a thread, which nobody else changes until the transaction ends.

    Raises:
        errors.NotFound: The project has no such thread, or not any more.
    """
    return _there(await connection.fetchrow(SQL.lock_thread, thread, project))


async def lock_comment(connection: Connection, comment: UUID, project: UUID) -> tuple[Row, Row]:
    """Return the thread of a comment and the comment; nobody else changes that thread now.

    Raises as `lock_thread`.
    """
    thread = _there(await connection.fetchrow(SQL.lock_thread_of, comment, project))
    return thread, _there(await connection.fetchrow(SQL.comment, comment, project))


def require_version(row: Row, expected: Expected) -> None:
    """Return when a thread or a comment is at the version that the caller means.

    Raises:
        errors.PreconditionFailed: It is at another one.
    """
    if not is_expected(row["version"], expected):
        raise errors.PreconditionFailed(
            f"If-Match names version {expected}; this is version {row['version']} now."
        )


async def mention(
    connection: Connection, comment: UUID, people: Sequence[UUID], *, known: bool
) -> list[UUID]:
    """Let a comment mention *people*, and tell those of them that it did not mention before.

    Args:
        connection: Of the transaction.
        comment: The comment.
        people: All whom it mentions.
        known: Whether it was there before, and may have mentioned others.

    Returns:
        The people, each once.
    """
    once = sorted(set(people))
    if known:
        await connection.execute(SQL.clear_mentions, comment, once)
    if once:
        await connection.execute(SQL.add_mentions, comment, once)
        ids = [new_id() for _ in once]
        await connection.execute(SQL.notify_mentioned, comment, ids, once)
    return once


async def mentioned(connection: Connection, comment: UUID) -> list[UUID]:
    """Return the people whom a comment mentions."""
    return [row["person_id"] for row in await connection.fetch(SQL.mentions, [comment])]


async def notify_others(
    connection: Connection, thread: UUID, kind: str, actor: UUID, comment: UUID | None = None
) -> None:
    """Tell everybody who has a part in a thread, but the actor, what the actor did.

    Of a comment only those hear who are not told already that it mentions them.
    """
    people = [row["person"] for row in await connection.fetch(SQL.taking_part, thread, actor)]
    if people:
        ids = [new_id() for _ in people]
        await connection.execute(SQL.notify, ids, people, kind, actor, thread, comment)


async def one(connection: Connection, query: str, *args: Any) -> Row:
    """Return the one row that a statement about a locked thread returns."""
    row = await connection.fetchrow(query, *args)
    assert row is not None
    return row


def _there(row: Row | None) -> Row:
    if row is None:
        raise errors.NotFound
    return row
