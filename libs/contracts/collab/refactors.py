"""Requests to collab about refactors: one change over many scenes.

A refactor is found in the background, reviewed hit by hit, and applied or reverted as one: the
texts of all scenes in one transaction, then titles, summaries and the entity as one bundle.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from libs.contracts.collab.anchors import AnchorTarget
from libs.contracts.collab.suggestions import Proposed
from libs.contracts.pages import PAGE_ITEMS_DEFAULT, Cursor, Page, PageLimit
from libs.contracts.rpc import Method
from libs.contracts.values import Flag, Name, Text
from libs.contracts.versions import Expected
from libs.contracts.wire import Sparse, Wire

REFACTORS_MAX = 1_000
"""Refactors of one project that are not deleted."""
SCENES_MAX = 5_000
"""Scenes of one refactor: each of them has an edit in the one transaction."""
ENTITIES_MAX = 2_000
"""Entities that are named, whose attributes change, or among whose names others are told apart."""
HUNKS_MAX = 1_000
HITS_MAX = 50_000
"""Hits of one refactor."""
HITS_OF_SCENE_MAX = 1_000
"""Hits that are kept of one scene; sure ones come before doubtful ones."""
NAMES_MAX = 50
CHOICES_MAX = 100
HITS_CHOSEN_MAX = 1_000
"""Hits that one choice names."""
CONFLICTS_SHOWN_MAX = 100
WORDS_CHARS_MAX = 200

_LINE = r"^[^\x00-\x1f\x7f\u2028\u2029]*$"
Words = Annotated[str, StringConstraints(min_length=1, max_length=WORDS_CHARS_MAX, pattern=_LINE)]
Replacing = Annotated[str, StringConstraints(max_length=WORDS_CHARS_MAX, pattern=_LINE)]


class RefactorKind(StrEnum):
    """The kind of a refactor."""

    RENAME_ENTITY = "rename_entity"
    REPLACE = "replace"
    ATTRIBUTES = "attributes"
    HUNKS = "hunks"


class RefactorState(StrEnum):
    """The state of a refactor.

    It is FINDING hits until it is READY. APPLYING and REVERTING end by themselves, also when a
    process dies meanwhile. FAILED: it cannot be found, as `failure` says.
    """

    FINDING = "FINDING"
    READY = "READY"
    APPLYING = "APPLYING"
    APPLIED = "APPLIED"
    REVERTING = "REVERTING"
    REVERTED = "REVERTED"
    FAILED = "FAILED"


class RefactorScope(Wire):
    """The scope of a refactor: a book, a chapter, or these scenes; else the whole project.

    `entity_ids` are the entities whose attributes change.
    """

    book_id: UUID | None = None
    chapter_id: UUID | None = None
    scene_ids: Annotated[list[UUID], Field(max_length=SCENES_MAX)] | None = None
    entity_ids: Annotated[list[UUID], Field(max_length=ENTITIES_MAX)] | None = None

    @model_validator(mode="after")
    def _one(self) -> "RefactorScope":
        ways = (self.book_id, self.chapter_id, self.scene_ids, self.entity_ids)
        if sum(way is not None for way in ways) > 1:
            raise ValueError("a scope is one of a book, a chapter, scenes, or entities")
        return self


class NameChange(Wire):
    """Words, and the words that they become."""

    from_: Words = Field(alias="from")
    to: Replacing


class RefactorHunk(Wire):
    """A change of one scene; as a suggestion's."""

    scene_id: UUID
    anchor: AnchorTarget
    kind: Literal["replace", "insert", "delete"] = "replace"
    text: Proposed = ""
    side: Literal["before", "after"] = "after"

    @model_validator(mode="after")
    def _fits(self) -> "RefactorHunk":
        if (self.kind == "delete") == bool(self.text):
            raise ValueError("`text` belongs to `replace` and `insert`, and is not empty there")
        sought = (self.anchor.quote, self.anchor.prefix, self.anchor.suffix)
        if any("\0" in words for words in sought if words):
            raise ValueError("an anchor may not contain the character NUL")
        return self


ATTRIBUTES: dict[str, frozenset[str]] = {
    "scene": frozenset({"status", "pov", "tense", "title", "summary"}),
    "entity": frozenset({"type", "description"}),
}
"""The fields that a refactor of kind `attributes` changes, by their target."""

