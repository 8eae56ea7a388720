"""What may be asked of the events service about the end of things: archive and purge."""

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
    """How far a purge has come.

    What goes is found (`gathering`), taken away from the bottom up (`burying`), and its log and all
    copies of that are erased (`erasing`). A purge that `failed` can be asked for again and goes on.
    """

    GATHERING = "gathering"
    BURYING = "burying"
    ERASING = "erasing"
    DONE = "done"
    FAILED = "failed"


class PurgeReason(StrEnum):
    """Why something is purged."""

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
    """What was purged and is being purged, the newest first; for operators."""

    project_id: UUID | None = None
    limit: int = Field(default=50, ge=1, le=DUE_ITEMS_MAX)


class PurgeDue(Wire):
    """Order the purge of what was deleted so long ago, or only tell what that is; for operators.

    With `project_id` only what belongs to that project, itself included. `older_than_days` may be
    0, which is everything that is deleted.
    """

    dry_run: bool
    older_than_days: int = Field(ge=0, le=36_500)
    project_id: UUID | None = None
    limit: int = Field(default=DUE_ITEMS_MAX, ge=1, le=DUE_ITEMS_MAX)


class DueThing(Wire):
    """Something that is deleted: what goes with it is counted when it is gathered."""

    project_id: UUID
    kind: str
    id: UUID
    deleted_at: datetime
    deleted_by: UUID


class DueThings(Wire):
    """What is due, the longest deleted first; `more` tells that there is more of it."""

    items: list[DueThing]
    more: bool


SET_ARCHIVED = Method("events", "set_archived", SetArchived, Document)
PURGE = Method("events", "purge", Purge, PurgeProgress)
READ_PURGE = Method("events", "read_purge", ReadPurge, PurgeProgress)
LIST_PURGES = Method("events", "list_purges", ListPurges, Page[PurgeProgress])
PURGE_DUE = Method("events", "purge_due", PurgeDue, DueThings)
