"""What may be asked of collab about suggestions: changes of a scene that somebody decides about.

A suggestion stands on an anchor. Accepting it is one edit, made once however many accept it at the
same time; nothing is accepted whose words were changed since.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from libs.contracts.collab.anchors import Anchor, AnchorTarget
from libs.contracts.editors import ForEditor
from libs.contracts.pages import PAGE_ITEMS_DEFAULT, Cursor, Page, PageLimit
from libs.contracts.rpc import Method
from libs.contracts.values import Flag, Note
from libs.contracts.versions import Expected
from libs.contracts.wire import Wire

SUGGESTIONS_MAX = 10_000
"""Open ones of one scene."""
TEXT_CHARS_MAX = 20_000

Proposed = Annotated[str, StringConstraints(max_length=TEXT_CHARS_MAX, pattern=r"^[^\x00\r]*$")]
"""Text of a suggestion; a line feed begins a new block, as in `format=text`."""


class SuggestionStatus(StrEnum):
    """Where a suggestion stands. Its author withdraws it; an accepted one can be reverted."""

    OPEN = "OPEN"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    REVERTED = "REVERTED"


class SuggestionKind(StrEnum):
    """What a suggestion does with the words it stands on, or beside them."""

    REPLACE = "replace"
    INSERT = "insert"
    DELETE = "delete"


class SuggestionCreate(Wire):
    """A change of words: `replace` and `delete` those of the anchor, `insert` before or after."""

    anchor: AnchorTarget
    kind: SuggestionKind
    text: Proposed = ""
    side: Literal["before", "after"] = "after"
    note: Note | None = None

    @model_validator(mode="after")
    def _fits(self) -> "SuggestionCreate":
        if (self.kind is SuggestionKind.DELETE) == bool(self.text):
            raise ValueError("`text` belongs to `replace` and `insert`, and is not empty there")
        return self


class Suggestion(Wire):
    """A suggestion as it stands now.

    `base` are the words that it replaces or deletes, or beside which it inserts. `applied_seq` is
    the version that accepting it made, `reverted_seq` the one that took it back. `branch_id` is the
    branch in which its author typed it, None when it was suggested by itself.
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
    """What happens to a suggestion."""

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
