"""One user action in the database: append, announce and project, all of it or nothing."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from libs import errors
from libs.contracts import subjects
from libs.contracts.events import Event
from libs.contracts.ids import new_id
from libs.postgres import Connection
from libs.telemetry import inject
from services.events.model.aggregate import Aggregate, Row
from services.events.model.log import Cause, Draft, Head, Written, chained, fold
from services.events.store import guard
from services.events.store.components import drop_components, put_components
from services.events.store.reader import Reader
from services.events.store.statements import SQL, depth_of, order_of, statement


@dataclass(frozen=True, slots=True)
class Claim:
    """A user action: what its retry is recognised by."""

    command_id: UUID
    digest: str
    target_id: UUID


class Repeated(Exception):
    """The action was recorded before; nothing of this time may be kept."""


@dataclass(slots=True)
class _Locked:
    head: Head
    row: Row | None


class Transaction(Reader):
    """One user action: it locks, decides and records, and all of it commits or nothing."""

    def __init__(self, connection: Connection, cause: Cause) -> None:
        """Record over *connection* what *cause* leads to."""
        super().__init__(connection, cause.project_id)
        self._cause = cause
        self._locked: dict[UUID, _Locked] = {}
        self._claim: Claim | None = None
        self.recorded = False
        """Whether anything was."""

    def claim_on_append(self, claim: Claim) -> None:
        """Claim the action together with what it records first, or else at the end.

        Saves asking beforehand whether it was done; who was too late is told by `Repeated`.
        """
        self._claim = claim

    async def finish(self) -> None:
        """Claim the action if it recorded nothing; raises as `claim`."""
        if self._claim:
            await self.claim(self._claim)

    async def claim(self, claim: Claim) -> UUID | None:
        """Return None when the action is new, else the target of its first time.

        Raises:
            errors.IdempotencyKeyReused: The id stands for another action.
        """
        user_id, command_id = self._cause.user_id, claim.command_id
        if await self._connection.fetchval(
            SQL.claim, command_id, user_id, claim.digest, claim.target_id
        ):
            return None
        return await self.claimed(claim)

    async def claimed(self, claim: Claim) -> UUID | None:
        """Return the target of the action's first time; None when there was none; as `claim`."""
        known = await self._connection.fetchrow(SQL.claimed, claim.command_id)
        if known and (known["user_id"], known["digest"]) != (self._cause.user_id, claim.digest):
            raise errors.IdempotencyKeyReused
        return known["target_id"] if known else None

    async def lock(self, about: Aggregate, aggregate_id: UUID) -> Row | None:
        """Hold an aggregate of the project until the end, and return its row as it is now."""
        found = await self._connection.fetchrow(
            statement("lock", about), self._project_id, about.kind, aggregate_id
        )
        if found is None:
            return None
        row: Row | None = dict(found)
        head = Head(row.pop("head_version"), row.pop("head_checksum"))
        if row["version"] != head.version:
            # Changed while this waited for the lock, or not there any more.
            row = await self.row(about, aggregate_id)
        self._locked[aggregate_id] = _Locked(head, row)
        return row

    async def hold(self, about: Aggregate, aggregate_id: UUID) -> Row | None:
        """Keep an aggregate of the project from changing until the end; returns its row.

        Any number of transactions may hold one at once; it cannot be recorded about.
        """
        held = await self._connection.fetchval(SQL.hold, self._project_id, about.kind, aggregate_id)
        return await self.row(about, aggregate_id) if held else None

    async def lock_all(
        self, wanted: Mapping[UUID, Aggregate]
    ) -> tuple[dict[UUID, Row], frozenset[UUID]]:
        """Hold aggregates of the project as `lock` does: one statement, and one for each kind.

        Returns their rows as they are now, without what their views compute, and the ids of all
        that the project has had, so also of what is no longer there.
        """
        held = {
            each["aggregate_id"]: Head(each["version"], each["checksum"])
            for each in await self._connection.fetch(
                SQL.lock_all,
                self._project_id,
                list(wanted),
                [about.kind for about in wanted.values()],
                [depth_of(about) for about in wanted.values()],
            )
        }
        rows = await self._rows_of({key: wanted[key] for key in held})
        for key, head in held.items():
            self._locked[key] = _Locked(head, rows.get(key))
        return rows, frozenset(held)

    async def hold_all(self, wanted: Mapping[UUID, Aggregate]) -> dict[UUID, Row]:
        """Keep aggregates of the project from changing, as `hold` does; returns their rows."""
        kinds = [about.kind for about in wanted.values()]
        held = await self._connection.fetch(SQL.hold_all, self._project_id, list(wanted), kinds)
        return await self._rows_of({row[0]: wanted[row[0]] for row in held})

    async def _rows_of(self, wanted: Mapping[UUID, Aggregate]) -> dict[UUID, Row]:
        kinds: dict[str, list[UUID]] = {}
        for key, about in wanted.items():
            kinds.setdefault(about.kind, []).append(key)
        rows: dict[UUID, Row] = {}
        for ids in kinds.values():
            query = statement("read_all", wanted[ids[0]])
            found = await self._connection.fetch(query, self._project_id, ids)
            rows |= {each["id"]: dict(each) for each in found}
        return rows

    @asynccontextmanager
    async def attempt(self) -> AsyncGenerator[None]:
        """Do a part of the action: when it fails, that part alone never happened."""
        kept = {key: _Locked(each.head, each.row) for key, each in self._locked.items()}
        claim = self._claim
        try:
            async with self._connection.transaction():
                yield
        except BaseException:
            self._locked, self._claim = kept, claim
            raise

    async def lock_siblings(self, about: Aggregate, parent_id: UUID) -> list[Row]:
        """Hold all children of something, deleted ones too; returns them in their order."""
        found = await self._connection.fetch(
            statement("siblings", about), self._project_id, parent_id
        )
        rows = {each["id"]: await self.lock(about, each["id"]) for each in found}
        return sorted((row for row in rows.values() if row), key=lambda row: row["rank"])

    async def record(self, drafts: Sequence[Draft], ids: Sequence[UUID] | None = None) -> None:
        """Append, announce and project; aggregates that were not locked are new ones.

        Args:
            drafts: What happens, in order.
            ids: The events' ids, when they are not to be drawn here.

        Raises:
            errors.ConcurrencyConflict: An aggregate is not where this transaction saw it.
            Repeated: The action was recorded before.
            errors.TooLarge: An event's data is above the limit.
            errors.AppError: The project is closed; see `require_open`.
        """
        if not drafts:
            return
        heads = {key: locked.head for key, locked in self._locked.items()}
        ids = ids or [new_id() for _ in drafts]
        written = chained(drafts, heads, self._cause, at=self._moment(drafts), ids=ids)
        events = [each.event for each in written]
        await self._append(drafts, written)
        self.recorded = True
        await self._project(drafts, events)

    async def require_open(self) -> None:
        """Return when a change may happen in the project; raises as `guard`."""
        await guard.require_open(self._connection, self._cause)

    def left(self, aggregate_id: UUID) -> Row | None:
        """Return the row of an aggregate that is locked as this action leaves it.

        What its view computes is as it was at the lock; that does not depend on fields.
        """
        return self._locked[aggregate_id].row

    def head_of(self, aggregate_id: UUID) -> Head:
        """Return the end of the chain of an aggregate that is locked."""
        return self._locked[aggregate_id].head

    def _moment(self, drafts: Sequence[Draft]) -> datetime:
        # Clocks of replicas differ; an aggregate's time still never runs backwards.
        seen = [
            locked.row["updated_at"]
            for draft in drafts
            if (locked := self._locked.get(draft.aggregate_id)) and locked.row
        ]
        return max([datetime.now(UTC), *seen])

    async def _append(self, drafts: Sequence[Draft], written: Sequence[Written]) -> None:
        """Write to the log, the ends of the chains and the outbox, if the project may change."""
        cause, events = self._cause, [each.event for each in written]
        claim, self._claim = self._claim, None
        ends = {event.aggregate_id: event for event in events}
        new = [event for key, event in ends.items() if key not in self._locked]
        known = [event for key, event in ends.items() if key in self._locked]
        done = await self._connection.fetchrow(
            SQL.append,
            [event.id for event in events],
            [event.aggregate_id for event in events],
            [event.aggregate_type for event in events],
            [event.event_type for event in events],
            [each.data for each in written],
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
            guard.coming(drafts),
            [event.aggregate_id for event in new],
            [event.aggregate_type for event in new],
            [event.version for event in new],
            [event.checksum for event in new],
            [event.aggregate_id for event in known],
            [event.version for event in known],
            [self._locked[event.aggregate_id].head.version for event in known],
            [event.checksum for event in known],
            [_subject(event) for event in events],
            [each.announced for each in written],
            json.dumps(inject()),
            *((claim.command_id, claim.digest, claim.target_id) if claim else (None, None, None)),
        )
        assert done
        # What was written is undone with the transaction.
        if not done["claimed"]:
            raise Repeated
        guard.require(done if done["archived"] is not None else None, cause, drafts)
        if done["heads"] != len(ends):
            raise errors.ConcurrencyConflict

    async def _project(self, drafts: Sequence[Draft], events: Sequence[Event]) -> None:
        before = {key: locked.row for key, locked in self._locked.items()}
        kinds: dict[UUID, Aggregate] = {}
        # In the order of the drafts, because what is above comes first there.
        for draft, event in zip(drafts, events, strict=True):
            kinds[event.aggregate_id] = draft.about
            locked = self._locked.setdefault(event.aggregate_id, _Locked(Head(), None))
            locked.row = fold(draft.about, locked.row, event)
            locked.head = Head(event.version, event.checksum)
        by_kind: dict[str, list[UUID]] = {}
        for key, about in kinds.items():
            by_kind.setdefault(about.kind, []).append(key)
        # Of several kinds what is above comes first; of one, who gives a unique value away before
        # who takes it.
        for keys in sorted(by_kind.values(), key=lambda keys: order_of(kinds[keys[0]])):
            about = kinds[keys[0]]
            gone = [key for key in keys if self._locked[key].row is None]
            there = [key for key in keys if self._locked[key].row is not None]
            for key in gone:
                # What lasts goes only when it is purged, and the database sees to that.
                name = "bury_row" if about.lasting else "delete_row"
                await self._connection.execute(statement(name, about), key)
            rows = [row for key in there if (row := self._locked[key].row) is not None]
            for row in rows:
                about.require_whole(row)
            await drop_components(self._connection, about, before, rows)
            known = [key for key in there if before.get(key) is not None]
            await self._put("update", about, known)
            await self._put("insert", about, [key for key in there if before.get(key) is None])
            await put_components(self._connection, about, before, rows)

    async def _put(self, verb: str, about: Aggregate, keys: Sequence[UUID]) -> None:
        """Write the rows of one kind: one by its values, several as one set."""
        rows = [row for key in keys if (row := self._locked[key].row) is not None]
        if len(rows) == 1:
            values = (rows[0][column] for column in about.columns)
            await self._connection.execute(statement(f"{verb}_row", about), *values)
        elif rows:
            values = [{column: row[column] for column in about.columns} for row in rows]
            text = json.dumps(values, separators=(",", ":"), default=_json)
            await self._connection.execute(statement(f"{verb}_rows", about), text)


def _json(value: Any) -> Any:
    match value:
        case UUID():
            return str(value)
        case date():
            return value.isoformat()
        case _:
            raise TypeError(f"a row holds {type(value).__name__}")


def _subject(event: Event) -> str:
    aggregate, _, action = event.event_type.partition(".")
    return subjects.fact("events", aggregate, action, event.project_id)
