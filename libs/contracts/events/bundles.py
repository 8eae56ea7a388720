"""Bundles: the operations of one user action or one job, committed or refused as one.

An operation names an aggregate and an action; `set` changes one field. The server records
the old value of each. `may` holds the permissions of the actor, as the gateway decided them
(`<kind>.<deed>`): the service refuses an operation that needs another.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from libs.contracts import names
from libs.contracts.events.event import Source
from libs.contracts.events.manuscript import Done
from libs.contracts.events.resources import INDEX_MAX
from libs.contracts.pages import PAGE_ITEMS_DEFAULT, Cursor, Page, PageLimit
from libs.contracts.rpc import Method
from libs.contracts.values import Instant, JsonValue
from libs.contracts.wire import Sparse, Wire

OPERATIONS_MAX = 10_000
"""Operations of one bundle, or staged for one job."""
OPERATIONS_WARNED = 1_000
"""A bundle above this is committed with a warning: it is slow to review and to undo."""
BUNDLE_BYTES_MAX = 6 << 20
"""Size of a bundle's request; a message on the bus may have 8 MiB."""
COMMIT_DEADLINE_S = 30.0
"""How long a bundle of OPERATIONS_MAX may take on a busy machine."""
LABEL_CHARS_MAX = 200
PATH_CHARS_MAX = 100
RESOLUTIONS_MAX = 1_000
FIELDS_MAX = 1_000
PARTS_MAX = 1_000
"""Parts in which one job stages its operations."""
JOBS_OPEN_MAX = 100
"""Jobs of one project that have staged and not ended."""

Version = Annotated[int, Field(ge=1, le=2**31 - 1)]
Label = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=LABEL_CHARS_MAX,
        pattern=names.PATTERN,
    ),
]
Path = Annotated[str, StringConstraints(min_length=1, max_length=PATH_CHARS_MAX)]
Place = Annotated[int, Field(ge=0, le=INDEX_MAX)]

PLACE = "place"
"""The name for parent and index of an aggregate in conflicts, resolutions and cherry-picks."""
DELETED = "deleted"
"""Their name for the state of being deleted, which `created` sets to false."""


class BundleType(StrEnum):
    """The sort of action for which a bundle stands."""

    USER_EDIT = "user_edit"
    JOB_OUTPUT = "job_output"
    IMPORT = "import"
    MERGE_RESOLUTION = "merge_resolution"


class Target(Wire):
    """One aggregate, whether it is there or not."""

    kind: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}$")]
    id: UUID


class OneOperation(Wire):
    """The members of every operation.

    `expected_version` is the version before the bundle; another one is CONCURRENCY_CONFLICT.
    """

    aggregate: Target
    expected_version: Version | None = None


class SetField(OneOperation):
    """Give a field a value.

    With `old_value` it conflicts when the field holds something else by now; with `base_version`
    when it was changed since that version. With neither the last one wins.
    """

    op: Literal["set"]
    path: Path
    value: JsonValue
    old_value: JsonValue = None
    base_version: Version | None = None


class CreateOne(OneOperation):
    """Begin an aggregate; later operations of the bundle may use it."""

    op: Literal["create"]
    parent_id: UUID | None = None
    index: Place | None = None
    fields: dict[str, JsonValue] = Field(default_factory=dict)


class DeleteOne(OneOperation):
    """Delete softly; with `base_version` it conflicts when fields were changed since."""

    op: Literal["delete"]
    base_version: Version | None = None


class RestoreOne(OneOperation):
    """Bring a deleted aggregate back to its place."""

    op: Literal["restore"]


class MoveOne(OneOperation):
    """Put an aggregate at an index among the living, if given under another parent."""

    op: Literal["move"]
    parent_id: UUID | None = None
    index: Place


type Operation = Annotated[
    SetField | CreateOne | DeleteOne | RestoreOne | MoveOne, Field(discriminator="op")
]
type Operations = Annotated[list[Operation], Field(min_length=1, max_length=OPERATIONS_MAX)]


class Bundle(Wire):
    """One bundle as it is listed.

    `causation_id` names what led to it: the bundle that it undoes or picks from, the job, the
    sync session. `reverses` names the bundle that it undoes; `undone_by` the one that undoes this.
    """

    id: UUID
    project_id: UUID
    type: BundleType
    label: str | None
    source: Source
    user_id: UUID
    created_at: datetime
    operations: int
    causation_id: UUID | None
    reverses: UUID | None
    undone_by: UUID | None


class Committed(Wire):
    """A committed bundle; its id is null when there was nothing to change.

    `versions` holds the version of each aggregate after it, by id.
    """

    bundle: Bundle | None
    versions: dict[str, int]
    warnings: list[str]


class Bundles(Page[Bundle]):
    """A page of bundles, the newest first."""


