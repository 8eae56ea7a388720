"""Orders to purge: from a person, from an operator, and from retention."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events import lifecycle as c
from libs.contracts.events.event import Source
from libs.contracts.ids import new_id
from libs.contracts.pages import Page
from libs.postgres import Pool
from services.events.common.commands import context_of, require_project, require_version
from services.events.lifecycle.store import SQL, add_tombstones, purge_statement
from services.events.model.aggregates import AGGREGATES, PROJECT
from services.events.model.log import CommandContext
from services.events.store import Store, Transaction

log = structlog.get_logger(__name__)

LASTING = tuple(spec for spec in AGGREGATES.values() if spec.keeps_deleted)
"""The kinds whose aggregates are kept when they are deleted, and so can be purged."""


class PurgeOrders:
    """Orders to purge, and handlers of requests about them; the gateway checks permissions."""

    def __init__(self, store: Store, pool: Pool) -> None:
        """Record in *store*; read from *pool*, which is the same database."""
        self._store = store
        self._pool = pool

    async def purge(self, question: c.Purge, actor: Actor) -> c.PurgeProgress:
        """Order the purge of a deleted aggregate; a repeated request gets the progress.

        Raises:
            errors.NotFound: The project does not have the aggregate.
            errors.Conflict: The aggregate is not deleted.
            errors.PreconditionFailed: The aggregate is at another version.
            errors.ProjectArchived: The project is archived.
        """
        spec, project_id = AGGREGATES[question.kind], actor.scope()
        require_project(spec, question.id, project_id)
        if not spec.keeps_deleted:
            raise errors.Invalid(
                f"A {spec.kind} is removed for good at once; there is nothing to purge."
            )

        async def apply_purge(tx: Transaction) -> c.PurgeProgress:
            found = await tx.connection.fetchrow(SQL.purge_of, project_id, question.id)
            if found is None or found["state"] == "failed":
                row = await tx.lock(spec, question.id)
                if row is None:
                    raise errors.NotFound
                if row["deleted_at"] is None:
                    raise errors.Conflict("Only deleted things can be purged; delete it first.")
                require_version(row, question.expected_version)
                project = await tx.row(PROJECT, project_id)
                if project and project["archived_at"] is not None and spec is not PROJECT:
                    raise errors.ProjectArchived
                due = _due(project_id, spec.kind, row)
                await _order(tx, due, c.PurgeReason.ASKED, actor.user_id)
                found = await tx.connection.fetchrow(SQL.purge_of, project_id, question.id)
            return progress(found)

        return await self._store.run_command(context_of(actor, question.command_id), apply_purge)

    async def read(self, question: c.ReadPurge, actor: Actor) -> c.PurgeProgress:
        """Show the progress of a purge to the person who ordered it.

        Raises:
            errors.NotFound: The person did not order a purge with this id.
        """
        found = await self._pool.fetchrow(SQL.purge_of_person, question.id, actor.user_id)
        if found is None:
            raise errors.NotFound
        return progress(found)

    async def listed(self, question: c.ListPurges, _: Actor) -> Page[c.PurgeProgress]:
        """Show an operator finished and running purges."""
        rows = await self._pool.fetch(SQL.purges, question.project_id, question.limit)
        return Page(items=[progress(row) for row in rows])

    async def due(self, question: c.PurgeDue, actor: Actor) -> c.DueThings:
        """Show an operator what was deleted long ago; order the purge unless it is a dry run."""
        items = await self.deleted_before(
            datetime.now(UTC) - timedelta(days=question.older_than_days),
            limit=question.limit + 1,
            project_id=question.project_id,
        )
        shown = c.DueThings(items=items[: question.limit], more=len(items) > question.limit)
        if not question.dry_run:
            for each in shown.items:
                await self.order(each, c.PurgeReason.OPERATOR, actor.user_id)
        return shown

    async def deleted_before(
        self, moment: datetime, *, limit: int, project_id: UUID | None = None
    ) -> list[c.DueThing]:
        """Return the aggregates that were deleted before *moment*, the longest deleted first."""
        found: list[c.DueThing] = []
        for spec in LASTING:
            query = SQL.due_projects if spec is PROJECT else purge_statement("due", spec.kind)
            rows = await self._pool.fetch(query, moment, project_id, limit)
            found += [_due(row["project_id"], spec.kind, row) for row in rows]
        return sorted(found, key=lambda each: (each.deleted_at, each.id))[:limit]

    async def order(self, due: c.DueThing, reason: c.PurgeReason, by: UUID) -> bool:
        """Order the purge of an aggregate; return False when it is no longer deleted."""
        spec = AGGREGATES[due.kind]

        async def apply_order(tx: Transaction) -> bool:
            row = await tx.lock(spec, due.id)
            if row is None or row["deleted_at"] is None or row["deleted_at"] > due.deleted_at:
                return False
            await _order(tx, due, reason, by)
            return True

        return await self._store.run_command(system_context(due.project_id, by), apply_order)


def system_context(project_id: UUID, user_id: UUID, purge_id: UUID | None = None) -> CommandContext:
    """Return the context of the events of a step of a purge."""
    bundle_id = new_id()
    return CommandContext(
        project_id=project_id,
        user_id=user_id,
        bundle_id=bundle_id,
        correlation_id=bundle_id.hex,
        causation_id=purge_id,
        source=Source.SYSTEM,
        metadata={"bundle": {"label": "Purge"}},
    )


def _due(project_id: UUID, kind: str, row: Any) -> c.DueThing:
    return c.DueThing(
        project_id=project_id,
        kind=kind,
        id=row["id"],
        deleted_at=row["deleted_at"],
        deleted_by=row["deleted_by"],
    )


async def _order(tx: Transaction, due: c.DueThing, reason: c.PurgeReason, by: UUID) -> None:
    """Record an order; from now on the aggregate, whose head is locked, cannot be restored."""
    purge_id = await tx.connection.fetchval(
        SQL.order, new_id(), due.project_id, due.kind, due.id, reason.value, by
    )
    if purge_id is None:  # a purge of it is running already
        return
    await add_tombstones(tx.connection, purge_id, due.project_id, {due.id: AGGREGATES[due.kind]})
    log.info(
        "purge ordered",
        purge_id=str(purge_id),
        project_id=str(due.project_id),
        kind=due.kind,
        target_id=str(due.id),
        reason=reason.value,
        requested_by=str(by),
    )


def progress(row: Any) -> c.PurgeProgress:
    """Return the progress in a row of `purges`."""
    known = {name: row[name] for name in c.PurgeProgress.model_fields if name != "id"}
    return c.PurgeProgress(id=row["purge_id"], **known)
