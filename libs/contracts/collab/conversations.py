"""Comments, suggestions and patches of a scene as they go into a copy of its project, by lines.

Threads come first, each followed by its comments, then suggestions, then patches, each followed by
its hunks; threads, suggestions and patches are numbered from 1 each, so that no id of the source
can come through. People are labels (`Label`), which are never accounts. docs/workspaces.md has the
format.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    Base64Bytes,
    Field,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

from libs.contracts.collab.anchors import QUOTE_CHARS_MAX, AnchorStatus, Offset
from libs.contracts.collab.patches import (
    BASE_CHARS_MAX,
    HUNKS_MAX,
    HunkKind,
    HunkState,
    PatchState,
    RebaseStrategy,
    Title,
)
from libs.contracts.collab.suggestions import (
    TEXT_CHARS_MAX,
    AttributeChange,
    Blocks,
    SuggestionKind,
    SuggestionStatus,
)
from libs.contracts.collab.threads import (
    BODY_CHARS_MAX,
    COMMENTS_MAX,
    REACTIONS_MAX,
    Emoji,
    Mentions,
    ThreadState,
)
from libs.contracts.rpc import Method
from libs.contracts.values import JsonObject, Moment, Note
from libs.contracts.wire import Wire

LINE_BYTES_MAX = 1 << 20
PAGE_BYTES = 256 * 1024
"""A page ends with the line that fills it, uncompressed."""
PIECES_MAX = 20_000
"""Stretches of characters that an anchor, or an accepted suggestion, names."""
REACTION_PEOPLE_MAX = 1_000
"""People of one reaction that a copy has, the first of them."""
BESIDE_MAX = 16
"""Characters on one side of deleted words that a copy remembers."""
LABEL_VERSION = 8
"""Accounts have UUIDs of version 7."""

_SIDE_CHARS_MAX = 64


def _is_label(value: UUID) -> UUID:
    if value.version != LABEL_VERSION:
        raise ValueError("is not the label of a person")
    return value


Label = Annotated[UUID, AfterValidator(_is_label)]
"""A person: a UUID of version 8 that is made from the account's id and does not tell it."""

_Clock = Annotated[int, Field(strict=True, ge=0, lt=2**53)]
_Size = Annotated[int, Field(strict=True, ge=1, le=2 * QUOTE_CHARS_MAX)]
_Id = tuple[_Clock, _Clock]
_Pieces = Annotated[list[tuple[_Clock, _Clock, _Size]], Field(max_length=PIECES_MAX)]
_Beside = Annotated[list[_Id], Field(max_length=BESIDE_MAX)]
_Number = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
_NO_NUL = r"^[^\x00]*$"
_Side = Annotated[str, StringConstraints(max_length=_SIDE_CHARS_MAX, pattern=_NO_NUL)]
_Words = Annotated[
    str, StringConstraints(min_length=1, max_length=QUOTE_CHARS_MAX, pattern=_NO_NUL)
]
_Proposed = Annotated[str, StringConstraints(max_length=TEXT_CHARS_MAX, pattern=_NO_NUL)]
_Said = Annotated[str, StringConstraints(max_length=BODY_CHARS_MAX, pattern=_NO_NUL)]


class CarriedAnchor(Wire):
    """An anchor: the characters it stands on, by their Yjs ids, and its words.

    Ids are those of the text beside it. `near` is the neighbour of an orphaned one.
    """

    status: AnchorStatus
    quote: _Words
    before: _Side = ""
    after: _Side = ""
    offset: Offset = 0
    pieces: _Pieces = Field(default_factory=list[tuple[int, int, int]])
    near: _Id | None = None
    deleted_at: Moment | None = None
    deleted_by: Label | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "CarriedAnchor":
        if sum(size for _, _, size in self.pieces) > 2 * QUOTE_CHARS_MAX:
            raise ValueError("an anchor stands on fewer characters")
        if self.deleted_at and self.status is not AnchorStatus.ORPHANED:
            raise ValueError("an anchor that is not orphaned was not deleted")
        return self


