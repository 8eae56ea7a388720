"""Threads and comments as clients see them, made of rows."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from libs.contracts.collab.anchors import Anchor
from libs.contracts.collab.threads import (
    COMMENTS_SHOWN_BYTES_MAX,
    COMMENTS_SHOWN_MAX,
    REACTION_PEOPLE_SHOWN_MAX,
    Comment,
    Reaction,
    Thread,
)
from services.collab.review.threads.cursors import cursor_after_number
from services.collab.review.threads.store import SQL, Row, ThreadStore

_OF_COMMENT = frozenset(Comment.model_fields) - {"author", "mentions", "reactions"}
_OF_THREAD = frozenset(Thread.model_fields) - {"anchor", "comments", "next_comments"}


async def comments_of(store: ThreadStore, rows: Sequence[Row], reader: UUID) -> list[Comment]:
    """Return comments with what belongs to them, as *reader* sees them."""
    ids = [row["id"] for row in rows]
    mentions: dict[UUID, list[UUID]] = defaultdict(list)
    reactions: dict[UUID, list[Reaction]] = defaultdict(list)
    if ids:
        for row in await store.rows(SQL.mentions, ids):
            mentions[row["comment_id"]].append(row["person_id"])
        found = await store.rows(SQL.reactions, ids, REACTION_PEOPLE_SHOWN_MAX, reader)
        for row in found:
            reactions[row["comment_id"]].append(
                Reaction(**{name: row[name] for name in ("emoji", "count", "people", "mine")})
            )
    return [
        Comment(
            author=row["created_by"],
            mentions=mentions[row["id"]],
            reactions=reactions[row["id"]],
            **_picked(row, _OF_COMMENT),
        )
        for row in rows
    ]


async def threads_of(
    store: ThreadStore, rows: Sequence[Row], anchors: dict[UUID, Anchor], reader: UUID
) -> list[Thread]:
    """Return threads with their first comments, as *reader* sees them."""
    ids = [row["id"] for row in rows]
    first = await store.rows(SQL.first_comments, ids, COMMENTS_SHOWN_MAX, COMMENTS_SHOWN_BYTES_MAX)
    shown: dict[UUID, list[Comment]] = defaultdict(list)
    for comment in await comments_of(store, first, reader):
        shown[comment.thread_id].append(comment)
    return [_thread(row, anchors[row["anchor_id"]], shown[row["id"]]) for row in rows]


def _thread(row: Row, anchor: Anchor, comments: list[Comment]) -> Thread:
    last = comments[-1].number if comments else 0
    return Thread(
        anchor=anchor,
        comments=comments,
        next_comments=cursor_after_number(last) if last < row["comment_count"] else None,
        **_picked(row, _OF_THREAD),
    )


def _picked(row: Row, names: Iterable[str]) -> dict[str, Any]:
    return {name: row[name] for name in names}
