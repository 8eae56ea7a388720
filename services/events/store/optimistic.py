"""A change of one aggregate in two round trips: read it, then write everything as one statement.

Nothing is locked in between. The statement is its own transaction and undoes itself when the
aggregate is no longer where it was read, the action was done before, or the project is not open;
then, and for whatever needs more than this, the action is taken anew by a `Transaction` with locks,
which also knows what to tell the caller.
"""

from collections.abc import Sequence
from typing import override
from uuid import UUID

import asyncpg

from libs.contracts.events.event import Event
from services.events.model.aggregate import Aggregate, Row
from services.events.model.log import Draft
from services.events.store.components import changes_components
from services.events.store.recording import Entry, write_at_once
from services.events.store.statements import statement
from services.events.store.transaction import RECORDED_AT_ONCE, Transaction


class NeedsLocks(Exception):
    """The action is more than a change of the fields of one aggregate; nothing was written."""


OUTRUN = (NeedsLocks, asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""What tells that an action is to be taken with locks."""


class OptimisticTransaction(Transaction):
    """As its base while no more than one aggregate is read by `lock` and its fields change.

    What is recorded is written by `finish`, so what is read until then is as it was before.
    """

    _entry: Entry | None = None

    @override
    def _must_hold(self) -> None:
        raise NeedsLocks

    @override
    async def lock(self, about: Aggregate, aggregate_id: UUID) -> Row | None:
        """Return the row of an aggregate, which must not have changed by the end.

        Raises:
            NeedsLocks: This is the second one, or there is none.
        """
        query = statement("glance", about)
        found = await self._connection.fetchrow(query, self._project_id, about.kind, aggregate_id)
        if self._locked or found is None:
            raise NeedsLocks
        return self._keep(aggregate_id, found)

    @override
    async def history(self, aggregate_id: UUID, types: Sequence[str], *, since: int) -> list[Event]:
        """Raise NeedsLocks: what is read of the log must be held."""
        raise NeedsLocks

    @override
    async def record(self, drafts: Sequence[Draft], ids: Sequence[UUID] | None = None) -> None:
        """Keep what is to be appended and written.

        Raises:
            NeedsLocks: More than the row of the aggregate that was read changes.
            errors.TooLarge: An event's data is above the limit.
        """
        if not drafts:
            return
        if self._entry or len(drafts) > RECORDED_AT_ONCE:
            raise NeedsLocks
        entry = self._entered(drafts, self._drawn(drafts, ids))
        if list(entry.ends) != list(self._locked) or not _is_update(entry):
            raise NeedsLocks
        self._entry = entry
        self.recorded = True

    @override
    async def finish(self) -> None:
        """Write what was recorded, or claim the action that recorded nothing.

        Raises:
            asyncpg.SerializationError: Something is not as it was read; nothing was written.
            asyncpg.PostgresError: A constraint refused the row; nothing was written.
            errors.IdempotencyKeyReused: As `claim`.
        """
        if self._entry:
            await write_at_once(self._connection, self._cause, self._entry)
        else:
            await super().finish()


def _is_update(entry: Entry) -> bool:
    [table] = entry.tables
    return (
        len(table.puts) == 1
        and bool(entry.heads)
        and not table.gone
        and not changes_components(table.about, table.before, table.rows)
    )
