"""One user action in the database: append, project and announce, all of it or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from libs import errors
from libs.bus import Fact, announce
from libs.contracts import subjects
from libs.contracts.events import Event
from libs.contracts.ids import new_id
from libs.postgres import Connection
from libs.telemetry import inject
from services.events.model.aggregate import Aggregate, Row
from services.events.model.log import Cause, Draft, Head, chained, content, fold
from services.events.store.reader import Reader
from services.events.store.statements import SQL, statement


@dataclass(frozen=True, slots=True)
class Claim:
    """A user action: what its retry is recognised by."""

    command_id: UUID
    digest: str
    target_id: UUID


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
        known = await self._connection.fetchrow(SQL.claimed, command_id)
        assert known is not None
        if (known["user_id"], known["digest"]) != (user_id, claim.digest):
            raise errors.IdempotencyKeyReused
        return known["target_id"]

    async def lock(self, about: Aggregate, aggregate_id: UUID) -> Row | None:
        """Hold an aggregate of the project until the end, and return its row as it is now."""
        head = await self._connection.fetchrow(SQL.lock, self._project_id, about.kind, aggregate_id)
        if head is None:
            return None
        row = await self.row(about, aggregate_id)
        self._locked[aggregate_id] = _Locked(Head(head["version"], head["checksum"]), row)
        return row

    async def lock_siblings(self, about: Aggregate, parent_id: UUID) -> list[Row]:
        """Hold all children of something, deleted ones too; returns them in their order."""
        found = await self._connection.fetch(
            statement("siblings", about), self._project_id, parent_id
        )
        rows = {each["id"]: await self.lock(about, each["id"]) for each in found}
        return sorted((row for row in rows.values() if row), key=lambda row: row["rank"])

    async def record(self, drafts: Sequence[Draft]) -> None:
        """Append, project and announce; aggregates that were not locked are new ones.

        Raises:
            errors.ConcurrencyConflict: An aggregate is not where this transaction saw it.
            errors.TooLarge: An event's data is above the limit.
        """
        if not drafts:
            return
        heads = {key: locked.head for key, locked in self._locked.items()}
        events = chained(
            drafts, heads, self._cause, at=self._moment(drafts), ids=[new_id() for _ in drafts]
        )
        await self._advance(events)
        await self._append(events)
        await self._project(drafts, events)
        headers = inject()
        await announce(self._connection, [_fact(event, headers) for event in events])

    def _moment(self, drafts: Sequence[Draft]) -> datetime:
        # Clocks of replicas differ; an aggregate's time still never runs backwards.
        seen = [
            locked.row["updated_at"]
            for draft in drafts
            if (locked := self._locked.get(draft.aggregate_id)) and locked.row
        ]
        return max([datetime.now(UTC), *seen])

    async def _advance(self, events: Sequence[Event]) -> None:
        ends = {event.aggregate_id: event for event in events}
        new = [event for key, event in ends.items() if key not in self._locked]
        known = [event for key, event in ends.items() if key in self._locked]
        project_id = self._cause.project_id
        begun = (
            await self._connection.fetch(
                SQL.begin_heads,
                [event.aggregate_id for event in new],
                [event.aggregate_type for event in new],
                [event.version for event in new],
                [event.checksum for event in new],
                project_id,
            )
            if new
            else []
        )
        advanced = (
            await self._connection.fetch(
                SQL.advance_heads,
                [event.aggregate_id for event in known],
                [self._locked[event.aggregate_id].head.version for event in known],
                [event.version for event in known],
                [event.checksum for event in known],
                project_id,
            )
            if known
            else []
        )
        if (len(begun), len(advanced)) != (len(new), len(known)):
            raise errors.ConcurrencyConflict

    async def _append(self, events: Sequence[Event]) -> None:
        cause = self._cause
        await self._connection.execute(
            SQL.append,
            [event.id for event in events],
            [event.aggregate_id for event in events],
            [event.aggregate_type for event in events],
            [event.event_type for event in events],
            [event.data for event in events],
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
        )

    async def _project(self, drafts: Sequence[Draft], events: Sequence[Event]) -> None:
        before = {key: locked.row for key, locked in self._locked.items()}
        kinds: dict[UUID, Aggregate] = {}
        # In the order of the drafts, because what is above comes first there.
        for draft, event in zip(drafts, events, strict=True):
            kinds[event.aggregate_id] = draft.about
            locked = self._locked.setdefault(event.aggregate_id, _Locked(Head(), None))
            locked.row = fold(draft.about, locked.row, event)
            locked.head = Head(event.version, event.checksum)
        for key, about in kinds.items():
            row = self._locked[key].row
            if row is None:
                await self._connection.execute(statement("delete_row", about), key)
                continue
            name = "insert_row" if before.get(key) is None else "update_row"
            values = (row[column] for column in about.columns)
            await self._connection.execute(statement(name, about), *values)


def _fact(event: Event, headers: dict[str, str]) -> Fact:
    aggregate, _, action = event.event_type.partition(".")
    return Fact(
        event_id=event.id,
        subject=subjects.fact("events", aggregate, action, event.project_id),
        event=content(event) | {"checksum": event.checksum},
        headers=headers,
    )
