"""Transactions and reads in the database, and the errors when it is not available."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
from prometheus_client import Counter

from libs import errors
from libs.bus import LocalRelay, RelayNotifier
from libs.postgres import Pool
from libs.postgres.pool import UNREACHABLE
from services.events.model.aggregate import Row
from services.events.model.log import CommandContext
from services.events.store.optimistic import SingleChange, prepare_change, write_change
from services.events.store.reader import Reader
from services.events.store.transaction import Transaction
from services.events.store.violations import ROW_REFUSALS, error_of, is_partition_race

TRIES_MAX = 5
"""Attempts of a transaction that conflicts with others; each sees what the others committed."""

_changes = Counter(
    "scriptorium_events_changes_total",
    "Changes of one aggregate: in one statement, or with locks after all.",
    ["way"],
)


class RetryTransaction(Exception):
    """Another transaction changed what this one read; it must be tried again from the start."""


class Store:
    """The database of the events service."""

    def __init__(self, pool: Pool, relay: LocalRelay | None = None) -> None:
        """Keep the log in *pool*; commits wake *relay*, or the active relay elsewhere."""
        self._pool = pool
        self._bell = RelayNotifier(pool, relay)

    async def run_command[T](
        self, context: CommandContext, work: Callable[[Transaction], Awaitable[T]]
    ) -> T:
        """Run *work* in a transaction, and again when it conflicts with another one.

        Raises:
            Repeated: The action was recorded before; see `Transaction.claim_on_append`.
            errors.AppError: A constraint refused a row; see `violations`.
            errors.ConcurrencyConflict: It conflicted TRIES_MAX times, or an id is taken.
            errors.Unavailable: The database is not available; nothing was changed.
            errors.DeadlineExceeded: The database went away during the commit.
        """
        for _ in range(TRIES_MAX):
            ended = recorded = False
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    transaction = Transaction(connection, context)
                    answer = await work(transaction)
                    await transaction.finish()
                    ended, recorded = True, transaction.recorded
            except (RetryTransaction, asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
                continue
            except ROW_REFUSALS as error:
                if is_partition_race(error):
                    continue
                if known := error_of(error):
                    raise known from error
                raise
            except UNREACHABLE as error:
                raise _away(error, unsure=ended) from error
            else:
                if recorded:
                    self._bell.ring()
                return answer
        raise errors.ConcurrencyConflict

    async def change_one(self, context: CommandContext, change: SingleChange) -> Row | None:
        """Change fields of one aggregate without locks, and return its row afterwards.

        None when that was not possible: nothing was written, and the change is to be made by
        `run_command`.

        Raises:
            errors.AppError: As `prepare_change` and `write_change`; nothing was changed.
            errors.Unavailable: The database is not available; nothing was changed.
            errors.DeadlineExceeded: The database went away during the write.
        """
        prepared, written = None, False
        try:
            async with self._pool.acquire() as connection:
                prepared = await prepare_change(connection, context, change)
                if prepared:
                    written = await write_change(connection, context, prepared)
        except UNREACHABLE as error:
            raise _away(error, unsure=prepared is not None) from error
        _changes.labels("optimistic" if written else "locked").inc()
        if prepared is None or not written:
            return None
        if prepared.batch:
            self._bell.ring()
        return prepared.row

    async def run_read[T](
        self, work: Callable[[Reader], Awaitable[T]], *, project_id: UUID | None = None
    ) -> T:
        """Run *work* on a connection, within a project if one is given.

        Raises:
            errors.Unavailable: The database is not available.
        """
        try:
            async with self._pool.acquire() as connection:
                return await work(Reader(connection, project_id))
        except UNREACHABLE as error:
            raise _away(error, unsure=False) from error


def _away(error: Exception, *, unsure: bool) -> Exception:
    if isinstance(error, ValueError):  # the driver refused an argument: a bug of this service
        return error
    return errors.DeadlineExceeded() if unsure else errors.Unavailable()
