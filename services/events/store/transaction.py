"""One user action in the database: append, announce and project, all of it or nothing."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from libs.contracts.ids import new_id
from libs.postgres import Connection
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.log import ChainHead, CommandContext, PendingEvent
from services.events.store import guard
from services.events.store.batch import AggregateState, States, prepare_batch
from services.events.store.claims import CommandClaim, find_claim, make_claim
from services.events.store.reader import Reader
from services.events.store.recording import BatchWriter
from services.events.store.statements import SQL, kind_depth, marked_by_id, statement

BATCH_EVENTS_MAX = 250
"""Events that one statement for the log, and one for each table, write."""
MANY = 50
"""Rows from which on they are found by their ids alone; see `look_up_by_id` in queries.sql."""


class Transaction(Reader):
    """One user action: it locks, decides and records, and all of it commits or nothing."""

    def __init__(self, connection: Connection, context: CommandContext) -> None:
        """Record over *connection* events of *context*."""
        super().__init__(connection, context.project_id)
        self._context = context
        self._states: States = {}
        self._claim: CommandClaim | None = None
        self._by_id = False
        self.recorded = False
        """Whether any event was recorded."""

    def claim_on_append(self, claim: CommandClaim) -> None:
        """Claim the command together with the first append, or at the end if nothing is appended.

        This saves a look-up beforehand; `record` raises `Repeated` when the command is not new.
        """
        self._claim = claim

    async def finish(self) -> None:
        """Make the claim that no append has made; raises as `claim`."""
        if self._claim:
            await self.claim(self._claim)

    async def claim(self, claim: CommandClaim) -> UUID | None:
        """Claim a command; return None when it is new, else the target of its first time.

        Raises:
            errors.IdempotencyKeyReused: The id belongs to another command.
        """
        return await make_claim(self._connection, claim, self._context.user_id)

    async def claimed(self, claim: CommandClaim) -> UUID | None:
        """Return the target of a command's first time, None when there was none; as `claim`."""
        return await find_claim(self._connection, claim, self._context.user_id)

    async def lock(self, spec: AggregateSpec, aggregate_id: UUID) -> Row | None:
        """Lock an aggregate of the project until the end, and return its row as it is now."""
        found = await self._connection.fetchrow(
            statement("lock", spec), self._project_id, spec.kind, aggregate_id
        )
        if found is None:
            return None
        row: Row = dict(found)
        head = ChainHead(row.pop("head_version"), row.pop("head_checksum"))
        state = self._states[aggregate_id] = AggregateState(head, row)
        if row["version"] != head.version:
            # The aggregate changed while this waited for the lock, or its row is gone.
            state.row = await self.row(spec, aggregate_id)
        return state.row

    async def lock_shared(self, spec: AggregateSpec, aggregate_id: UUID) -> Row | None:
        """Keep an aggregate of the project from changing until the end; return its row.

        The lock is shared: any number of transactions may have it. Nothing can be recorded about
        an aggregate that is only held.
        """
        held = await self._connection.fetchval(SQL.hold, self._project_id, spec.kind, aggregate_id)
        return await self.row(spec, aggregate_id) if held else None

    async def lock_all(
        self, wanted: Mapping[UUID, AggregateSpec]
    ) -> tuple[dict[UUID, Row], frozenset[UUID]]:
        """Lock aggregates of the project as `lock` does: one statement, and one for each kind.

        Returns their rows as they are now, without the columns that their views compute, and the
        ids of all that the project ever had, those that are gone included.
        """
        await self._expect(len(wanted))
        held = {
            each["aggregate_id"]: ChainHead(each["version"], each["checksum"])
            for each in await self._connection.fetch(
                self._marked(SQL.lock_all),
                self._project_id,
                list(wanted),
                [spec.kind for spec in wanted.values()],
                [kind_depth(spec) for spec in wanted.values()],
            )
        }
        rows = await self._rows_of({key: wanted[key] for key in held})
        for key, head in held.items():
            self._states[key] = AggregateState(head, rows.get(key))
        return rows, frozenset(held)

    async def lock_all_shared(self, wanted: Mapping[UUID, AggregateSpec]) -> dict[UUID, Row]:
        """Keep aggregates from changing, as `lock_shared` does; return their rows."""
        kinds = [spec.kind for spec in wanted.values()]
        held = await self._connection.fetch(SQL.hold_all, self._project_id, list(wanted), kinds)
        return await self._rows_of({row[0]: wanted[row[0]] for row in held})

    async def _rows_of(self, wanted: Mapping[UUID, AggregateSpec]) -> dict[UUID, Row]:
        kinds: dict[str, list[UUID]] = {}
        for key, spec in wanted.items():
            kinds.setdefault(spec.kind, []).append(key)
        rows: dict[UUID, Row] = {}
        for ids in kinds.values():
            query = self._marked(statement("read_all", wanted[ids[0]]))
            found = await self._connection.fetch(query, self._project_id, ids)
            rows |= {each["id"]: dict(each) for each in found}
        return rows

    @asynccontextmanager
    async def attempt(self) -> AsyncGenerator[None]:
        """Do a part of the action: if the part fails, it alone is undone."""
        kept = {key: AggregateState(each.head, each.row) for key, each in self._states.items()}
        claim = self._claim
        try:
            async with self._connection.transaction():
                yield
        except BaseException:
            self._states, self._claim = kept, claim
            raise

    async def lock_siblings(self, spec: AggregateSpec, parent_id: UUID) -> list[Row]:
        """Lock all children of a parent, deleted ones too; return them in their order."""
        found = await self._connection.fetch(
            statement("siblings", spec), self._project_id, parent_id
        )
        rows = {each["id"]: await self.lock(spec, each["id"]) for each in found}
        return sorted((row for row in rows.values() if row), key=lambda row: row["rank"])

    async def record(
        self, pending_events: Sequence[PendingEvent], ids: Sequence[UUID] | None = None
    ) -> None:
        """Append, announce and project; an aggregate that was not locked is a new one.

        Args:
            pending_events: The events, in order.
            ids: The ids of the events; new ones when omitted.

        Raises:
            errors.ConcurrencyConflict: An aggregate is not where this transaction saw it.
            Repeated: The command was recorded before.
            errors.TooLarge: The data of an event is above the limit.
            errors.AppError: The project is closed; see `require_open`.
        """
        ids = ids or [new_id() for _ in pending_events]
        await self._expect(len(pending_events))
        async with BatchWriter(self._connection, self._context, by_id=self._by_id) as writer:
            for start in range(0, len(pending_events), BATCH_EVENTS_MAX):
                end = start + BATCH_EVENTS_MAX
                claim, self._claim = self._claim, None
                batch = prepare_batch(
                    pending_events[start:end],
                    ids[start:end],
                    self._states,
                    context=self._context,
                    claim=claim,
                )
                await writer.write_batch(batch, last=end >= len(pending_events))
                self.recorded = True

    async def _expect(self, rows: int) -> None:
        if rows >= MANY and not self._by_id:
            await self._connection.execute(SQL.look_up_by_id)
            self._by_id = True

    def _marked(self, query: str) -> str:
        return marked_by_id(query) if self._by_id else query

    async def require_open(self) -> None:
        """Return when a change may happen in the project; raises as `guard.require`."""
        await guard.require_open(self._connection, self._context)

    def row_after(self, aggregate_id: UUID) -> Row | None:
        """Return the row of an aggregate that is locked as this action leaves it.

        Columns that its view computes are as they were at the lock; they do not depend on fields.
        """
        return self._states[aggregate_id].row

    def head_of(self, aggregate_id: UUID) -> ChainHead:
        """Return the end of the chain of an aggregate that is locked."""
        return self._states[aggregate_id].head
