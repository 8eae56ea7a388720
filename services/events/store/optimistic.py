"""A change of one aggregate in two round trips: read it, then write everything as one statement.

Nothing is locked in between. The statement is a transaction of its own and undoes itself when the
aggregate is no longer where it was read, the command was recorded before, or the project is closed.
Then, and whenever a change needs more than the row of one aggregate, the caller does the same with
locks, in a `Transaction`, which also knows the reason of a refusal.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from libs.contracts.ids import new_id
from libs.postgres import Connection
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.log import ChainHead, CommandContext, PendingEvent
from services.events.store.batch import AggregateState, Batch, prepare_batch
from services.events.store.claims import CommandClaim, make_claim
from services.events.store.components import changes_components
from services.events.store.recording import write_at_once
from services.events.store.statements import statement
from services.events.store.violations import ROW_REFUSALS

EVENTS_MAX = 250
"""Events of one change; a change of more is recorded in batches, which needs a transaction."""

_OUTRUN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)

type Decide = Callable[[Row], Sequence[PendingEvent] | None]
"""Decides upon the row of an aggregate what happens to it; None when that needs locks."""


@dataclass(frozen=True, slots=True)
class SingleChange:
    """A command that changes fields of one aggregate.

    Args:
        about: The kind of the aggregate.
        aggregate_id: Its id.
        claim: The claim of the command.
        decide: The decision on the aggregate.
    """

    spec: AggregateSpec
    aggregate_id: UUID
    claim: CommandClaim
    decide: Decide


@dataclass(frozen=True, slots=True)
class PreparedChange:
    """A decided change: the row that it leaves, and the batch to write, if any."""

    row: Row
    claim: CommandClaim
    batch: Batch | None


async def prepare_change(
    connection: Connection, context: CommandContext, change: SingleChange
) -> PreparedChange | None:
    """Read the aggregate of a change and decide; None when the change needs locks.

    Columns of the row that its view computes are as they were read; they do not depend on fields.

    Raises:
        errors.AppError: An error of `decide`.
        errors.TooLarge: The data of an event is above the limit.
    """
    key, spec = change.aggregate_id, change.spec
    found = await connection.fetchrow(statement("glance", spec), context.project_id, spec.kind, key)
    if found is None:
        return None
    row: Row = dict(found)
    state = AggregateState(ChainHead(row.pop("head_version"), row.pop("head_checksum")), row)
    pending_events = change.decide(row)
    if pending_events is None or len(pending_events) > EVENTS_MAX:
        return None
    if not pending_events:
        return PreparedChange(row, change.claim, None)
    ids = [new_id() for _ in pending_events]
    batch = prepare_batch(pending_events, ids, {key: state}, context=context, claim=change.claim)
    if state.row is None or not _is_update_of_one_row(batch):
        return None
    return PreparedChange(state.row, change.claim, batch)


async def write_change(
    connection: Connection, context: CommandContext, prepared: PreparedChange
) -> bool:
    """Write a change, or claim the command that changes nothing; return whether that was possible.

    False when something is not as it was read, or a table refuses the row: nothing was written, and
    a transaction with locks finds the reason.

    Raises:
        errors.IdempotencyKeyReused: The command changes nothing, and its id belongs to another one.
    """
    if prepared.batch is None:
        await make_claim(connection, prepared.claim, context.user_id)
        return True
    try:
        await write_at_once(connection, context, prepared.batch)
    except (*_OUTRUN, *ROW_REFUSALS):
        return False
    return True


def _is_update_of_one_row(batch: Batch) -> bool:
    [table] = batch.tables
    return not table.gone and not changes_components(table.spec, table.before, table.rows)
