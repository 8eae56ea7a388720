"""What may happen in a project that is archived or deleted, asked once for whatever is recorded."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.events.event import Source
from libs.postgres import Connection
from services.events.model.aggregates import PROJECT
from services.events.model.log import BIRTHS, Cause, Draft
from services.events.store.statements import SQL

_COME = BIRTHS | {"restored"}
_OF_PROJECT = frozenset({"archived", "unarchived", "deleted", "restored"})


async def require_open(connection: Connection, cause: Cause) -> None:
    """Return when a change may happen now, and until the commit; raises as `require`."""
    require(await connection.fetchrow(SQL.hold_project, cause.project_id), cause)


def coming(drafts: Sequence[Draft]) -> list[UUID]:
    """Return what begins or comes back by *drafts*: nothing that was purged may."""
    return [draft.aggregate_id for draft in drafts if draft.action in _COME]


def require(project: asyncpg.Record | None, cause: Cause, drafts: Sequence[Draft] = ()) -> None:
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
        if any(draft.about is PROJECT and draft.action in BIRTHS for draft in drafts):
            return
        raise errors.NotFound
    if project["purged"]:
        raise errors.Gone("It is being purged, and cannot come back.")
    if cause.source is Source.SYSTEM:
        return
    inside = [draft for draft in drafts if not _of_project(draft)]
    anything = not drafts
    if project["deleted"] and (anything or inside):
        raise errors.NotFound
    if project["archived"] and (anything or any(not draft.about.of_access for draft in inside)):
        raise errors.ProjectArchived


async def close(connection: Connection, project_id: UUID) -> None:
    """Wait for everybody who is recording in a project, and keep others out until the commit.

    Lock the project's head first, as everybody does who needs both.
    """
    await connection.execute(SQL.close_project, project_id)


def _of_project(draft: Draft) -> bool:
    return draft.about is PROJECT and draft.action in _OF_PROJECT
