"""Writing batches: the log, the outbox and the projections.

While PostgreSQL writes one batch of a transaction, the next one is prepared in this process.
"""

import asyncio
import json
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import UUID

from libs import errors
from libs.contracts import subjects
from libs.contracts.events.event import Event
from libs.postgres import Connection
from libs.telemetry import inject_trace
from services.events.model.log import ChainedEvent, CommandContext
from services.events.store import guard
from services.events.store.batch import Batch, TableWrite
from services.events.store.claims import AlreadyRecorded, CommandClaim
from services.events.store.components import delete_components, write_components
from services.events.store.statements import APPEND, append_and_change, marked_by_id, statement


class AppendParameters(NamedTuple):
    """The parameters of `append` in `queries.sql`, in their order.

    Each group is a tuple in the order of its type's columns (migration 0121).
    """

    action: tuple[Any, ...]
    events: list[tuple[Any, ...]]
    heads: list[tuple[Any, ...]]
    coming: list[UUID]
    claim: tuple[UUID, str, UUID] | None

    @classmethod
    def of(cls, context: CommandContext, batch: Batch) -> "AppendParameters":
        """Return the parameters that append a batch."""
        return cls(
            action=_action(context, batch),
            events=[_event(each) for each in batch.written],
            heads=[_head(batch, key, event) for key, event in batch.ends.items()],
            coming=guard.reappearing_ids(batch.pending_events),
            claim=_claim(batch.claim) if batch.claim else None,
        )


def _action(context: CommandContext, batch: Batch) -> tuple[Any, ...]:
    """Return a value of the type `appended_action`."""
    return (
        context.project_id,
        context.user_id,
        context.bundle_id,
        batch.written[0].event.timestamp,
        context.source.value,
        context.correlation_id,
        context.causation_id,
        dict(context.metadata),
        json.dumps(inject_trace()),
    )


def _event(written: ChainedEvent) -> tuple[Any, ...]:
    """Return a value of the type `appended_event`."""
    event = written.event
    aggregate, _, action = event.event_type.partition(".")
    return (
        event.id,
        event.aggregate_id,
        event.aggregate_type,
        event.event_type,
        event.version,
        written.data,
        event.checksum,
        subjects.fact("events", aggregate, action, event.project_id),
        written.announced,
    )


def _head(batch: Batch, aggregate_id: UUID, last: Event) -> tuple[Any, ...]:
    """Return a value of the type `appended_head`."""
    before = batch.heads.get(aggregate_id)
    expected = before.version if before else None
    return aggregate_id, last.aggregate_type, expected, last.version, last.checksum


def _claim(claim: CommandClaim) -> tuple[UUID, str, UUID]:
    """Return a value of the type `command_claim`."""
    return claim.command_id, claim.digest, claim.target_id


async def write_at_once(connection: Connection, context: CommandContext, batch: Batch) -> None:
    """Write a batch that updates the row of one aggregate, as one statement and transaction.

    Raises:
        asyncpg.SerializationError: The aggregate, the command or the project is not as it was
            assumed to be; nothing was written.
        asyncpg.PostgresError: A constraint refused the row; nothing was written.
    """
    [table] = batch.tables
    [write] = table.writes
    query = append_and_change(table.spec)
    await connection.execute(query, *AppendParameters.of(context, batch), write.rows)


class BatchWriter:
    """Writes the batches of a transaction in order; one may be under way when the next comes."""

    def __init__(self, connection: Connection, context: CommandContext, *, by_id: bool) -> None:
        """Write over *connection* events of *context*.

        Args:
            connection: The connection of the transaction.
            context: The command and actor of the events.
            by_id: Whether `look_up_by_id` was run in the transaction.
        """
        self._connection = connection
        self._context = context
        self._marked = marked_by_id if by_id else str
        self._under_way: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def write_batch(self, batch: Batch, *, last: bool) -> None:
        """Write a batch after those before it; wait for its end only if it is the *last*.

        Raises:
            errors.ConcurrencyConflict: An aggregate is not where this transaction saw it.
            Repeated: The command was recorded before.
            errors.AppError: The project is closed; see `guard.require`.
        """
        if self._under_way:
            await self._under_way
            self._under_way = None
        if last:
            await self._write_batch(batch)
        else:
            self._under_way = asyncio.create_task(self._write_batch(batch))
            # Let it be sent before the next batch is prepared.
            await asyncio.sleep(0)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the connection free, also after an error."""
        if self._under_way:
            self._under_way.cancel()
            await asyncio.gather(self._under_way, return_exceptions=True)

    async def _write_batch(self, batch: Batch) -> None:
        query = self._marked(APPEND)
        done = await self._connection.fetchrow(query, *AppendParameters.of(self._context, batch))
        assert done
        # Raising undoes the whole transaction, so nothing of the batch is kept.
        if not done["claimed"]:
            raise AlreadyRecorded
        guard.require_changeable(
            done if done["archived"] is not None else None, self._context, batch.pending_events
        )
        if done["heads"] != len(batch.ends):
            raise errors.ConcurrencyConflict
        for table in batch.tables:
            await self._write_table(table)

    async def _write_table(self, table: TableWrite) -> None:
        connection, spec = self._connection, table.spec
        for key in table.gone:
            # A row that is deleted softly goes only when it is purged; the database checks that.
            name = "bury_row" if spec.keeps_deleted else "delete_row"
            await connection.execute(statement(name, spec), key)
        await delete_components(connection, spec, table.before, table.rows)
        for write in table.writes:
            await connection.execute(self._marked(write.query), write.rows)
        await write_components(connection, spec, table.before, table.rows)
