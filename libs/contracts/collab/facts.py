"""Facts that collab announces about the threads and anchors of a scene.

Facts go through the outbox of collab to the stream COLLAB, on the subjects
`scriptorium.v1.collab.<thing>.<action>.<project>`. Each has a type in `FACTS`, which says what its
data are. They are facts beside the log of events: collab's tables are the truth about a thread.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from libs.contracts.collab.anchors import AnchorStatus, Deletion
from libs.contracts.collab.refactors import RefactorProgress
from libs.contracts.positions import YjsRange
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire

PAGE_FACTS_MAX = 100
POSITION_MAX = 2**63 - 1
ANCHORS_TOLD_MAX = 100
"""Anchors in one `anchor.moved`; more go into several."""


def _is_none(value: object) -> bool:
    return value is None


class ReviewEvent(Wire):
    """A fact about a thread, a comment or the anchors of a scene.

    `version` counts the changes of the thread or of the comment; of `anchor.moved`, whose
    `aggregate_id` is the scene, it is the version of the scene's text. `user_id` None: several
    people, or the system.
    """

    id: UUID
    aggregate_id: UUID
    aggregate_type: str
    event_type: str
    project_id: UUID
    user_id: UUID | None
    data: dict[str, Any]
    timestamp: datetime
    version: int


class ReviewAnnouncement(Wire):
    """A fact on the bus and its place in the commit order of collab's facts."""

    position: int
    event: ReviewEvent


class ThreadFact(Wire):
    """Of a thread: its scene and its anchor."""

    scene_id: UUID
    anchor_id: UUID


class CommentFact(ThreadFact):
    """Of a comment: also its thread."""

    thread_id: UUID


class CommentText(CommentFact):
    """The present text of a comment, and the people it mentions."""

    number: int
    body: str
    mentions: list[UUID]


class CommentReaction(CommentFact):
    """A reaction that somebody gave or took back."""

    emoji: str


class SuggestionFact(Wire):
    """Of a suggestion: its scene and its anchor, what it proposes, and where it stands."""

    scene_id: UUID
    anchor_id: UUID
    status: str
    kind: str
    base: str
    text: str
    # Those that write or change no formatting do not have them.
    blocks: list[dict[str, Any]] | None = Field(default=None, exclude_if=_is_none)
    attributes: dict[str, Any] | None = Field(default=None, exclude_if=_is_none)
    author: UUID
    run_id: UUID | None
    branch_id: UUID | None = Field(default=None, exclude_if=_is_none)
    """The branch in which it was typed; left out when it was suggested by itself."""
    applied_seq: int | None
    reverted_seq: int | None


class RefactorFact(Wire):
    """Of a refactor: where it stands, and how many of its scenes were looked at."""

    kind: str
    state: str
    title: str | None
    progress: RefactorProgress
    bundle_id: UUID | None
    run_id: UUID | None


class PatchFact(Wire):
    """Of a patch: its scene, where it stands, and how many hunks it has, of which in conflict.

    `applied_version` and `reverted_version` are versions of the scene's text.
    """

    scene_id: UUID
    state: str
    base_version: int
    applied_version: int | None
    reverted_version: int | None
    rebase_strategy: str | None
    hunk_count: int
    conflict_count: int
    title: str | None
    author: UUID
    run_id: UUID | None


class MovedAnchor(Wire):
    """An anchor that got new ids or another status; as `anchors.Anchor`, without its words."""

    id: UUID
    status: AnchorStatus
    generation: int
    from_: int = Field(alias="from")
    to: int
    yjs: YjsRange | None
    deleted: Deletion | None = None


class MovedAnchors(Wire):
    """Anchors of a scene as they stand at the version `seq` of its text."""

    scene_id: UUID
    seq: int
    anchors: list[MovedAnchor]


@dataclass(frozen=True, slots=True)
class FactType:
    """A type of fact: a sentence about it, and the model of its data."""

    description: str
    data: type[Wire]


FACTS: dict[str, FactType] = {
    "thread.created": FactType("A new thread; its first comment follows.", ThreadFact),
    "thread.resolved": FactType("The thread is resolved.", ThreadFact),
    "thread.reopened": FactType("The thread is open again.", ThreadFact),
    "thread.anchor_changed": FactType("Somebody put the thread on other words.", ThreadFact),
    "thread.deleted": FactType("The thread is gone, with its comments.", ThreadFact),
    "comment.created": FactType("A new comment.", CommentText),
    "comment.changed": FactType("The comment was changed; so it reads now.", CommentText),
    "comment.deleted": FactType("The comment is a tombstone now.", CommentFact),
    "comment.reaction_added": FactType("Somebody reacted to the comment.", CommentReaction),
    "comment.reaction_removed": FactType("Somebody took a reaction back.", CommentReaction),
    "suggestion.created": FactType("A new suggestion.", SuggestionFact),
    "suggestion.changed": FactType("Its author typed on; so it reads now.", SuggestionFact),
    "suggestion.accepted": FactType("The suggestion is in the text.", SuggestionFact),
    "suggestion.rejected": FactType("The suggestion was rejected.", SuggestionFact),
    "suggestion.withdrawn": FactType("Its author took the suggestion back.", SuggestionFact),
    "suggestion.reverted": FactType("What was accepted is out of the text again.", SuggestionFact),
    "refactor.created": FactType("A new refactor; its hits are being found.", RefactorFact),
    "refactor.progressed": FactType("More of its scenes were looked at.", RefactorFact),
    "refactor.found": FactType("All of its hits are known, or it FAILED.", RefactorFact),
    "refactor.changed": FactType("Other hits are chosen, or it has another title.", RefactorFact),
    "refactor.started": FactType("It is being applied or reverted.", RefactorFact),
    "refactor.refused": FactType("Words were changed meanwhile; nothing was done.", RefactorFact),
    "refactor.applied": FactType("Its chosen hits are in texts and fields.", RefactorFact),
    "refactor.reverted": FactType("What was applied is taken back.", RefactorFact),
    "refactor.deleted": FactType("The refactor is deleted; what it changed stays.", RefactorFact),
    "refactor.restored": FactType("The deleted refactor is back.", RefactorFact),
    "patch.created": FactType("A new patch.", PatchFact),
    "patch.applied": FactType("Hunks of the patch are in the text.", PatchFact),
    "patch.rebased": FactType("Its hunks were renewed, or it is in conflict.", PatchFact),
    "patch.reverted": FactType("What was applied is out of the text again.", PatchFact),
    "patch.deleted": FactType("The patch is deleted; the text stays as it is.", PatchFact),
    "patch.restored": FactType("The patch is there again.", PatchFact),
    "anchor.moved": FactType("Anchors of a scene got new ids or another status.", MovedAnchors),
}  # fmt: skip
"""Every type of fact, by its name."""


class FollowFacts(Wire):
    """The facts of the actor's project after a position; without one, only where they stand.

    `heard` is the newest position that the asker heard announced: nothing up to there is waited
    for, though the announcement may not be noted yet. With `kept` a position before all that are
    kept stands for the first of them.
    """

    after: int | None = Field(default=None, ge=-POSITION_MAX, le=POSITION_MAX)
    heard: int = Field(default=0, ge=0, le=POSITION_MAX)
    kept: bool = False


class FollowedFacts(Wire):
    """Facts in commit order: all up to `upto`, of which there are `more` by now or not."""

    items: list[ReviewAnnouncement]
    upto: int
    more: bool


FOLLOW_FACTS = Method("collab", "follow_facts", FollowFacts, FollowedFacts)