_FIELDS_OF = {
    RefactorKind.RENAME_ENTITY: {"entity_id", "to", "names", "possessive"},
    RefactorKind.REPLACE: {"from_", "to", "possessive"},
    RefactorKind.ATTRIBUTES: {"target", "field", "from_", "to"},
    RefactorKind.HUNKS: {"hunks"},
}
_ALWAYS = {"kind", "title", "scope", "id", "run_id"}
_NEEDED = {
    RefactorKind.RENAME_ENTITY: {"entity_id", "to"},
    RefactorKind.REPLACE: {"from_", "to"},
    RefactorKind.ATTRIBUTES: {"target", "field", "to"},
    RefactorKind.HUNKS: {"hunks"},
}


class RefactorCreate(Sparse):
    """A new refactor. What a kind does not know is refused.

    `rename_entity` gives the entity the name `to`; `names` say what further words become.
    `replace` turns the words `from` into `to`. `possessive` says how a new name that ends with s
    owns something. `attributes` sets a `field` of scenes or entities to `to`, null clears it; with
    `from` only where it has that value. `hunks` are changes of text that an agent proposes.
    """

    kind: RefactorKind
    title: Name | None = None
    scope: RefactorScope = RefactorScope()
    entity_id: UUID | None = None
    from_: Text | None = Field(default=None, alias="from")
    to: Text | None = None
    names: list[NameChange] = Field(default_factory=list[NameChange], max_length=NAMES_MAX)
    possessive: Literal["keep", "s", "apostrophe"] = "keep"
    target: Literal["scene", "entity"] = "scene"
    field: str | None = None
    hunks: list[RefactorHunk] = Field(default_factory=list[RefactorHunk], max_length=HUNKS_MAX)

    @model_validator(mode="after")
    def _of_kind(self) -> "RefactorCreate":
        given, known = self.model_fields_set, _FIELDS_OF[self.kind] | _ALWAYS
        for name in given - known:
            raise ValueError(f"`{name.rstrip('_')}` does not belong to {self.kind}")
        for name in _NEEDED[self.kind] - given - {"target"}:
            raise ValueError(f"{self.kind} needs `{name.rstrip('_')}`")
        if self.kind is RefactorKind.ATTRIBUTES:
            if self.field not in ATTRIBUTES[self.target]:
                raise ValueError(f"`field` is one of {sorted(ATTRIBUTES[self.target])}")
        elif self.kind is RefactorKind.HUNKS:
            if not self.hunks:
                raise ValueError("`hunks` are at least one")
        else:
            _require_words(self.to, self.from_, self.kind)
        if self.scope.entity_ids is not None and self.target != "entity":
            raise ValueError("`scope.entityIds` belongs to attributes of entities")
        if self.target == "entity" and self.scope.entity_ids is None:
            raise ValueError("attributes of entities need `scope.entityIds`")
        return self


def _require_words(to: str | None, from_: str | None, kind: RefactorKind) -> None:
    for name, words in (("to", to), ("from", from_)):
        if words is None and name == "from" and kind is RefactorKind.RENAME_ENTITY:
            continue
        blank = not (words or "").strip()
        if blank and not (name == "to" and kind is RefactorKind.REPLACE and words is not None):
            raise ValueError(f"`{name}` may not be blank")
        if len(words or "") > WORDS_CHARS_MAX:
            raise ValueError(f"`{name}` may have {WORDS_CHARS_MAX} characters at most")
        if any(ord(each) < 32 or each in "\x7f\u2028\u2029" for each in words or ""):
            raise ValueError(f"`{name}` is one line")


class RefactorProgress(Wire):
    """How many of its scenes were looked at."""

    done: int
    total: int


class RefactorCounts(Wire):
    """Hits in texts, titles and fields: all, sure ones, chosen ones, and those left out."""

    hits: int
    sure: int
    chosen: int
    skipped: int


class RefactorFailure(Wire):
    """The reason why finding, applying or reverting failed when it was last tried."""

    code: str
    detail: str


class Refactor(Wire):
    """A refactor as it is listed."""

    id: UUID
    version: int
    project_id: UUID
    kind: RefactorKind
    state: RefactorState
    title: str | None
    entity_id: UUID | None
    from_: str | None = Field(alias="from")
    to: str | None
    field: str | None
    scope: RefactorScope
    progress: RefactorProgress
    counts: RefactorCounts
    failure: RefactorFailure | None
    bundle_id: UUID | None
    run_id: UUID | None
    applied_at: datetime | None
    applied_by: UUID | None
    reverted_at: datetime | None
    reverted_by: UUID | None
    created_at: datetime
    created_by: UUID
    updated_at: datetime
    updated_by: UUID
    deleted_at: datetime | None = None
    deleted_by: UUID | None = None


