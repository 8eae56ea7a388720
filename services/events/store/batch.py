"""What one append writes, prepared before anything is sent to the database; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from libs.contracts.events.event import Event
from services.events.model.aggregate import Aggregate, Row
from services.events.model.equality import same
from services.events.model.log import Cause, Draft, Head, Written, chained, fold
from services.events.store.claims import Claim
from services.events.store.components import as_text
from services.events.store.statements import order_of, statement


@dataclass(slots=True)
class AggregateState:
    """Where an aggregate stands within an action: the end of its chain, and its row if any."""

    head: Head
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

    about: Aggregate
    before: Mapping[UUID, Row | None]
    rows: Sequence[Row]
    gone: Sequence[UUID]
    writes: Sequence[RowWrite]


@dataclass(frozen=True, slots=True)
class Batch:
    """The events of one append, and what follows from them for the projections.

    Args:
        drafts: What happens, in order.
        written: The event of each.
        heads: The ends of the chains that they continue; all other chains begin with them.
        claim: The claim of the command, if it is made by this append.
        tables: The changes of rows; a kind comes after the kinds that it hangs under.
    """

    drafts: Sequence[Draft]
    written: Sequence[Written]
    heads: Mapping[UUID, Head]
    claim: Claim | None
    tables: Sequence[TableWrite]

    @property
    def ends(self) -> dict[UUID, Event]:
        """The last event of each aggregate."""
        return {each.event.aggregate_id: each.event for each in self.written}


def prepare_batch(
    drafts: Sequence[Draft],
    ids: Sequence[UUID],
    states: States,
    *,
    cause: Cause,
    claim: Claim | None,
) -> Batch:
    """Return what *drafts* write, and move *states* on to where they leave their aggregates.

    Args:
        drafts: What happens, in order.
        ids: The id of each event.
        states: The aggregates known to the action; a draft about any other one begins it.
        cause: What the events have in common.
        claim: The claim of the command, if this append is to make it.

    Raises:
        errors.TooLarge: The data of an event is above the limit.
        errors.Invalid: A row would have a component that its type does not have.
    """
    heads = {
        key: state.head
        for key in {draft.aggregate_id for draft in drafts}
        if (state := states.get(key))
    }
    written = chained(drafts, heads, cause, at=_moment(drafts, states), ids=ids)
    before = {key: states[key].row for key in heads}
    kinds: dict[UUID, Aggregate] = {}
    for draft, (event, *_) in zip(drafts, written, strict=True):
        kinds[event.aggregate_id] = draft.about
        state = states.setdefault(event.aggregate_id, AggregateState(Head(), None))
        state.row = fold(draft.about, state.row, event)
        state.head = Head(event.version, event.checksum)
    after = {key: states[key].row for key in kinds}
    return Batch(drafts, written, heads, claim, _table_writes(kinds, before, after))


def _moment(drafts: Sequence[Draft], states: States) -> datetime:
    """Return the time of the events.

    The clocks of replicas differ; the time of an aggregate still never runs backwards.
    """
    seen = [
        state.row["updated_at"]
        for draft in drafts
        if (state := states.get(draft.aggregate_id)) and state.row
    ]
    return max([datetime.now(UTC), *seen])


def _table_writes(
    kinds: Mapping[UUID, Aggregate],
    before: Mapping[UUID, Row | None],
    after: Mapping[UUID, Row | None],
) -> list[TableWrite]:
    """Return how rows change, kind by kind.

    Within one kind the order of *kinds* is kept: a row that gives up a unique value is written
    before the row that takes it.
    """
    by_kind: dict[str, list[UUID]] = {}
    for key, about in kinds.items():
        by_kind.setdefault(about.kind, []).append(key)
    found: list[TableWrite] = []
    for keys in sorted(by_kind.values(), key=lambda keys: order_of(kinds[keys[0]])):
        about = kinds[keys[0]]
        gone = [key for key in keys if after[key] is None]
        updated, inserted = list[Row](), list[Row]()
        for key in keys:
            if (row := after[key]) is not None:
                about.require_whole(row)
                (updated if before.get(key) is not None else inserted).append(row)
        writes = [*_updates(about, before, updated), *_insertions(about, inserted)]
        found.append(TableWrite(about, before, [*updated, *inserted], gone, writes))
    return found


def _updates(
    about: Aggregate, before: Mapping[UUID, Row | None], rows: Sequence[Row]
) -> list[RowWrite]:
    """Return how rows are updated: one in all columns, several in those that changed."""
    if not rows:
        return []
    if len(rows) == 1:
        row = as_text({column: rows[0][column] for column in about.columns})
        return [RowWrite(statement("update_row", about), row)]
    both = [(old, row) for row in rows if (old := before[row["id"]])]
    changed = tuple(
        column
        for column in about.columns
        if not all(same(old[column], row[column]) for old, row in both)
    )
    return [RowWrite(statement("update_rows", about, changed), _as_text(("id", *changed), rows))]


def _insertions(about: Aggregate, rows: Sequence[Row]) -> list[RowWrite]:
    if not rows:
        return []
    return [RowWrite(statement("insert_rows", about), _as_text(about.columns, rows))]


def _as_text(columns: Sequence[str], rows: Sequence[Row]) -> str:
    return as_text([{column: row[column] for column in columns} for row in rows])
