"""The guard of archived, deleted and purged projects; every append passes it."""

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
    """Return when a change is allowed now and until the commit; raises as `require_changeable`."""
    require_changeable(await connection.fetchrow(SQL.hold_project, context.project_id), context)


def reappearing_ids(pending_events: Sequence[PendingEvent]) -> list[UUID]:
    """Return the aggregates that are created or restored; none of them may be purged."""
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
    """Return when *pending_events* are allowed in *project*, or without any when a change is.

    In an archived project only events of the project itself and of access to it are allowed; in
    a deleted one only the former. Events of the system itself are always allowed. *project* is the
    state of the project, locked until the commit; None when it does not exist.

    Raises:
        errors.ProjectArchived: The project is archived.
        errors.NotFound: The project is deleted, or does not exist.
        errors.Gone: An aggregate would be created or restored that is being purged.
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
    """Wait for all writers in a project, and block others until the commit.

    Lock the head of the project first, as all transactions do that need both.
    """
    await connection.execute(SQL.close_project, project_id)


def _of_project(pending_event: PendingEvent) -> bool:
    return pending_event.spec is PROJECT and pending_event.action in _OF_PROJECT