class RefactorHit(Wire):
    """One place in the text of a scene: the words `quote`, which become `text`.

    `before` and `after` is the text beside them when they were found. `reason` says why a hit that
    is not `sure` may be something else. `skipped`: its words had changed when the rest was applied.
    """

    id: UUID
    anchor_id: UUID | None
    kind: Literal["replace", "insert", "delete"]
    quote: str
    text: str
    side: Literal["before", "after"]
    before: str
    after: str
    sure: bool
    chosen: bool
    reason: str | None
    skipped: bool


class RefactorField(Wire):
    """A field of a scene, an entity, a chapter or a book: its value `from`, which becomes `to`."""

    id: UUID
    kind: str
    aggregate_id: UUID
    field: str
    from_: Any = Field(alias="from")
    to: Any
    sure: bool
    chosen: bool
    reason: str | None
    skipped: bool


class RefactorScene(Wire):
    """A scene with its hits; `seq` is the version in which they were found.

    `left_out` counts doubtful hits beyond HITS_OF_SCENE_MAX.
    """

    scene_id: UUID
    title: str | None
    seq: int | None
    applied_seq: int | None
    reverted_seq: int | None
    left_out: int
    hits: list[RefactorHit]
    fields: list[RefactorField]


class RefactorDetail(Refactor):
    """A refactor with a page of its scenes that have hits, in the order of the manuscript.

    `fields` are those of entities, chapters and books, on the first page.
    """

    fields: list[RefactorField]
    scenes: list[RefactorScene]
    next_cursor: str | None


class RefactorChoice(Wire):
    """Hits to turn on or off, or back to those that are sure: these, those of a scene, or all."""

    hit_ids: Annotated[list[UUID], Field(min_length=1, max_length=HITS_CHOSEN_MAX)] | None = None
    scene_id: UUID | None = None
    everything: Flag = False
    to: Literal["on", "off", "sure"]

    @model_validator(mode="after")
    def _one(self) -> "RefactorChoice":
        if sum((self.hit_ids is not None, self.scene_id is not None, self.everything)) != 1:
            raise ValueError("a choice is of `hitIds`, of a `sceneId`, or of `everything`")
        return self


class RefactorPatch(Sparse):
    """Another title, and choices, which are made in their order."""

    title: Name | None = None
    choices: list[RefactorChoice] = Field(
        default_factory=list[RefactorChoice], max_length=CHOICES_MAX
    )


class CreateRefactor(RefactorCreate):
    """Make a refactor and begin to find its hits."""

    id: UUID
    run_id: UUID | None = None


class ListRefactors(Wire):
    """Refactors of the actor's project, the newest first."""

    state: RefactorState | None = None
    include_deleted: bool = False
    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT


class ReadRefactor(Wire):
    """One by its id, with a page of its scenes."""

    id: UUID
    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT


class ChangeRefactor(RefactorPatch):
    """Choose among its hits."""

    id: UUID
    expected_version: Annotated[Expected, Field()] = None


class CarryOut(Wire):
    """Apply or revert a refactor; `may` are the operations that the actor may do.

    With `skip_conflicts` the hits whose words were changed meanwhile are left out; otherwise one of
    them refuses all.
    """

    id: UUID
    revert: Flag = False
    skip_conflicts: Flag = False
    may: frozenset[str]
    expected_version: Annotated[Expected, Field()] = None


class SetRefactorDeleted(Wire):
    """Delete a refactor softly, or restore it; what it changed stays."""

    id: UUID
    deleted: Flag
    expected_version: Annotated[Expected, Field()] = None


class WhereRefactor(Wire):
    """Return the project of a refactor."""

    id: UUID


class RefactorWhereabouts(Wire):
    """Its project; null when there is no such thing."""

    project_id: UUID | None = None
    deleted: bool = False


CREATE_REFACTOR = Method("collab", "create_refactor", CreateRefactor, Refactor)
LIST_REFACTORS = Method("collab", "list_refactors", ListRefactors, Page[Refactor])
READ_REFACTOR = Method("collab", "read_refactor", ReadRefactor, RefactorDetail)
CHANGE_REFACTOR = Method("collab", "change_refactor", ChangeRefactor, Refactor)
CARRY_OUT_REFACTOR = Method("collab", "carry_out_refactor", CarryOut, Refactor)
SET_REFACTOR_DELETED = Method("collab", "set_refactor_deleted", SetRefactorDeleted, Refactor)
WHERE_REFACTOR = Method("collab", "where_refactor", WhereRefactor, RefactorWhereabouts)
