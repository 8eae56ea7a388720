"""Writing what an action records: the log and the projections, a batch of drafts at a time.

While PostgreSQL writes one batch the next one is chained and folded here.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from libs import errors
from libs.contracts import subjects
from libs.contracts.events.event import Event
from libs.postgres import Connection
from libs.telemetry import inject_trace
from services.events.model.aggregate import Aggregate, Row
from services.events.model.equality import same
from services.events.model.log import Cause, Draft, Head, Written
from services.events.store import guard
from services.events.store.components import as_text, drop_components, put_components
from services.events.store.statements import APPEND, append_and_change, many, order_of, statement


@dataclass(frozen=True, slots=True)
class Claim:
    """A user action: what its retry is recognised by."""

    command_id: UUID
    digest: str
    target_id: UUID


class Repeated(Exception):
    """The action was recorded before; nothing of this time may be kept."""


@dataclass(frozen=True, slots=True)
class TableWrite:
    """What becomes of the rows of one kind: the statements, in their order, with arguments.

    Args:
        about: The kind.
        before: The rows as they were, of those that were there.
        rows: The rows as they are now, of those that still are.
        gone: The ids of those that are not.
        puts: Statements that write *rows*.
    """

    about: Aggregate
    before: Mapping[UUID, Row | None]
    rows: Sequence[Row]
    gone: Sequence[UUID]
    puts: Sequence[tuple[str, tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Entry:
    """Drafts, what they are in the log, and what they make of the projections.

    Args:
        drafts: In order.
        written: The event of each.
        heads: Where the chains stood that they continue; of others they are the first.
        claim: The action to be claimed with them, if it is not yet.
        tables: What above comes first.
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


class Writing:
    """Writes entries over one connection, in order; one may be under way when the next comes."""

    def __init__(self, connection: Connection, cause: Cause, *, by_id: bool) -> None:
        """Write over *connection* what *cause* leads to; *by_id* after `look_up_by_id`."""
        self._connection = connection
        self._cause = cause
        self._marked = many if by_id else str
        self._under_way: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def write(self, entry: Entry, *, last: bool) -> None:
        """Write an entry after those before it; waits for it only when it is the *last*.

        Raises:
            errors.ConcurrencyConflict: An aggregate is not where this transaction saw it.
            Repeated: The action was recorded before.
            errors.AppError: The project is closed; see `guard.require`.
        """
        if self._under_way:
            await self._under_way
            self._under_way = None
        if last:
            await self._write(entry)
        else:
            self._under_way = asyncio.create_task(self._write(entry))
            # So that it is on its way before the next entry is prepared.
            await asyncio.sleep(0)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the connection free, whatever happened meanwhile."""
        if self._under_way:
            self._under_way.cancel()
            await asyncio.gather(self._under_way, return_exceptions=True)

    async def _write(self, entry: Entry) -> None:
        done = await self._connection.fetchrow(self._marked(APPEND), *_appended(self._cause, entry))
        assert done
        # What was written is undone with the transaction.
        if not done["claimed"]:
            raise Repeated
        guard.require(done if done["archived"] is not None else None, self._cause, entry.drafts)
        if done["heads"] != len(entry.ends):
            raise errors.ConcurrencyConflict
        for table in entry.tables:
            await self._write_table(table)

    async def _write_table(self, table: TableWrite) -> None:
        connection, about = self._connection, table.about
        for key in table.gone:
            # What lasts goes only when it is purged, and the database sees to that.
            name = "bury_row" if about.lasting else "delete_row"
            await connection.execute(statement(name, about), key)
        await drop_components(connection, about, table.before, table.rows)
        for query, values in table.puts:
            await connection.execute(self._marked(query), *values)
        await put_components(connection, about, table.before, table.rows)


def table_writes(
    kinds: Mapping[UUID, Aggregate],
    before: Mapping[UUID, Row | None],
    after: Mapping[UUID, Row | None],
) -> list[TableWrite]:
    """Return how rows change; of several kinds what is above comes first.

    Of one kind in the order of *kinds*: who gives a unique value away before who takes it.

    Raises:
        errors.Invalid: A row would not be whole.
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
        puts = [*_updates(about, before, updated), *_insertions(about, inserted)]
        found.append(TableWrite(about, before, [*updated, *inserted], gone, puts))
    return found


type _Put = tuple[str, tuple[Any, ...]]
"""A statement and its arguments."""


def _updates(
    about: Aggregate, before: Mapping[UUID, Row | None], rows: Sequence[Row]
) -> list[_Put]:
    """Return how to update rows: one by its values, several as one set of what changed."""
    if len(rows) == 1:
        return [_put_one("update_row", about, rows[0])]
    if not rows:
        return []
    both = [(old, row) for row in rows if (old := before[row["id"]])]
    changed = tuple(
        column
        for column in about.columns
        if not all(same(old[column], row[column]) for old, row in both)
    )
    text = statement("update_rows", about, changed)
    return [(text, (_as_text(("id", *changed), rows),))]


def _insertions(about: Aggregate, rows: Sequence[Row]) -> list[_Put]:
    if len(rows) == 1:
        return [_put_one("insert_row", about, rows[0])]
    return [(statement("insert_rows", about), (_as_text(about.columns, rows),))] if rows else []


def _put_one(name: str, about: Aggregate, row: Row) -> _Put:
    return statement(name, about), tuple([row[column] for column in about.columns])


def _as_text(columns: Sequence[str], rows: Sequence[Row]) -> str:
    return as_text({column: row[column] for column in columns} for row in rows)


async def write_at_once(connection: Connection, cause: Cause, entry: Entry) -> None:
    """Write an entry about one aggregate that is there, in a transaction of this one statement.

    Raises:
        asyncpg.SerializationError: Something is not as it was thought to be, or not usual; nothing
            was written.
    """
    [table] = entry.tables
    [(_, row)] = table.puts
    await connection.execute(append_and_change(table.about), *_appended(cause, entry), *row)


def _appended(cause: Cause, entry: Entry) -> tuple[Any, ...]:
    """Return the parameters of `append`."""
    events, claim = [each.event for each in entry.written], entry.claim
    ends = entry.ends
    new = [event for key, event in ends.items() if key not in entry.heads]
    known = [event for key, event in ends.items() if key in entry.heads]
    return (
        [event.id for event in events],
        [event.aggregate_id for event in events],
        [event.aggregate_type for event in events],
        [event.event_type for event in events],
        [each.data for each in entry.written],
        [event.version for event in events],
        [event.checksum for event in events],
        cause.project_id,
        cause.user_id,
        dict(cause.metadata),
        events[0].timestamp,
        cause.causation_id,
        cause.correlation_id,
        cause.source.value,
        cause.bundle_id,
        guard.coming(entry.drafts),
        [event.aggregate_id for event in new],
        [event.aggregate_type for event in new],
        [event.version for event in new],
        [event.checksum for event in new],
        [event.aggregate_id for event in known],
        [event.version for event in known],
        [entry.heads[event.aggregate_id].version for event in known],
        [event.checksum for event in known],
        [_subject(event) for event in events],
        [each.announced for each in entry.written],
        json.dumps(inject_trace()),
        *((claim.command_id, claim.digest, claim.target_id) if claim else (None, None, None)),
    )


def _subject(event: Event) -> str:
    aggregate, _, action = event.event_type.partition(".")
    return subjects.fact("events", aggregate, action, event.project_id)
