"""Requests to collab about branches of a scene.

A branch is a Yjs document of its own in the log: rows with its id where a scene's have the
scene's. It begins with the scene's own Yjs history, so merging it back is a Yjs merge.
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from libs.contracts.collab.history import At, OfScene, OneOfScene
from libs.contracts.editors import ForEditor
from libs.contracts.pages import Page
from libs.contracts.rpc import Method
from libs.contracts.values import NormalName
from libs.contracts.wire import Enveloped, Wire

BRANCHES_MAX = 100
"""Branches of one scene, closed ones included; as many again are branches of suggestions."""
CONFLICT_TEXT_CHARS_MAX = 2_000
"""Characters of each side that the explanation of a conflict shows."""
CONFLICTS_SHOWN_MAX = 100


class BranchState(StrEnum):
    """The state of a branch; all are readable, and all but closed ones writable."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class BranchKind(StrEnum):
    """The use of a branch: merged as a whole, or decided about change by change."""

    BRANCH = "branch"
    SUGGESTION = "suggestion"


class Branch(Wire):
    """A branch of a scene. `base_seq` is the scene's version it began from or was merged at.

    A branch of kind `suggestion` is written by its author alone, and keeps in step with its scene.
    Its changes are suggestions; `unexpressed` counts those that none expresses.
    """

    id: UUID
    scene_id: UUID
    name: str
    state: BranchState
    base_seq: int
    seq: int
    merges: int
    merged_at: datetime | None
    merged_by: UUID | None
    merged_seq: int | None
    created_by: UUID
    created_at: datetime
    # Left out of ordinary branches: a gateway of the release before does not know them.
    kind: BranchKind = Field(
        default=BranchKind.BRANCH, exclude_if=lambda kind: kind is BranchKind.BRANCH
    )
    unexpressed: int = Field(default=0, exclude_if=lambda count: not count)


class BranchCreate(Wire):
    """A branch from a version; without `at` from the one of now."""

    name: NormalName
    at: At | None = None


class CreateBranch(Enveloped, BranchCreate):
    """Begin a branch."""

    envelope = ("fields", BranchCreate)

    id: UUID
    scene_id: UUID


class BeginSuggesting(Wire):
    """The caller's branch of suggestions on a scene, which is made when there is none."""

    id: UUID
    scene_id: UUID


class MergeStrategy(StrEnum):
    """The treatment of a block that both sides changed.

    `merge` keeps both sides' words, and an edited block rather than its deletion; `ours` keeps
    the scene's block, `theirs` the branch's. Changes without conflict are merged in any case.
    """

    MERGE = "merge"
    OURS = "ours"
    THEIRS = "theirs"


class MergeRequest(Wire):
    """How to merge; without a strategy conflicts are refused and explained."""

    strategy: MergeStrategy | None = None
    dry_run: bool = False


class MergeBranch(Enveloped, MergeRequest, ForEditor):
    """Bring a branch's changes since its base into its scene, as one edit."""

    envelope = ("request", MergeRequest)

    scene_id: UUID
    id: UUID
    merge_id: UUID


class ConflictKind(StrEnum):
    """The kind of conflict between two changes of a block."""

    BOTH_CHANGED = "both_changed"
    DELETED_IN_SCENE = "deleted_in_scene"
    DELETED_IN_BRANCH = "deleted_in_branch"


class BlockConflict(Wire):
    """A block that both sides changed: which, its three texts (null: deleted), and why."""

    block: int
    kind: ConflictKind
    base: str
    scene: str | None
    branch: str | None
    explanation: str


class Merged(Wire):
    """The result of a merge or dry run; `conflicts` were decided by the strategy."""

    branch: Branch
    seq: int
    changed: bool
    dry_run: bool
    conflicts: list[BlockConflict]


CREATE_BRANCH = Method("collab", "create_branch", CreateBranch, Branch)
BEGIN_SUGGESTING = Method("collab", "begin_suggesting", BeginSuggesting, Branch)
LIST_BRANCHES = Method("collab", "list_branches", OfScene, Page[Branch])
READ_BRANCH = Method("collab", "read_branch", OneOfScene, Branch)
CLOSE_BRANCH = Method("collab", "close_branch", OneOfScene, Branch)
MERGE_BRANCH = Method("collab", "merge_branch", MergeBranch, Merged)
