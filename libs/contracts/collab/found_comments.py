"""Comments as the indexer needs them: what they say, and whether they show.

A question names comments of any project. An answer leaves out those that do not exist; `shown` is
false for one that is deleted, by itself or with its thread.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from libs.contracts.rpc import Method
from libs.contracts.wire import Wire

COMMENTS_MAX = 500
"""Comments of one question; each has at most 10,000 characters."""


class FoundComment(Wire):
    """A comment as it is now; without a body when it does not show or was not asked for."""

    id: UUID
    project_id: UUID
    scene_id: UUID
    thread_id: UUID
    anchor_id: UUID
    version: int
    shown: bool
    updated_at: datetime
    body: str = ""


class DescribeComments(Wire):
    """Describe comments, with their bodies if wanted."""

    ids: Annotated[list[UUID], Field(max_length=COMMENTS_MAX)]
    bodies: bool = False


class FoundComments(Wire):
    """The comments that exist, of those that were asked for."""

    comments: list[FoundComment]


class ListComments(Wire):
    """List the comments of a project by id, after one."""

    project_id: UUID
    after: UUID = UUID(int=0)
    limit: Annotated[int, Field(ge=1, le=COMMENTS_MAX)] = COMMENTS_MAX


class CommentIds(Wire):
    """A page of ids; a full one may be followed by more."""

    ids: list[UUID]


DESCRIBE_COMMENTS = Method("collab", "describe_comments", DescribeComments, FoundComments)
LIST_COMMENT_IDS = Method("collab", "list_comment_ids", ListComments, CommentIds)
