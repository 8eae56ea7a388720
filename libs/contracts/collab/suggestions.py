"""Requests to collab about suggestions: changes of a scene that somebody decides about.

A suggestion stands on an anchor. Accepting it is one edit, made once however many accept it at the
same time; nothing is accepted whose words were changed since.
"""

import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from libs.contracts.collab.anchors import Anchor, AnchorTarget
from libs.contracts.editors import ForEditor
from libs.contracts.pages import PAGE_ITEMS_DEFAULT, Cursor, Page, PageLimit
from libs.contracts.rpc import Method
from libs.contracts.values import Flag, JsonObject, Note
from libs.contracts.versions import Expected
from libs.contracts.wire import Wire

SUGGESTIONS_MAX = 10_000
"""Open ones of one scene."""
TEXT_CHARS_MAX = 20_000

Proposed = Annotated[str, StringConstraints(max_length=TEXT_CHARS_MAX, pattern=r"^[^\x00\r]*$")]
"""Text of a suggestion; a line feed begins a new block, as in `format=text`."""


BLOCKS_MAX = 100
BLOCKS_BYTES_MAX = 64 * 1024
"""Of all blocks of a suggestion, as compact JSON."""
ATTRIBUTES_MAX = 20
ATTRIBUTE_NAME_CHARS_MAX = 64
_TAKEN = frozenset({"children", "text"})
"""Members of a block that are none of its attributes."""


def _few(blocks: list[JsonObject]) -> list[JsonObject]:
    size = len(json.dumps(blocks, separators=(",", ":"), ensure_ascii=False).encode())
    if size > BLOCKS_BYTES_MAX:
        raise ValueError(f"may have {BLOCKS_BYTES_MAX} bytes at most")
    return blocks


def _named(values: JsonObject) -> JsonObject:
    if len(values) > ATTRIBUTES_MAX:
        raise ValueError(f"may have {ATTRIBUTES_MAX} members at most")
    for name in values:
        if name in _TAKEN or not 1 <= len(name) <= ATTRIBUTE_NAME_CHARS_MAX:
            raise ValueError(f"{name[:ATTRIBUTE_NAME_CHARS_MAX]!r} is no name of an attribute")
    return values


Blocks = Annotated[
    list[JsonObject], Field(min_length=1, max_length=BLOCKS_MAX), AfterValidator(_few)
]
"""Blocks as in `format=blocks`."""
Named = Annotated[JsonObject, AfterValidator(_named)]


class AttributeChange(Wire):
    """Marks that words get, and attributes of the blocks in which they stand; null takes one away.

    Names and values are those of `format=blocks`; `type` is the type of a block.
    """

    marks: Named = Field(default_factory=dict)
    block: Named = Field(default_factory=dict)

    @model_validator(mode="after")
    def _changes(self) -> "AttributeChange":
        if not self.marks and not self.block:
            raise ValueError("`marks` or `block` must change something")
        is_string = isinstance(self.block.get("type", ""), str)
        if not is_string:
            raise ValueError("the `type` of a block is a string")
        return self


class SuggestionStatus(StrEnum):
    """The state of a suggestion. Its author withdraws it; an accepted one can be reverted."""

    OPEN = "OPEN"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    REVERTED = "REVERTED"


class SuggestionKind(StrEnum):
    """The operation of a suggestion on the words it stands on, or beside them."""

    REPLACE = "replace"
    INSERT = "insert"
    DELETE = "delete"
    ATTRIBUTES = "attributes"


class SuggestionCreate(Wire):
    """A change of words: `replace` and `delete` those of the anchor, `insert` before or after.

    What is written is `text`, or `blocks` with types and marks. `attributes` changes the
    formatting of the words.
    """

    anchor: AnchorTarget
    kind: SuggestionKind
    text: Proposed = ""
    blocks: Blocks | None = None
    attributes: AttributeChange | None = None
    side: Literal["before", "after"] = "after"
    note: Note | None = None

    @model_validator(mode="after")
    def _fits(self) -> "SuggestionCreate":
        given = [self.text != "", self.blocks is not None, self.attributes is not None]
        match self.kind:
            case SuggestionKind.DELETE:
                fits = not any(given)
            case SuggestionKind.ATTRIBUTES:
                fits = given == [False, False, True]
            case _:
                fits = given in ([True, False, False], [False, True, False])
        if not fits:
            raise ValueError(
                "`replace` and `insert` have either `text` or `blocks`, `attributes` has"
                " `attributes`, and `delete` has none of them"
            )
        return self


class Suggestion(Wire):
    """A suggestion as it stands now.

    `base` are the words that it replaces or deletes, or beside which it inserts. `applied_seq` is
    the version that accepting it made, `reverted_seq` the one that took it back. `branch_id` is the
    branch in which its author typed it, None when it was suggested by itself. `text` are the words
    of `blocks`, if those are given.
    """

    id: UUID
    version: int
    project_id: UUID
    scene_id: UUID
    status: SuggestionStatus
    kind: SuggestionKind
    anchor: Anchor
    base: str
    text: str
    blocks: list[dict[str, Any]] | None = None
    attributes: AttributeChange | None = None
    side: Literal["before", "after"]
    note: str | None
    author: UUID
    run_id: UUID | None
    branch_id: UUID | None = None
    applied_seq: int | None
    reverted_seq: int | None
    decided_at: datetime | None
    decided_by: UUID | None
    created_at: datetime
    created_by: UUID
    updated_at: datetime
    updated_by: UUID


class CreateSuggestion(SuggestionCreate, ForEditor):
    """Make a suggestion."""

    id: UUID
    scene_id: UUID
    run_id: UUID | None = None


class ListSuggestions(ForEditor):
    """Suggestions of a scene, the newest first."""

    scene_id: UUID
    status: SuggestionStatus | None = None
    author: UUID | None = None
    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT


class OneSuggestion(ForEditor):
    """One by its id."""

    id: UUID


class Decision(StrEnum):
    """A decision about a suggestion."""

    ACCEPT = "accept"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    REVERT = "revert"


class DecideSuggestion(ForEditor):
    """Decide about a suggestion; deciding the same again changes nothing."""

    id: UUID
    decision: Decision
    expected_version: Annotated[Expected, Field()] = None
    any_author: Flag = False


CREATE_SUGGESTION = Method("collab", "create_suggestion", CreateSuggestion, Suggestion)
LIST_SUGGESTIONS = Method("collab", "list_suggestions", ListSuggestions, Page[Suggestion])
READ_SUGGESTION = Method("collab", "read_suggestion", OneSuggestion, Suggestion)
DECIDE_SUGGESTION = Method("collab", "decide_suggestion", DecideSuggestion, Suggestion)
