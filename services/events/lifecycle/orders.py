"""Orders to purge: from a person, from an operator, and from retention."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import structlog

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events import lifecycle as c
from libs.contracts.events.event import Source
from libs.contracts.ids import new_id
from libs.contracts.pages import Page
from libs.postgres import Connection, Pool, load_queries
from services.events.handlers.action import cause_of, require_project, require_version
from services.events.model.aggregate import Aggregate
from services.events.model.aggregates import AGGREGATES, PROJECT
from services.events.model.log import Cause
from services.events.store import Store, Transaction
from services.events.store.statements import order_of

log = structlog.get_logger(__name__)

SQL = load_queries("services.events.lifecycle")

LASTING = tuple(about for about in AGGREGATES.values() if about.lasting)
"""What is deleted softly, and so can be purged."""


@cache
def filled(name: str, kind: str, column: str = "") -> str:
    """Return a statement about one kind."""
    text: str = getattr(SQL, name)
    return text.format(table=AGGREGATES[kind].table, column=column)


class Orders:
    """Answers about purges. Whether the actor may is the gateway's to say."""

    def __init__(self, store: Store, pool: Pool) -> None:
        """Record in *store*; read from *pool*, which is the same database."""
        self._store = store
        self._pool = pool

    async def purge(self, question: c.Purge, actor: Actor) -> c.PurgeProgress:
        """Order that something deleted is removed for ever; asked again, tell how far that is.

        Raises:
            errors.NotFound: The project has no such thing.
            errors.Conflict: It is not deleted.
            errors.PreconditionFailed: It is at another version.
            errors.ProjectArchived: Its project can only be read.
        """
        about, project_id = AGGREGATES[question.kind], actor.scope()
        require_project(about, question.id, project_id)
        if not about.lasting:
            raise errors.Invalid(
                f"A {about.kind} that is removed is gone; there is nothing to purge."
            )

        async def work(tx: Transaction) -> c.PurgeProgress:
            found = await tx.connection.fetchrow(SQL.purge_of, project_id, question.id)
            if found is None or found["state"] == "failed":
                row = await tx.lock(about, question.id)
                if row is None:
                    raise errors.NotFound
                if row["deleted_at"] is None:
                    raise errors.Conflict("Delete it first; only what is deleted can be purged.")
                require_version(row, question.expected_version)
                project = await tx.row(PROJECT, project_id)
                if project and project["archived_at"] is not None and about is not PROJECT:
                    raise errors.ProjectArchived
                due = _due(project_id, about.kind, row)
                await _order(tx, due, c.PurgeReason.ASKED, actor.user_id)
                found = await tx.connection.fetchrow(SQL.purge_of, project_id, question.id)
            return progress(found)

        return await self._store.command(cause_of(actor, question.command_id), work)

    async def read(self, question: c.ReadPurge, actor: Actor) -> c.PurgeProgress:
        """Tell the person who ordered a purge how far it is.

        Raises:
            errors.NotFound: They ordered none of this id.
        """
        found = await self._pool.fetchrow(SQL.purge_of_person, question.id, actor.user_id)
        if found is None:
            raise errors.NotFound
        return progress(found)

    async def listed(self, question: c.ListPurges, _: Actor) -> Page[c.PurgeProgress]:
        """Show an operator what was and what is being purged."""
        rows = await self._pool.fetch(SQL.purges, question.project_id, question.limit)
        return Page(items=[progress(row) for row in rows])

    async def due(self, question: c.PurgeDue, actor: Actor) -> c.DueThings:
        """Show an operator what was deleted long ago; order its purge unless it is a dry run."""
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
        """Return what was deleted before *moment*, the longest deleted first."""
        found: list[c.DueThing] = []
        for about in LASTING:
            query = SQL.due_projects if about is PROJECT else filled("due", about.kind)
            rows = await self._pool.fetch(query, moment, project_id, limit)
            found += [_due(row["project_id"], about.kind, row) for row in rows]
        return sorted(found, key=lambda each: (each.deleted_at, each.id))[:limit]

    async def order(self, due: c.DueThing, reason: c.PurgeReason, by: UUID) -> bool:
        """Order the purge of something; False when it is no longer deleted."""
        about = AGGREGATES[due.kind]

        async def work(tx: Transaction) -> bool:
            row = await tx.lock(about, due.id)
            if row is None or row["deleted_at"] is None or row["deleted_at"] > due.deleted_at:
                return False
            await _order(tx, due, reason, by)
            return True

        return await self._store.command(system_cause(due.project_id, by), work)


def system_cause(project_id: UUID, user_id: UUID, purge_id: UUID | None = None) -> Cause:
    """Return what the events of a step of a purge have in common."""
    bundle_id = new_id()
    return Cause(
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
    """Note the order; from now on the thing, whose head is locked, cannot be restored."""
    purge_id = await tx.connection.fetchval(
        SQL.order, new_id(), due.project_id, due.kind, due.id, reason.value, by
    )
    if purge_id is None:  # it is on its way already
        return
    await lay(tx.connection, purge_id, due.project_id, {due.id: AGGREGATES[due.kind]})
    log.info(
        "purge ordered",
        purge_id=str(purge_id),
        project_id=str(due.project_id),
        kind=due.kind,
        target_id=str(due.id),
        reason=reason.value,
        requested_by=str(by),
    )


async def lay(
    connection: Connection, purge_id: UUID, project_id: UUID, things: Mapping[UUID, Aggregate]
) -> None:
    """Take some aggregates into a purge; they cannot come back."""
    await connection.execute(
        SQL.lay,
        purge_id,
        project_id,
        list(things),
        [about.kind for about in things.values()],
        [order_of(about) for about in things.values()],
    )


def progress(row: Any) -> c.PurgeProgress:
    """Return a row of `purges` as it is shown."""
    known = {name: row[name] for name in c.PurgeProgress.model_fields if name != "id"}
    return c.PurgeProgress(id=row["purge_id"], **known)
