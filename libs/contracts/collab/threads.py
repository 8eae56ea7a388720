"""Requests to collab about the threads of comments on a scene.

A thread stands on an anchor, so it stays with its words while people type. Bodies are plain text:
nothing in them is ever markup.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from libs.contracts.collab.anchors import Anchor, AnchorStatus, AnchorTarget
from libs.contracts.editors import ForEditor
from libs.contracts.pages import PAGE_ITEMS_DEFAULT, Cursor, Page, PageLimit
from libs.contracts.rpc import Method
from libs.contracts.values import Flag, JsonObject
from libs.contracts.versions import Expected
from libs.contracts.wire import Sparse, Wire

THREADS_MAX = 10_000
"""Of one scene, those that are deleted not counted."""
COMMENTS_MAX = 1_000
"""Of one thread, those that were deleted included: each leaves a tombstone."""
BODY_CHARS_MAX = 10_000
MENTIONS_MAX = 50
"""People whom one comment mentions."""
REACTIONS_MAX = 20
"""Different reactions to one comment; any number of people may share one."""
REACTION_CHARS_MAX = 32
REACTION_PEOPLE_SHOWN_MAX = 20
"""People whom a reaction names, the first of them; all are counted."""
COMMENTS_SHOWN_MAX = 100
COMMENTS_SHOWN_BYTES_MAX = 128 * 1024
"""Comments that come with their thread: so many, or so many bytes; the first comes always."""

REACTION_PATTERN = r"^[^\s\x00-\x1f\x7f<>&\"'/]{1,32}$"
"""An emoji, or a short name without white space."""

Body = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=BODY_CHARS_MAX, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$"
    ),
]
Mentions = Annotated[list[UUID], Field(max_length=MENTIONS_MAX)]
Emoji = Annotated[str, StringConstraints(max_length=REACTION_CHARS_MAX, pattern=REACTION_PATTERN)]


class ThreadState(StrEnum):
    """Whether a thread still waits for somebody."""

    OPEN = "open"
    RESOLVED = "resolved"


class Reaction(Wire):
    """A reaction to a comment: how many people share it, the first of them, and whether I do."""

    emoji: str
    count: int
    people: list[UUID]
    mine: bool


class Comment(Wire):
    """A comment. A deleted one is a tombstone: it keeps its place, and neither text nor reactions.

    `number` counts the comments of the thread from 1.
    """

    id: UUID
    version: int
    scene_id: UUID
    thread_id: UUID
    number: int
    author: UUID
    body: str
    meta: dict[str, Any]
    mentions: list[UUID]
    reactions: list[Reaction]
    created_at: datetime
    created_by: UUID
    updated_at: datetime
    updated_by: UUID
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    deleted_by: UUID | None = None


class Thread(Wire):
    """A thread as it stands now.

    `comments` are the first ones; `next_comments` is the cursor of the others, null when all are
    there.
    """

    id: UUID
    version: int
    project_id: UUID
    scene_id: UUID
    state: ThreadState
    anchor: Anchor
    comments: list[Comment]
    comment_count: int
    next_comments: str | None = None
    resolved_at: datetime | None = None
    resolved_by: UUID | None = None
    created_at: datetime
    created_by: UUID
    updated_at: datetime
    updated_by: UUID


class CommentCreate(Wire):
    """A comment: plain text, the people it mentions, and data of the application's own."""

    body: Body
    mentions: Mentions = Field(default_factory=list[UUID])
    meta: JsonObject = Field(default_factory=dict)


class CommentPatch(Wire):
    """Fields to change; absent fields stay."""

    body: Body = ""
    mentions: Mentions = Field(default_factory=list[UUID])
    meta: JsonObject = Field(default_factory=dict)


class ThreadCreate(CommentCreate):
    """A thread: where it shall stand, and its first comment."""

    anchor: AnchorTarget


class ThreadAnchor(Wire):
    """The new anchor of a thread."""

    anchor: AnchorTarget


class CreateThread(ThreadCreate, ForEditor):
    """Begin a thread in a scene; its first comment gets the id `command_id`."""

    id: UUID
    scene_id: UUID
    command_id: UUID


class ListThreads(ForEditor):
    """The threads of a scene, the newest first; all that is given must hold.

    `anchor` is the status of their anchors now, `author` who began them; `mine` are those that
    the actor began, wrote in or is mentioned in.
    """

    scene_id: UUID
    state: ThreadState | None = None
    anchor: AnchorStatus | None = None
    author: UUID | None = None
    mine: bool = False
    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT


class OneThread(ForEditor):
    """A thread of the actor's project."""

    id: UUID
    expected_version: Expected = None


class SetThreadState(OneThread):
    """Resolve a thread, or open it again; a thread that is in that state stays as it is."""

    state: ThreadState


class DeleteThread(OneThread):
    """Delete a thread with its comments; with `any_author` also one that others began."""

    any_author: bool = False


class MoveThread(OneThread, ThreadAnchor):
    """Put a thread elsewhere; with `any_author` also one that others began."""

    any_author: bool = False


class ListComments(Wire):
    """The comments of a thread, the oldest first."""

    id: UUID
    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT


class AddComment(CommentCreate):
    """Answer in a thread."""

    id: UUID
    thread_id: UUID


class OneComment(Wire):
    """A comment of the actor's project."""

    id: UUID
    expected_version: Expected = None


class ChangeComment(CommentPatch, Sparse):
    """Change a comment of one's own; what was left out stays."""

    id: UUID
    expected_version: Expected = None


class DeleteComment(OneComment):
    """Leave a tombstone; with `any_author` also of a comment that others wrote."""

    any_author: bool = False


class SetReaction(Wire):
    """React to a comment, or take the reaction back."""

    id: UUID
    emoji: Emoji
    present: Flag


class WhereReviewed(Wire):
    """Of which scene is this? Things of the review have no place in the tree of a project."""

    kind: Literal["thread", "comment", "suggestion", "patch", "anchor"]
    id: UUID


class Whereabouts(Wire):
    """The project and the scene; null when there is no such thing, or not any more."""

    project_id: UUID | None = None
    scene_id: UUID | None = None


class Gone(Wire):
    """It is deleted."""


CREATE_THREAD = Method("collab", "create_thread", CreateThread, Thread)
LIST_THREADS = Method("collab", "list_threads", ListThreads, Page[Thread])
READ_THREAD = Method("collab", "read_thread", OneThread, Thread)
SET_THREAD_STATE = Method("collab", "set_thread_state", SetThreadState, Thread)
MOVE_THREAD = Method("collab", "move_thread", MoveThread, Thread)
DELETE_THREAD = Method("collab", "delete_thread", DeleteThread, Gone)
LIST_COMMENTS = Method("collab", "list_comments", ListComments, Page[Comment])
ADD_COMMENT = Method("collab", "add_comment", AddComment, Comment)
READ_COMMENT = Method("collab", "read_comment", OneComment, Comment)
CHANGE_COMMENT = Method("collab", "change_comment", ChangeComment, Comment)
DELETE_COMMENT = Method("collab", "delete_comment", DeleteComment, Gone)
SET_REACTION = Method("collab", "set_reaction", SetReaction, Comment)
WHERE_REVIEWED = Method("collab", "where_reviewed", WhereReviewed, Whereabouts)
