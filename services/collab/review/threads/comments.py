"""Serves comments: answers in a thread, changes, tombstones and reactions."""

from uuid import UUID

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.threads import (
    COMMENTS_MAX,
    REACTIONS_MAX,
    AddComment,
    ChangeComment,
    Comment,
    CommentCreate,
    DeleteComment,
    Gone,
    ListComments,
    OneComment,
    SetReaction,
)
from libs.contracts.pages import Page
from libs.postgres import Connection
from services.collab.review.facts import tell
from services.collab.review.threads.cursors import cursor_after_number, number_of
from services.collab.review.threads.facts import of_comment, of_reaction, of_text
from services.collab.review.threads.showing import comments_of
from services.collab.review.threads.store import (
    SQL,
    Row,
    ThreadStore,
    lock_comment,
    lock_thread,
    mention,
    mentioned,
    notify_others,
    one,
    require_version,
)

PAGE_BYTES_MAX = 1024 * 1024
"""Of comments in one page; it ends with the comment that reaches this."""


class CommentHandlers:
    """Serves the comments of `libs.contracts.collab.threads`."""

    def __init__(self, store: ThreadStore) -> None:
        """Keep comments in *store*."""
        self._store = store

    async def add(self, question: AddComment, actor: Actor) -> Comment:
        """Answer in a thread; the same again finds what is there."""
        async with self._store.transaction() as connection:
            thread = await lock_thread(connection, question.thread_id, actor.scope())
            known = await connection.fetchrow(SQL.comment, question.id, actor.scope())
            if known is None:
                if thread["comment_count"] >= COMMENTS_MAX:
                    raise errors.LimitReached(
                        f"A thread has at most {COMMENTS_MAX} comments; begin another one.",
                        limit=COMMENTS_MAX,
                    )
                await add_comment(connection, thread["id"], question.id, question, actor)
        return await self._shown(question.id, actor)

    async def list(self, question: ListComments, actor: Actor) -> Page[Comment]:
        """Show those of a thread, the oldest first."""
        await self._store.thread(question.id, actor.scope())
        after = number_of(question.cursor)
        rows = await self._store.rows(
            SQL.comments, question.id, actor.scope(), after, question.limit + 1
        )
        page, more = rows[: question.limit], len(rows) > question.limit
        items: list[Comment] = []
        size = 0
        for comment in await comments_of(self._store, page, actor.user_id):
            items.append(comment)
            size += len(comment.to_wire())
            if size >= PAGE_BYTES_MAX:
                more = more or len(items) < len(page)
                break
        cursor = cursor_after_number(items[-1].number) if more else None
        return Page(items=items, next_cursor=cursor)

    async def read(self, question: OneComment, actor: Actor) -> Comment:
        """Show one."""
        return await self._shown(question.id, actor)

    async def change(self, question: ChangeComment, actor: Actor) -> Comment:
        """Change one's own; people whom it mentions now hear of it."""
        given = question.model_fields_set
        async with self._store.transaction() as connection:
            thread, row = await lock_comment(connection, question.id, actor.scope())
            if row["created_by"] != actor.user_id:
                raise errors.Forbidden(
                    "Only its author may change a comment.", action="scene.comment"
                )
            _require_living(row)
            require_version(row, question.expected_version)
            if given & {"body", "mentions", "meta"}:
                body = question.body if "body" in given else row["body"]
                meta = question.meta if "meta" in given else row["meta"]
                row = await one(
                    connection, SQL.change_comment, question.id, body, meta, actor.user_id
                )
                if "mentions" in given:
                    await mention(connection, question.id, question.mentions, known=True)
                await connection.execute(SQL.touch_thread, thread["id"], actor.user_id)
                people = await mentioned(connection, question.id)
                await tell(connection, of_text("changed", thread, row, people, actor))
        return await self._shown(question.id, actor)

    async def delete(self, question: DeleteComment, actor: Actor) -> Gone:
        """Leave a tombstone; the thread stays, also when it was the first comment."""
        async with self._store.transaction() as connection:
            thread, row = await lock_comment(connection, question.id, actor.scope())
            if not question.any_author and row["created_by"] != actor.user_id:
                raise errors.Forbidden(
                    "Only its author, or a MAINTAINER, may delete a comment.",
                    action="scene.delete_any_comment",
                )
            if row["deleted_at"] is not None:
                return Gone()
            require_version(row, question.expected_version)
            row = await one(connection, SQL.bury_comment, question.id, actor.user_id)
            await connection.execute(SQL.strip_comment, question.id)
            await connection.execute(SQL.redact_comment, thread["scene_id"], question.id)
            await connection.execute(SQL.touch_thread, thread["id"], actor.user_id)
            await tell(connection, of_comment("deleted", thread, row, actor))
        return Gone()

    async def react(self, question: SetReaction, actor: Actor) -> Comment:
        """React, or take a reaction back; the same again changes nothing."""
        async with self._store.transaction() as connection:
            thread, row = await lock_comment(connection, question.id, actor.scope())
            _require_living(row)
            if question.present:
                kinds = await connection.fetchval(SQL.reaction_kinds, question.id, question.emoji)
                if kinds >= REACTIONS_MAX:
                    raise errors.LimitReached(
                        f"A comment has at most {REACTIONS_MAX} different reactions.",
                        limit=REACTIONS_MAX,
                    )
            query = SQL.add_reaction if question.present else SQL.remove_reaction
            if await connection.fetchval(query, question.id, question.emoji, actor.user_id):
                row = await one(connection, SQL.touch_comment, question.id, actor.user_id)
                await connection.execute(SQL.touch_thread, thread["id"], actor.user_id)
                action = "reaction_added" if question.present else "reaction_removed"
                told = of_reaction(action, thread, row, question.emoji, actor)
                await tell(connection, told)
        return await self._shown(question.id, actor)

    async def _shown(self, comment: UUID, actor: Actor) -> Comment:
        row = await self._store.comment(comment, actor.scope())
        return (await comments_of(self._store, [row], actor.user_id))[0]


async def add_comment(
    connection: Connection, thread: UUID, comment: UUID, given: CommentCreate, actor: Actor
) -> None:
    """Add a comment to a thread of the actor's project, whose row is locked, and tell people."""
    counted = await one(connection, SQL.count_comment, thread, actor.user_id)
    number = counted["comment_count"]
    row = await one(
        connection, SQL.add_comment, comment, thread, number, given.body, given.meta, actor.user_id
    )
    people = await mention(connection, comment, given.mentions, known=False)
    if number > 1:
        await notify_others(connection, thread, "reply", actor.user_id, comment)
    await tell(connection, of_text("created", counted, row, people, actor))


def _require_living(row: Row) -> None:
    if row["deleted_at"] is not None:
        raise errors.Gone("This comment was deleted.")