class _Carried(Wire):
    """The times and people of everything."""

    created_at: Moment
    created_by: Label
    updated_at: Moment
    updated_by: Label

    @model_validator(mode="after")
    def _in_order(self) -> "_Carried":
        if self.updated_at < self.created_at:
            raise ValueError("was changed before it was made")
        return self


class CarriedThread(_Carried):
    """A thread; its comments are the lines that follow."""

    kind: Literal["thread"] = "thread"
    id: _Number
    state: ThreadState
    anchor: CarriedAnchor
    resolved_at: Moment | None = None
    resolved_by: Label | None = None

    @model_validator(mode="after")
    def _resolved(self) -> "CarriedThread":
        resolved = self.state is ThreadState.RESOLVED
        if resolved != (self.resolved_at is not None) or resolved != (self.resolved_by is not None):
            raise ValueError("`resolvedAt` and `resolvedBy` belong to a resolved thread")
        return self


class CarriedReaction(Wire):
    """A reaction, and the people who share it."""

    emoji: Emoji
    people: Annotated[list[Label], Field(min_length=1, max_length=REACTION_PEOPLE_MAX)]


class CarriedComment(_Carried):
    """Comment `number` of thread `thread`; a tombstone has neither text nor anything else."""

    kind: Literal["comment"] = "comment"
    thread: _Number
    number: Annotated[int, Field(strict=True, ge=1, le=COMMENTS_MAX)]
    body: _Said
    meta: JsonObject = Field(default_factory=dict)
    mentions: Annotated[Mentions, AfterValidator(lambda ids: [_is_label(each) for each in ids])] = (
        Field(default_factory=list[UUID])
    )
    reactions: Annotated[list[CarriedReaction], Field(max_length=REACTIONS_MAX)] = Field(
        default_factory=list[CarriedReaction]
    )
    edited_at: Moment | None = None
    deleted_at: Moment | None = None
    deleted_by: Label | None = None

    @model_validator(mode="after")
    def _tombstone(self) -> "CarriedComment":
        gone = self.deleted_at is not None
        if gone != (self.deleted_by is not None) or gone != (not self.body):
            raise ValueError("a comment has text, or it was deleted at a time by a person")
        if gone and (self.meta or self.mentions or self.reactions):
            raise ValueError("a tombstone has nothing else")
        return self


class CarriedChange(Wire):
    """The characters that an accepted suggestion wrote, and its place where blocks were made."""

    inserted: _Pieces
    place: tuple[_Id | None, _Proposed] | None = None


class CarriedSuggestion(_Carried):
    """A suggestion; the versions in which it was accepted and reverted belong to the source."""

    kind: Literal["suggestion"] = "suggestion"
    id: _Number
    status: SuggestionStatus
    change: SuggestionKind
    anchor: CarriedAnchor
    base: _Words
    text: _Proposed = ""
    blocks: Blocks | None = None
    attributes: AttributeChange | None = None
    side: Literal["before", "after"] = "after"
    note: Note | None = None
    applied: CarriedChange | None = None
    decided_at: Moment | None = None
    decided_by: Label | None = None

    @model_validator(mode="after")
    def _fits(self) -> "CarriedSuggestion":
        silent = self.change in (SuggestionKind.DELETE, SuggestionKind.ATTRIBUTES)
        if silent != (not self.text) or (silent and self.blocks is not None):
            raise ValueError("`text` belongs to `replace` and `insert`, and is not empty there")
        if (self.change is SuggestionKind.ATTRIBUTES) != (self.attributes is not None):
            raise ValueError("`attributes` belong to a change of attributes")
        decided = self.status is not SuggestionStatus.OPEN
        if decided != (self.decided_at is not None) or decided != (self.decided_by is not None):
            raise ValueError("`decidedAt` and `decidedBy` belong to a decided suggestion")
        written = self.status in (SuggestionStatus.ACCEPTED, SuggestionStatus.REVERTED)
        if written != (self.applied is not None):
            raise ValueError("`applied` belongs to an accepted suggestion")
        return self


