"""Carrying out purges in steps of one transaction each; any replica may do the next step.

First all dependents are found and get tombstones. Then they are buried from the bottom up: an
aggregate gets its last event, `purged`, its row is deleted, and referrers that stay are changed by
ordinary events, so that the projections remain the fold of the log. Last, its events before that
one are erased, once all of them are published; the last event holds the checksum that it
continues, so the chain still verifies.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from libs import errors
from libs.contracts.events.lifecycle import PurgeReason, PurgeState
from libs.postgres import LockKey, Pool, try_lock
from libs.tasks import PeriodicTask
from services.events.lifecycle.dependents import (
    all_dependents,
    direct_dependents,
    names_without_owner,
    referrers_of,
)
from services.events.lifecycle.orders import PurgeOrders, system_context
from services.events.lifecycle.store import SQL, add_tombstones, purge_statement
from services.events.model.actions import PURGED
from services.events.model.aggregate import AggregateSpec
from services.events.model.aggregates import AGGREGATES, PROJECT
from services.events.model.log import PendingEvent
from services.events.model.merge import field_changes
from services.events.store import Store, Transaction
from services.events.store.guard import lock_project
from services.events.store.statements import kind_order

log = structlog.get_logger(__name__)

BURY_THINGS = 200
"""Aggregates that one step buries: about a tenth of a second."""
ERASE_THINGS = 200
RETENTION_THINGS = 200
"""Purges that one round of retention orders."""
TRIES_MAX = 10
"""Attempts of one step, over a quarter of an hour; after that a person has to look."""
IDLE_S = 1.0
WAIT_S = 0.5
"""Delay before the next check whether all events are published."""
RETENTION_INTERVAL_S = 3600.0
MEASURE_INTERVAL_S = 15.0
FAILURE_CHARS_MAX = 200

_buried = Counter(
    "scriptorium_events_purged_total", "Things that were removed for ever, by kind.", ["kind"]
)
_erased = Counter("scriptorium_events_erased_total", "Events that were erased from the log.")
_retried = Counter("scriptorium_events_purge_retries_total", "Steps of purges that failed.")
_open = Gauge("scriptorium_events_purges_open", "Purges that are not done yet.")
_failed = Gauge("scriptorium_events_purges_failed", "Purges that wait for a person.")
_age = Gauge("scriptorium_events_purge_age_seconds", "Age of the oldest purge that is not done.")


class Purger:
    """Carries out orders, and orders the purge of old deletions; one replica at a time works."""

    def __init__(self, pool: Pool, store: Store, *, deleted_kept_days: int | None = None) -> None:
        """Work on *pool*.

        Args:
            pool: The database.
            store: The store of the same database.
            deleted_kept_days: Days in which a deleted aggregate can be restored; None for ever.
        """
        self._pool = pool
        self._store = store
        self._kept_days = deleted_kept_days
        self._orders = PurgeOrders(store, pool)

    def tasks(self) -> list[PeriodicTask]:
        """Return what a replica does in the background."""
        return [
            PeriodicTask("purge", self.step, interval_s=IDLE_S),
            PeriodicTask("retire_deleted", self._retire, interval_s=RETENTION_INTERVAL_S),
            PeriodicTask("purge_figures", self._measure, interval_s=MEASURE_INTERVAL_S),
        ]

    async def _retire(self) -> None:
        await self.retire()

    async def retire(self) -> int:
        """Order the purge of aggregates deleted longer ago than they are kept; return how many."""
        if self._kept_days is None:
            return 0
        before = datetime.now(UTC) - timedelta(days=self._kept_days)
        due = await self._orders.deleted_before(before, limit=RETENTION_THINGS)
        for each in due:
            # The purge is attributed to the person who deleted the aggregate.
            await self._orders.order(each, PurgeReason.RETENTION, each.deleted_by)
        return len(due)

    async def step(self) -> bool:
        """Do one step of the oldest purge; return False when no purge is due."""
        purge = await self._pool.fetchrow(SQL.next)
        if purge is None:
            return False
        context = system_context(purge["project_id"], purge["requested_by"], purge["purge_id"])

        async def apply_step(tx: Transaction) -> bool:
            if not await try_lock(tx.connection, LockKey.PURGE):
                return False  # another replica works on purges
            now = await tx.connection.fetchrow(SQL.next)
            if now is None or now["purge_id"] != purge["purge_id"]:
                return True
            await self._advance(tx, now)
            return True

        try:
            return await self._store.run_command(context, apply_step)
        except errors.Unavailable:
            raise
        except (errors.AppError, asyncpg.PostgresError, ValueError, KeyError) as error:
            await self._note_failure(purge, error)
            return True

    async def _advance(self, tx: Transaction, purge: asyncpg.Record) -> None:
        match PurgeState(purge["state"]):
            case PurgeState.GATHERING:
                await self._gather(tx, purge)
            case PurgeState.BURYING:
                await self._bury(tx, purge)
            case PurgeState.ERASING:
                await self._erase(tx, purge)
            case PurgeState.DONE | PurgeState.FAILED:
                raise AssertionError

    async def _gather(self, tx: Transaction, purge: asyncpg.Record) -> None:
        """Find all dependents. Later ones are found when their owners are buried."""
        purge_id, project_id = purge["purge_id"], purge["project_id"]
        spec = AGGREGATES[purge["kind"]]
        if spec is PROJECT:
            await tx.lock(PROJECT, project_id)
            await lock_project(tx.connection, project_id)
            kinds = list(AGGREGATES.values())
            await tx.connection.execute(
                SQL.lay_project,
                purge_id,
                project_id,
                [kind.kind for kind in kinds],
                [kind_order(kind) for kind in kinds],
            )
        else:
            found = await all_dependents(tx.connection, project_id, spec, purge["target_id"])
            await add_tombstones(tx.connection, purge_id, project_id, found)
        await tx.connection.execute(SQL.advance, purge_id, PurgeState.BURYING.value)

    async def _bury(self, tx: Transaction, purge: asyncpg.Record) -> None:
        """Bury the lowest aggregates."""
        connection, purge_id = tx.connection, purge["purge_id"]
        rows = await connection.fetch(SQL.to_bury, purge_id, BURY_THINGS)
        if not rows:
            await connection.execute(SQL.advance, purge_id, PurgeState.ERASING.value)
            return
        spec, ids = AGGREGATES[rows[0]["kind"]], [row["aggregate_id"] for row in rows]
        pending_events = await self._burial(tx, purge["project_id"], spec, ids)
        if isinstance(pending_events, dict):
            await add_tombstones(connection, purge_id, purge["project_id"], pending_events)
            await connection.execute(SQL.count_things, purge_id)
            return
        await tx.record(pending_events)
        await connection.execute(SQL.buried, ids)
        await connection.execute(SQL.count_buried, purge_id, len(ids))
        _buried.labels(spec.kind).inc(len(ids))

    async def _burial(
        self, tx: Transaction, project_id: UUID, spec: AggregateSpec, ids: Sequence[UUID]
    ) -> list[PendingEvent] | dict[UUID, AggregateSpec]:
        """Return the events of a burial, or the dependents that have to be buried before."""
        called = await names_without_owner(tx.connection, project_id, spec.kind, ids)
        named_by = await referrers_of(tx.connection, project_id, spec.kind, ids, called)
        wanted = dict.fromkeys(ids, spec) | {key: kind for key, (kind, _) in named_by.items()}
        held, _ = await tx.lock_all(wanted)
        # A concurrent insert of a dependent ends before this, and is seen after it.
        await tx.connection.execute(purge_statement("hold_rows", spec.kind), ids)
        late = await direct_dependents(tx.connection, project_id, spec.kind, ids)
        if late:
            return late
        pending_events: list[PendingEvent] = []
        for key, (kind, names) in named_by.items():
            row = held.get(key)
            if row is not None:
                cleared = {name: None for name in names if row[name] in {*ids, *called}}
                pending_events += field_changes(kind, key, row, cleared)
        for key in ids:
            head = tx.head_of(key)
            data = {"events": head.version, "checksum": head.checksum}
            pending_events.append(PendingEvent(spec, key, PURGED, data))
        return pending_events

    async def _erase(self, tx: Transaction, purge: asyncpg.Record) -> None:
        """Delete the events before the last one of some aggregates from the log."""
        connection, purge_id = tx.connection, purge["purge_id"]
        done = await connection.fetchrow(SQL.erase, purge_id, ERASE_THINGS)
        assert done is not None
        if done["waiting"]:
            await connection.execute(SQL.wait, purge_id, WAIT_S)
        elif done["erased"]:
            await connection.execute(SQL.count_erased, purge_id, done["erased"], done["removed"])
            _erased.inc(done["removed"])
        else:
            if purge["kind"] == PROJECT.kind:
                await connection.execute(SQL.forget_project, purge_id)
            await connection.execute(SQL.advance, purge_id, PurgeState.DONE.value)
            log.info(
                "purged",
                purge_id=str(purge_id),
                project_id=str(purge["project_id"]),
                kind=purge["kind"],
                target_id=str(purge["target_id"]),
                reason=purge["reason"],
                requested_by=str(purge["requested_by"]),
                things=purge["buried"],
                events=purge["events"],
            )

    async def _note_failure(self, purge: asyncpg.Record, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"[:FAILURE_CHARS_MAX]
        state = await self._pool.fetchval(SQL.fail, purge["purge_id"], reason, TRIES_MAX)
        _retried.inc()
        log.error(
            "step of a purge failed",
            purge_id=str(purge["purge_id"]),
            state=state,
            reason=reason,
            exc_info=error,
        )

    async def _measure(self) -> None:
        row = await self._pool.fetchrow(SQL.measure)
        assert row is not None
        _open.set(row["open"])
        _failed.set(row["failed"])
        _age.set(row["age_s"])
