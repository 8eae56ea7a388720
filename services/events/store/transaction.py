"""One user action in the database: append, announce and project, all of it or nothing."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.ids import new_id
from libs.postgres import Connection
from services.events.model.aggregate import Aggregate, Row
from services.events.model.log import Cause, Draft, Head, chained, fold
from services.events.store import guard
from services.events.store.reader import Reader
from services.events.store.recording import Claim, Entry, Writing, table_writes
from services.events.store.statements import SQL, depth_of, many, statement

RECORDED_AT_ONCE = 250
"""Drafts that one statement for the log, and one for each table, write."""
MANY = 50
"""Rows from which on they are found by their ids alone; see `look_up_by_id` in queries.sql."""


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
        self._by_id = False
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

    def _must_hold(self) -> None:
        """Return if this can keep from changing what it reads; called by all that must."""

    async def lock(self, about: Aggregate, aggregate_id: UUID) -> Row | None:
        """Hold an aggregate of the project until the end, and return its row as it is now."""
        self._must_hold()
        found = await self._connection.fetchrow(
            statement("lock", about), self._project_id, about.kind, aggregate_id
        )
        if found is None:
            return None
        row = self._keep(aggregate_id, found)
        locked = self._locked[aggregate_id]
        if row["version"] != locked.head.version:
            # Changed while this waited for the lock, or not there any more.
            locked.row = await self.row(about, aggregate_id)
        return locked.row

    def _keep(self, aggregate_id: UUID, found: asyncpg.Record) -> Row:
        row = dict(found)
        head = Head(row.pop("head_version"), row.pop("head_checksum"))
        self._locked[aggregate_id] = _Locked(head, row)
        return row

    async def hold(self, about: Aggregate, aggregate_id: UUID) -> Row | None:
        """Keep an aggregate of the project from changing until the end; returns its row.

        Any number of transactions may hold one at once; it cannot be recorded about.
        """
        self._must_hold()
        held = await self._connection.fetchval(SQL.hold, self._project_id, about.kind, aggregate_id)
        return await self.row(about, aggregate_id) if held else None

    async def lock_all(
        self, wanted: Mapping[UUID, Aggregate]
    ) -> tuple[dict[UUID, Row], frozenset[UUID]]:
        """Hold aggregates of the project as `lock` does: one statement, and one for each kind.

        Returns their rows as they are now, without what their views compute, and the ids of all
        that the project has had, so also of what is no longer there.
        """
        self._must_hold()
        await self._expect(len(wanted))
        held = {
            each["aggregate_id"]: Head(each["version"], each["checksum"])
            for each in await self._connection.fetch(
                self._marked(SQL.lock_all),
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
        self._must_hold()
        kinds = [about.kind for about in wanted.values()]
        held = await self._connection.fetch(SQL.hold_all, self._project_id, list(wanted), kinds)
        return await self._rows_of({row[0]: wanted[row[0]] for row in held})

    async def _rows_of(self, wanted: Mapping[UUID, Aggregate]) -> dict[UUID, Row]:
        kinds: dict[str, list[UUID]] = {}
        for key, about in wanted.items():
            kinds.setdefault(about.kind, []).append(key)
        rows: dict[UUID, Row] = {}
        for ids in kinds.values():
            query = self._marked(statement("read_all", wanted[ids[0]]))
            found = await self._connection.fetch(query, self._project_id, ids)
            rows |= {each["id"]: dict(each) for each in found}
        return rows

    @asynccontextmanager
    async def attempt(self) -> AsyncGenerator[None]:
        """Do a part of the action: when it fails, that part alone never happened."""
        self._must_hold()
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
        self._must_hold()
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
        ids = self._drawn(drafts, ids)
        await self._expect(len(drafts))
        async with Writing(self._connection, self._cause, by_id=self._by_id) as writing:
            for start in range(0, len(drafts), RECORDED_AT_ONCE):
                end = start + RECORDED_AT_ONCE
                entry = self._entered(drafts[start:end], ids[start:end])
                await writing.write(entry, last=end >= len(drafts))
                self.recorded = True

    async def _expect(self, rows: int) -> None:
        if rows >= MANY and not self._by_id:
            await self._connection.execute(SQL.look_up_by_id)
            self._by_id = True

    def _marked(self, query: str) -> str:
        return many(query) if self._by_id else query

    def _drawn(self, drafts: Sequence[Draft], ids: Sequence[UUID] | None) -> Sequence[UUID]:
        return ids or [new_id() for _ in drafts]

    async def require_open(self) -> None:
        """Return when a change may happen in the project; raises as `guard`."""
        self._must_hold()
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

    def _entered(self, drafts: Sequence[Draft], ids: Sequence[UUID]) -> Entry:
        """Return what some drafts write, and go on from where they leave their aggregates."""
        heads = {
            key: locked.head
            for key in {draft.aggregate_id for draft in drafts}
            if (locked := self._locked.get(key))
        }
        written = chained(drafts, heads, self._cause, at=self._moment(drafts), ids=ids)
        claim, self._claim = self._claim, None
        before = {key: self._locked[key].row for key in heads}
        kinds: dict[UUID, Aggregate] = {}
        for draft, (event, *_) in zip(drafts, written, strict=True):
            kinds[event.aggregate_id] = draft.about
            locked = self._locked.setdefault(event.aggregate_id, _Locked(Head(), None))
            locked.row = fold(draft.about, locked.row, event)
            locked.head = Head(event.version, event.checksum)
        after = {key: self._locked[key].row for key in kinds}
        return Entry(drafts, written, heads, claim, table_writes(kinds, before, after))
