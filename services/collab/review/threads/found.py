"""Describes comments for those who search them."""

from libs.contracts.actor import Actor
from libs.contracts.collab.found_comments import (
    CommentIds,
    DescribeComments,
    FoundComment,
    FoundComments,
    ListComments,
)
from services.collab.review.threads.store import SQL, ThreadStore


class CommentDescriptions:
    """Serves `libs.contracts.collab.found_comments`."""

    def __init__(self, store: ThreadStore) -> None:
        """Read from *store*."""
        self._store = store

    async def describe(self, question: DescribeComments, _: Actor) -> FoundComments:
        """Describe comments of any project.

        Raises:
            errors.Unavailable: The database is away.
        """
        rows = await self._store.rows(SQL.describe_comments, question.ids, question.bodies)
        return FoundComments(comments=[FoundComment(**dict(row)) for row in rows])

    async def list(self, question: ListComments, _: Actor) -> CommentIds:
        """List comments that show, by id. Raises as `describe`."""
        rows = await self._store.rows(
            SQL.comment_ids, question.project_id, question.after, question.limit
        )
        return CommentIds(ids=[row["id"] for row in rows])
