"""Requests to collab about patches: several changes of a scene that are decided as one.

A patch was made on one version of the text, its base. Each of its hunks stands on an anchor and
holds the words of the base that it changes, so it lands where these words are now, or is a
conflict that is shown; nothing is guessed.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from libs.contracts.collab.anchors import Anchor, AnchorTarget
from libs.contracts.collab.suggestions import Proposed
from libs.contracts.editors import ForEditor
from libs.contracts.pages import PAGE_ITEMS_DEFAULT, Cursor, Page, PageLimit
from libs.contracts.rpc import Method
from libs.contracts.values import Note
from libs.contracts.versions import Expected
from libs.contracts.wire import Wire

PATCHES_MAX = 1_000
"""Of one scene, those that are deleted not counted."""
HUNKS_MAX = 200
"""Of one patch."""
BASE_CHARS_MAX = 20_000
"""Of the words that one hunk stands on."""
PATCH_CHARS_MAX = 100_000
"""Of the words and of the texts of all hunks of a patch together."""
CONFLICT_NOW_CHARS_MAX = 1_000
"""Of the text that a conflict shows as it is now; the anchor of the hunk tells the rest."""

Title = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"
    ),
]
SceneVersion = Annotated[int, Field(strict=True, ge=0, le=2**53 - 1)]
"""A version of a scene's text: the seq of an edit in its log."""


class PatchState(StrEnum):
    """The state of a patch. `PARTLY_APPLIED`: the hunks in conflict are still open."""

    OPEN = "OPEN"
    PARTLY_APPLIED = "PARTLY_APPLIED"
    APPLIED = "APPLIED"
    REVERTED = "REVERTED"


class HunkState(StrEnum):
    """Whether a hunk waits, is in the text, or was taken out again."""

    OPEN = "OPEN"
    APPLIED = "APPLIED"
    REVERTED = "REVERTED"


class HunkKind(StrEnum):
    """The operation of a hunk on the words it stands on, or beside them."""

    REPLACE = "replace"
    INSERT = "insert"
    DELETE = "delete"


class RebaseStrategy(StrEnum):
    """The treatment of hunks that are in conflict with changes since the base.

    `merge` applies the hunks that are not in conflict; the others stay open. `rebase` applies
    nothing and renews the hunks for another review. `override` lets the patch win, within the
    words that its anchors stand on. Without one, all hunks are applied or none.
    """

    MERGE = "merge"
    REBASE = "rebase"
    OVERRIDE = "override"


class ConflictReason(StrEnum):
    """The reason why a hunk does not land.

    `gone`: its words are not there any more. `uncertain`: its words came back, and what is beside
    them is not what was beside them, or several places read so. `changed`: somebody else changed
    the same words. `overlap`: another hunk stands on the same words now. `unfit`: the editor of the
    scene has no room for the result.
    """

    GONE = "gone"
    UNCERTAIN = "uncertain"
    CHANGED = "changed"
    OVERLAP = "overlap"
    UNFIT = "unfit"


class HunkCreate(Wire):
    """A change of words: `replace` and `delete` those of the anchor, `insert` before or after.

    The anchor is meant in the text of the patch's `baseVersion`.
    """

    anchor: AnchorTarget
    kind: HunkKind
    text: Proposed = ""
    side: Literal["before", "after"] = "after"

    @model_validator(mode="after")
    def _fits(self) -> "HunkCreate":
        if (self.kind is HunkKind.DELETE) == bool(self.text):
            raise ValueError("`text` belongs to `replace` and `insert`, and is not empty there")
        return self


