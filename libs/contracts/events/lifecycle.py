"""Requests to the events service about the end of things: archive and purge."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from libs.contracts.events.manuscript import Document
from libs.contracts.events.resources import Kind
from libs.contracts.pages import Page
from libs.contracts.rpc import Method
from libs.contracts.versions import Expected
from libs.contracts.wire import Wire

DUE_ITEMS_MAX = 500


class SetArchived(Wire):
    """Close the actor's project against changes, or open it again."""

    command_id: UUID
    archived: bool


class PurgeState(StrEnum):
    """The progress of a purge.

    The things are collected (`gathering`), removed from the bottom up (`burying`), and their log
    with all its copies is erased (`erasing`). A purge that `failed` continues when it is ordered
    again.
    """

    GATHERING = "gathering"
    BURYING = "burying"
    ERASING = "erasing"
    DONE = "done"
    FAILED = "failed"


class PurgeReason(StrEnum):
    """The reason of a purge."""

    ASKED = "asked"
    RETENTION = "retention"
    OPERATOR = "operator"


class Purge(Wire):
    """Remove something of the actor's project, and all below it, for ever; it must be deleted."""

    command_id: UUID
    kind: Kind
    id: UUID
    expected_version: Expected = None


class PurgeProgress(Wire):
    """A purge: of `things` so many are `buried` (gone) and `erased` (no longer in the log)."""

    id: UUID
    project_id: UUID
    kind: str
    target_id: UUID
    reason: PurgeReason
    state: PurgeState
    failure: str | None = None
    things: int
    buried: int
    erased: int
    events: int
    requested_by: UUID
    requested_at: datetime
    finished_at: datetime | None = None


class ReadPurge(Wire):
    """How far is a purge that the actor asked for?"""

    id: UUID


class ListPurges(Wire):
    """List the purges, the newest first; for operators."""

    project_id: UUID | None = None
    limit: int = Field(default=50, ge=1, le=DUE_ITEMS_MAX)


class PurgeDue(Wire):
    """Order the purge of things that were deleted long ago, or only list them; for operators.

    `project_id` restricts it to things of that project, itself included. `older_than_days` may be
    0, which means all deleted things.
    """

    dry_run: bool
    older_than_days: int = Field(ge=0, le=36_500)
    project_id: UUID | None = None
    limit: int = Field(default=DUE_ITEMS_MAX, ge=1, le=DUE_ITEMS_MAX)


class DueThing(Wire):
    """A deleted thing; the things below it are counted when they are gathered."""

    project_id: UUID
    kind: str
    id: UUID
    deleted_at: datetime
    deleted_by: UUID


class DueThings(Wire):
    """The things that are due, the longest deleted first; `more`: further ones are due."""

    items: list[DueThing]
    more: bool


SET_ARCHIVED = Method("events", "set_archived", SetArchived, Document)
PURGE = Method("events", "purge", Purge, PurgeProgress)
READ_PURGE = Method("events", "read_purge", ReadPurge, PurgeProgress)
LIST_PURGES = Method("events", "list_purges", ListPurges, Page[PurgeProgress])
PURGE_DUE = Method("events", "purge_due", PurgeDue, DueThings)
