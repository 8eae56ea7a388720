"""Sync of offline peers, which push and pull changes in checkpoints.

A peer pushes its operations in a session, in checkpoints numbered from 1; each is applied whole or
not at all, and once. A conflict is not an error but part of the answer, and is kept until a person
decides. A pull returns the project's events in commit order.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from libs.contracts.events.bundles import Committed
from libs.contracts.events.event import Announcement
from libs.contracts.pages import Cursor, Page
from libs.contracts.rpc import Method
from libs.contracts.values import JsonValue
from libs.contracts.wire import Sparse, Wire

CHECKPOINT_OPERATIONS_MAX = 100
"""Operations of a push, and events of a pull."""
CHECKPOINT_MAX = 1_000_000
"""Checkpoints of one session."""
CONFLICTS_PAGE_MAX = 500

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Number = Annotated[int, Field(ge=1, le=CHECKPOINT_MAX)]

type Resolvedness = Literal["false", "true", "all"]
type OperationStatus = Literal["applied", "unchanged", "known", "conflict"]


class SyncPush(Wire):
    """A checkpoint: operations as in a bundle, each with an `id` of the peer's own.

    `checksum` is the SHA-256 of the canonical JSON of `operations` (RFC 8785).
    """

    session_id: UUID
    checkpoint: Number
    operations: Annotated[
        list[dict[str, JsonValue]], Field(min_length=1, max_length=CHECKPOINT_OPERATIONS_MAX)
    ]
    checksum: Digest


class Push(SyncPush, Sparse):
    """Apply a checkpoint.

    The `id` of an operation becomes the id of its event; a `set` names by `oldValue` or
    `baseVersion` the state that the peer had seen. The checksum is of `operations` as sent.
    """

    may: frozenset[str]


class OperationResult(Wire):
    """The result of one operation.

    `known`: it was pushed before. `conflict`: it was not applied and waits for a decision under
    `conflict_id`.
    """

    id: UUID
    status: OperationStatus
    conflict_id: UUID | None = None


class Pushed(Wire):
    """The result of a checkpoint.

    `applied` now, or `repeated`: applied before, answered the same (without results when that was
    long ago), or `expected`: not applied, because another one comes first, `last_checkpoint` + 1.
    `conflicts_left_out` of the conflicts are more than an answer carries; all of them are listed.
    """

    status: Literal["applied", "repeated", "expected"]
    last_checkpoint: int
    bundle_id: UUID | None = None
    results: list[OperationResult] = Field(default_factory=list[OperationResult])
    conflicts: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    conflicts_left_out: int = 0


class Resume(Wire):
    """Return the last checkpoint of a session."""

    session_id: UUID


class Resumed(Wire):
    """The last checkpoint that was applied; 0 for a session that has not begun."""

    session_id: UUID
    last_checkpoint: int


class Pull(Wire):
    """The events after a position; none for all."""

    after: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | None = None


class Pulled(Wire):
    """Up to CHECKPOINT_OPERATIONS_MAX events in commit order.

    `next` is the `after` of the next pull; `more` says that more events exist. `checksum` is the
    SHA-256 of the lines `<position> <checksum of the event>`, each ended by a line feed.
    """

    items: list[Announcement]
    next: int | None
    more: bool
    checksum: str


class KeptConflict(Wire):
    """An operation that was not applied, with both sides, and the decision.

    `bundle_id` is the bundle of the decision; null when nothing had to change.
    """

    id: UUID
    session_id: UUID
    checkpoint: int
    user_id: UUID
    operation: dict[str, Any]
    conflicts: list[dict[str, Any]]
    resolved_at: datetime | None = None
    resolved_by: UUID | None = None
    bundle_id: UUID | None = None


class ListConflicts(Wire):
    """Conflicts of the actor's project, the oldest first: unresolved, resolved, or all."""

    resolved: Resolvedness = "false"
    cursor: Cursor | None = None
    limit: Annotated[int, Field(ge=1, le=CONFLICTS_PAGE_MAX)] = 50


class Conflicts(Page[KeptConflict]):
    """A page of them."""


class SyncResolve(Sparse):
    """The decision about a conflict; `value` is for a field that is to hold something else."""

    take: Literal["mine", "theirs", "value"]
    value: JsonValue = None


class Resolve(SyncResolve):
    """Decide a conflict: the peer's operation, the present value, or another value."""

    command_id: UUID
    conflict_id: UUID
    may: frozenset[str]


PUSH = Method("events", "sync_push", Push, Pushed)
RESUME = Method("events", "sync_resume", Resume, Resumed)
PULL = Method("events", "sync_pull", Pull, Pulled)
LIST_CONFLICTS = Method("events", "sync_conflicts", ListConflicts, Conflicts)
RESOLVE = Method("events", "sync_resolve", Resolve, Committed)