class BundleOperation(Wire):
    """One operation in words that a person understands.

    `what` is such as "Chapter 3: title"; `name` is the present name of the aggregate.
    """

    what: str
    op: str
    aggregate: Target
    name: str | None
    field: str | None
    old_value: Any
    new_value: Any
    event_id: UUID
    version: int


class BundleDetail(Wire):
    """A bundle with a page of its operations, in their order."""

    bundle: Bundle
    items: list[BundleOperation]
    next_cursor: str | None = None


class FieldRef(Wire):
    """A field of an aggregate, or its `place`, or whether it is `deleted`."""

    aggregate: Target
    field: Path


class Resolution(Wire):
    """The decision on one field in conflict: the undo's value, the present value, or another."""

    aggregate: Target
    field: Path
    take: Literal["mine", "theirs", "value"]
    value: JsonValue = None


class BundleCommit(Sparse):
    """The operations of one user action, in order."""

    type: BundleType = BundleType.USER_EDIT
    label: Label | None = None
    operations: Operations


def _is_absent(value: object) -> bool:
    """Whether a field stays out: the release before this one refuses what it does not know."""
    return not value


class Commit(BundleCommit):
    """Commit a bundle; with `check` only find out whether that is possible now.

    `causation_id` names what led to it, such as a refactor whose texts are written already.
    """

    command_id: UUID
    source: Source = Source.API
    may: frozenset[str]
    causation_id: UUID | None = Field(default=None, exclude_if=_is_absent)
    check: bool = Field(default=False, exclude_if=_is_absent)


class ListBundles(Wire):
    """List the bundles of the actor's project, the newest first."""

    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT
    user_id: UUID | None = None
    type: BundleType | None = None
    aggregate_id: UUID | None = None
    since: Instant | None = None
    until: Instant | None = None


class ReadBundle(Wire):
    """Read a bundle of the actor's project, with a page of its operations."""

    bundle_id: UUID
    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT


class BundleUndo(Sparse):
    """How to undo; `resolutions` decide about fields that were changed since."""

    label: Label | None = None
    resolutions: list[Resolution] = Field(
        default_factory=list[Resolution], max_length=RESOLUTIONS_MAX
    )


class BundlePick(BundleUndo):
    """The fields of a bundle to undo, or to apply again."""

    fields: list[FieldRef] = Field(min_length=1, max_length=FIELDS_MAX)
    direction: Literal["undo", "apply"]


class Undo(BundleUndo):
    """Undo a bundle by a new one; with `check` only find out whether that is possible now."""

    command_id: UUID
    bundle_id: UUID
    may: frozenset[str]
    check: bool = Field(default=False, exclude_if=_is_absent)


class Redo(Undo):
    """Undo what undid a bundle."""


class CherryPick(BundlePick, Undo):
    """Undo, or apply again, some fields of a bundle."""


class WhereBundle(Wire):
    """Return the project of a bundle."""

    bundle_id: UUID


class Whereabouts(Wire):
    """The project; null when there is no such thing."""

    project_id: UUID | None = None


class JobPart(Sparse):
    """A part of a job's output; parts are numbered from 1."""

    part: int = Field(ge=1, le=PARTS_MAX)
    operations: Operations


class Stage(JobPart):
    """Put a part of a job's output aside."""

    job_id: UUID
    may: frozenset[str]


class Staged(Wire):
    """The parts that a job has staged so far."""

    job_id: UUID
    status: Literal["open", "committed", "abandoned"]
    parts: int
    operations: int


class JobCommit(Sparse):
    """Commit a staged job: the number of its parts, and the type and label of the bundle."""

    parts: int = Field(ge=1, le=PARTS_MAX)
    type: BundleType = BundleType.JOB_OUTPUT
    label: Label | None = None


class CommitJob(JobCommit):
    """Make all that a job staged one bundle."""

    job_id: UUID
    source: Source = Source.AUTOMATION
    may: frozenset[str]


class AbandonJob(Wire):
    """Drop what a job staged."""

    job_id: UUID


COMMIT = Method("events", "commit_bundle", Commit, Committed)
LIST_BUNDLES = Method("events", "list_bundles", ListBundles, Bundles)
READ_BUNDLE = Method("events", "read_bundle", ReadBundle, BundleDetail)
UNDO = Method("events", "undo_bundle", Undo, Committed)
REDO = Method("events", "redo_bundle", Redo, Committed)
CHERRY_PICK = Method("events", "cherry_pick_bundle", CherryPick, Committed)
WHERE_BUNDLE = Method("events", "where_bundle", WhereBundle, Whereabouts)
STAGE = Method("events", "stage_job", Stage, Staged)
COMMIT_JOB = Method("events", "commit_job", CommitJob, Committed)
ABANDON_JOB = Method("events", "abandon_job", AbandonJob, Done)
