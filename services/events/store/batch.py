"""The rows of one append, prepared before anything is sent to the database; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from libs.contracts.events.event import Event
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.equality import same
from services.events.model.log import (
    ChainedEvent,
    ChainHead,
    CommandContext,
    PendingEvent,
    chain_events,
    fold,
)
from services.events.store.claims import CommandClaim
from services.events.store.components import rows_to_json
from services.events.store.statements import kind_order, statement


@dataclass(slots=True)
class AggregateState:
    """The state of an aggregate within an action: the end of its chain, and its row if any."""

    head: ChainHead
    row: Row | None


type States = dict[UUID, AggregateState]
"""The aggregates that an action has read or changed so far, by id."""


@dataclass(frozen=True, slots=True)
class RowWrite:
    """A statement that writes rows, and the rows as its one parameter: JSON text."""

    query: str
    rows: str


@dataclass(frozen=True, slots=True)
class TableWrite:
    """How the rows of one kind of aggregate change.

    Args:
        about: The kind.
        before: The rows before the action, of those that existed.
        rows: The rows after it, of those that still exist.
        gone: The ids of the rows that no longer exist.
        writes: The statements that write *rows*, in their order.
    """

    spec: AggregateSpec
    before: Mapping[UUID, Row | None]
    rows: Sequence[Row]
    gone: Sequence[UUID]
    writes: Sequence[RowWrite]


@dataclass(frozen=True, slots=True)
class Batch:
    """The events of one append, and their effects on the projections.

    Args:
        pending_events: The events, in order.
        written: The event of each.
        heads: The ends of the chains that they continue; all other chains begin with them.
        claim: The claim of the command, if it is made by this append.
        tables: The changes of rows; a kind comes after the kinds that it hangs under.
    """

    pending_events: Sequence[PendingEvent]
    written: Sequence[ChainedEvent]
    heads: Mapping[UUID, ChainHead]
    claim: CommandClaim | None
    tables: Sequence[TableWrite]

    @property
    def ends(self) -> dict[UUID, Event]:
        """The last event of each aggregate."""
        return {each.event.aggregate_id: each.event for each in self.written}


def prepare_batch(
    pending_events: Sequence[PendingEvent],
    ids: Sequence[UUID],
    states: States,
    *,
    context: CommandContext,
    claim: CommandClaim | None,
) -> Batch:
    """Return what *pending_events* write, and move *states* on to how they leave the aggregates.

    Args:
        pending_events: The events, in order.
        ids: The id of each event.
        states: The aggregates known to the action; an event of any other one begins it.
        context: The command and actor of the events.
        claim: The claim of the command, if this append is to make it.

    Raises:
        errors.TooLarge: The data of an event is above the limit.
        errors.Invalid: A row would have a component that its type does not have.
    """
    heads = {
        key: state.head
        for key in {pending_event.aggregate_id for pending_event in pending_events}
        if (state := states.get(key))
    }
    written = chain_events(
        pending_events, heads, context, at=_moment(pending_events, states), ids=ids
    )
    before = {key: states[key].row for key in heads}
    kinds: dict[UUID, AggregateSpec] = {}
    for pending_event, (event, *_) in zip(pending_events, written, strict=True):
        kinds[event.aggregate_id] = pending_event.spec
        state = states.setdefault(event.aggregate_id, AggregateState(ChainHead(), None))
        state.row = fold(pending_event.spec, state.row, event)
        state.head = ChainHead(event.version, event.checksum)
    after = {key: states[key].row for key in kinds}
    return Batch(pending_events, written, heads, claim, _table_writes(kinds, before, after))


def _moment(pending_events: Sequence[PendingEvent], states: States) -> datetime:
    """Return the time of the events.

    The clocks of replicas differ; the time of an aggregate still never runs backwards.
    """
    seen = [
        state.row["updated_at"]
        for pending_event in pending_events
        if (state := states.get(pending_event.aggregate_id)) and state.row
    ]
    return max([datetime.now(UTC), *seen])


def _table_writes(
    kinds: Mapping[UUID, AggregateSpec],
    before: Mapping[UUID, Row | None],
    after: Mapping[UUID, Row | None],
) -> list[TableWrite]:
    """Return how rows change, kind by kind.

    Within one kind the order of *kinds* is kept: a row that gives up a unique value is written
    before the row that takes it.
    """
    by_kind: dict[str, list[UUID]] = {}
    for key, spec in kinds.items():
        by_kind.setdefault(spec.kind, []).append(key)
    found: list[TableWrite] = []
    for keys in sorted(by_kind.values(), key=lambda keys: kind_order(kinds[keys[0]])):
        spec = kinds[keys[0]]
        gone = [key for key in keys if after[key] is None]
        updated, inserted = list[Row](), list[Row]()
        for key in keys:
            if (row := after[key]) is not None:
                spec.require_whole(row)
                (updated if before.get(key) is not None else inserted).append(row)
        writes = [*_updates(spec, before, updated), *_insertions(spec, inserted)]
        found.append(TableWrite(spec, before, [*updated, *inserted], gone, writes))
    return found


def _updates(
    spec: AggregateSpec, before: Mapping[UUID, Row | None], rows: Sequence[Row]
) -> list[RowWrite]:
    """Return how rows are updated: one in all columns, several in those that changed."""
    if not rows:
        return []
    if len(rows) == 1:
        row = rows_to_json({column: rows[0][column] for column in spec.columns})
        return [RowWrite(statement("update_row", spec), row)]
    both = [(old, row) for row in rows if (old := before[row["id"]])]
    changed = tuple(
        column
        for column in spec.columns
        if not all(same(old[column], row[column]) for old, row in both)
    )
    return [RowWrite(statement("update_rows", spec, changed), _as_text(("id", *changed), rows))]


def _insertions(spec: AggregateSpec, rows: Sequence[Row]) -> list[RowWrite]:
    if not rows:
        return []
    return [RowWrite(statement("insert_rows", spec), _as_text(spec.columns, rows))]


def _as_text(columns: Sequence[str], rows: Sequence[Row]) -> str:
    return rows_to_json([{column: row[column] for column in columns} for row in rows])