class CarriedPatch(_Carried):
    """A patch; its hunks are the lines that follow. Versions and conflicts belong to the source."""

    kind: Literal["patch"] = "patch"
    id: _Number
    state: PatchState
    rebase_strategy: RebaseStrategy | None = None
    title: Title | None = None
    note: Note | None = None
    decided_at: Moment | None = None
    decided_by: Label | None = None

    @model_validator(mode="after")
    def _decided(self) -> "CarriedPatch":
        decided = self.state is not PatchState.OPEN
        if decided != (self.decided_at is not None) or decided != (self.decided_by is not None):
            raise ValueError("`decidedAt` and `decidedBy` belong to a decided patch")
        return self


class CarriedWrote(Wire):
    """What applying a hunk made: `base` became `text` within the `words` of its anchor.

    Around them `head` and `tail` code units stayed; `before` and `after` are characters beside
    words that are deleted. `applied` is missing where the words read so already.
    """

    change: HunkKind
    base: _Proposed
    text: _Proposed
    words: _Proposed
    head: Annotated[int, Field(strict=True, ge=0, le=2 * BASE_CHARS_MAX)]
    tail: Annotated[int, Field(strict=True, ge=0, le=2 * BASE_CHARS_MAX)]
    applied: CarriedChange | None = None
    before: _Beside = Field(default_factory=list[tuple[int, int]])
    after: _Beside = Field(default_factory=list[tuple[int, int]])


class CarriedHunk(Wire):
    """Hunk `number` of patch `patch`; `written` is the anchor on what an applied one wrote."""

    kind: Literal["hunk"] = "hunk"
    patch: _Number
    number: Annotated[int, Field(strict=True, ge=1, le=HUNKS_MAX)]
    state: HunkState
    change: HunkKind
    anchor: CarriedAnchor
    base: _Words
    text: _Proposed = ""
    side: Literal["before", "after"] = "after"
    wrote: CarriedWrote | None = None
    written: CarriedAnchor | None = None

    @model_validator(mode="after")
    def _fits(self) -> "CarriedHunk":
        if (self.change is HunkKind.DELETE) != (not self.text):
            raise ValueError("`text` belongs to `replace` and `insert`, and is not empty there")
        if (self.state is HunkState.APPLIED) != (self.wrote is not None):
            raise ValueError("`wrote` belongs to an applied hunk")
        if self.written is not None and self.wrote is None:
            raise ValueError("`written` belongs to an applied hunk")
        return self


type Line = CarriedThread | CarriedComment | CarriedSuggestion | CarriedPatch | CarriedHunk
LINE: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        CarriedThread | CarriedComment | CarriedSuggestion | CarriedPatch | CarriedHunk,
        Field(discriminator="kind"),
    ]
)
"""Reads one line. What else shall be carried gets a model here."""


class TakeConversation(Wire):
    """The conversations of a scene as they are now, a page of lines after a place.

    Callers of earlier releases do not know patches and get none.
    """

    scene_id: UUID
    after: Annotated[str, StringConstraints(max_length=100)] | None = None
    patches: bool = False


class ConversationPage(Wire):
    """zstd of lines of `size` bytes, 0 when there are none; go on with `after` unless null."""

    packed: Base64Bytes
    size: int
    after: str | None


class PlantConversation(Wire):
    """Store a page of conversations in a scene that nobody sees yet; repeating it is harmless.

    The text of the scene is there; pages come in their order.
    """

    scene_id: UUID
    packed: Base64Bytes
    size: int = Field(ge=1, le=PAGE_BYTES + LINE_BYTES_MAX)


class Planted(Wire):
    """The page is stored."""


TAKE_CONVERSATION = Method("collab", "take_conversation", TakeConversation, ConversationPage)
PLANT_CONVERSATION = Method("collab", "plant_conversation", PlantConversation, Planted)