class PatchCreate(Wire):
    """A patch: the version it was made on, its hunks, and how conflicts shall be met."""

    base_version: SceneVersion
    hunks: Annotated[list[HunkCreate], Field(min_length=1, max_length=HUNKS_MAX)]
    rebase_strategy: RebaseStrategy | None = None
    title: Title | None = None
    note: Note | None = None

    @model_validator(mode="after")
    def _of_its_base(self) -> "PatchCreate":
        if sum(len(hunk.text) for hunk in self.hunks) > PATCH_CHARS_MAX:
            raise ValueError(f"the texts of all hunks have at most {PATCH_CHARS_MAX} characters")
        for at, hunk in enumerate(self.hunks):
            if hunk.anchor.seq not in (None, self.base_version):
                raise ValueError(f"hunks.{at}.anchor.seq: it must be `baseVersion`, or left out")
        return self


class Hunk(Wire):
    """A hunk as it stands now.

    `base` are the words that it replaces or deletes, or beside which it inserts. Of an applied one
    the `anchor` stands on what it wrote, unless that is nothing.
    """

    id: UUID
    number: int
    state: HunkState
    kind: HunkKind
    side: Literal["before", "after"]
    anchor: Anchor
    base: str
    text: str


class HunkConflict(Wire):
    """A hunk that did not land at the version `seq` of the text, with both sides.

    `proposed` are the words as the hunk would have them; `now` is null where nothing is left.
    """

    hunk_id: UUID
    number: int
    reason: ConflictReason
    seq: int
    base: str
    now: str | None
    proposed: str


class Patch(Wire):
    """A patch as it stands now.

    `applied_version` is the version of the text that applying it made, `reverted_version` the one
    that took it back. `conflict_log` has the hunks that did not land when it was last decided.
    """

    id: UUID
    version: int
    project_id: UUID
    scene_id: UUID
    state: PatchState
    base_version: int
    applied_version: int | None
    reverted_version: int | None
    rebase_strategy: RebaseStrategy | None
    conflict_log: list[HunkConflict]
    hunks: list[Hunk]
    title: str | None
    note: str | None
    author: UUID
    run_id: UUID | None
    decided_at: datetime | None
    decided_by: UUID | None
    created_at: datetime
    created_by: UUID
    updated_at: datetime
    updated_by: UUID
    deleted_at: datetime | None = None
    deleted_by: UUID | None = None


class CreatePatch(PatchCreate, ForEditor):
    """Make a patch."""

    id: UUID
    scene_id: UUID
    run_id: UUID | None = None


class ListPatches(ForEditor):
    """Patches of a scene, the newest first."""

    scene_id: UUID
    state: PatchState | None = None
    author: UUID | None = None
    include_deleted: bool = False
    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT


class OnePatch(ForEditor):
    """One by its id."""

    id: UUID
    include_deleted: bool = False


class PatchDecision(StrEnum):
    """A decision about a patch."""

    APPLY = "apply"
    REAPPLY = "reapply"
    REVERT = "revert"


class DecidePatch(ForEditor):
    """Decide about a patch; deciding the same again changes nothing.

    `rebase_strategy` is how conflicts shall be met this time; without it as the patch says.
    """

    id: UUID
    decision: PatchDecision
    rebase_strategy: RebaseStrategy | None = None
    expected_version: Annotated[Expected, Field()] = None


class DeletePatch(ForEditor):
    """Delete a patch; the text stays as it is."""

    id: UUID
    expected_version: Annotated[Expected, Field()] = None


class RestorePatch(ForEditor):
    """Bring a deleted patch back."""

    id: UUID
    expected_version: Annotated[Expected, Field()] = None


class PatchGone(Wire):
    """It is deleted."""


CREATE_PATCH = Method("collab", "create_patch", CreatePatch, Patch)
LIST_PATCHES = Method("collab", "list_patches", ListPatches, Page[Patch])
READ_PATCH = Method("collab", "read_patch", OnePatch, Patch)
DECIDE_PATCH = Method("collab", "decide_patch", DecidePatch, Patch)
DELETE_PATCH = Method("collab", "delete_patch", DeletePatch, PatchGone)
RESTORE_PATCH = Method("collab", "restore_patch", RestorePatch, Patch)
