"""What may happen in a project that is archived or deleted, asked once for whatever is recorded."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.events.event import Source
from libs.postgres import Connection
from services.events.model.aggregates import PROJECT
from services.events.model.log import CREATIONS, CommandContext, PendingEvent
from services.events.store.statements import SQL

_COME = CREATIONS | {"restored"}
_OF_PROJECT = frozenset({"archived", "unarchived", "deleted", "restored"})


async def require_open(connection: Connection, context: CommandContext) -> None:
    """Return when a change may happen now, and until the commit; raises as `require`."""
    require_changeable(await connection.fetchrow(SQL.hold_project, context.project_id), context)


def reappearing_ids(pending_events: Sequence[PendingEvent]) -> list[UUID]:
    """Return what begins or comes back by *drafts*: nothing that was purged may."""
    return [
        pending_event.aggregate_id
        for pending_event in pending_events
        if pending_event.action in _COME
    ]


def require_changeable(
    project: asyncpg.Record | None,
    context: CommandContext,
    pending_events: Sequence[PendingEvent] = (),
) -> None:
    """Return when *drafts* may happen in *project*, or without any when a change may.

    In an archived project only what is about the project as a whole, or about who may come in; in
    a deleted one only the former. What the system does by itself is not held up. *project* says
    what it is, and is kept so until the commit; None when there is none.

    Raises:
        errors.ProjectArchived: The project can only be read.
        errors.NotFound: It is deleted, or gone.
        errors.Gone: Something would come back that is being purged.
    """
    if project is None:
        if any(
            pending_event.spec is PROJECT and pending_event.action in CREATIONS
            for pending_event in pending_events
        ):
            return
        raise errors.NotFound
    if project["purged"]:
        raise errors.Gone("This is being purged and cannot be restored.")
    if context.source is Source.SYSTEM:
        return
    inside = [pending_event for pending_event in pending_events if not _of_project(pending_event)]
    anything = not pending_events
    if project["deleted"] and (anything or inside):
        raise errors.NotFound
    if project["archived"] and (
        anything or any(not pending_event.spec.grants_access for pending_event in inside)
    ):
        raise errors.ProjectArchived


async def lock_project(connection: Connection, project_id: UUID) -> None:
    """Wait for everybody who is recording in a project, and keep others out until the commit.

    Lock the project's head first, as everybody does who needs both.
    """
    await connection.execute(SQL.close_project, project_id)


def _of_project(pending_event: PendingEvent) -> bool:
    return pending_event.spec is PROJECT and pending_event.action in _OF_PROJECT
