"""The facts about threads and comments, made of their rows."""

from collections.abc import Sequence
from uuid import UUID

from libs.bus import Fact
from libs.contracts.actor import Actor
from libs.contracts.collab.facts import CommentFact, CommentReaction, CommentText, ThreadFact
from libs.contracts.wire import Wire
from services.collab.review.facts import fact
from services.collab.review.threads.store import Row


def of_thread(action: str, thread: Row, actor: Actor) -> Fact:
    """Return what happened to a thread."""
    data = ThreadFact(scene_id=thread["scene_id"], anchor_id=thread["anchor_id"])
    return _fact(f"thread.{action}", thread, actor, data)


def of_comment(action: str, thread: Row, comment: Row, actor: Actor) -> Fact:
    """Return what happened to a comment of a thread."""
    data = CommentFact(
        scene_id=thread["scene_id"], anchor_id=thread["anchor_id"], thread_id=thread["id"]
    )
    return _fact(f"comment.{action}", comment, actor, data)


def of_text(action: str, thread: Row, comment: Row, mentions: Sequence[UUID], actor: Actor) -> Fact:
    """Return what a comment of a thread says now."""
    data = CommentText(
        scene_id=thread["scene_id"],
        anchor_id=thread["anchor_id"],
        thread_id=thread["id"],
        number=comment["number"],
        body=comment["body"],
        mentions=list(mentions),
    )
    return _fact(f"comment.{action}", comment, actor, data)


def of_reaction(action: str, thread: Row, comment: Row, emoji: str, actor: Actor) -> Fact:
    """Return a reaction to a comment of a thread."""
    data = CommentReaction(
        scene_id=thread["scene_id"],
        anchor_id=thread["anchor_id"],
        thread_id=thread["id"],
        emoji=emoji,
    )
    return _fact(f"comment.{action}", comment, actor, data)


def _fact(event_type: str, row: Row, actor: Actor, data: Wire) -> Fact:
    return fact(
        event_type,
        row["id"],
        project=actor.scope(),
        by=actor.user_id,
        version=row["version"],
        data=data,
    )
