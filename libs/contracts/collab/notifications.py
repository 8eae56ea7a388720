"""Requests to collab about a person's inbox: mentions, replies and decisions in reviews."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from libs.contracts.pages import PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX, Cursor, PageLimit
from libs.contracts.rpc import Method
from libs.contracts.values import Instant
from libs.contracts.wire import Wire

PROJECTS_MAX = 1_000
"""Projects of an inbox, those with the newest notifications."""
EXCERPT_CHARS = 200
"""Of a comment, in what tells of it."""


class NotificationKind(StrEnum):
    """The reason of a notification.

    `mention`: a comment mentions them. `reply`: a comment in a thread in which they have a part.
    `decision`: about a suggestion or a patch of theirs. `resolved`: of such a thread.
    """

    MENTION = "mention"
    REPLY = "reply"
    DECISION = "decision"
    RESOLVED = "resolved"


class Notification(Wire):
    """Something that a person is told: who did what, and where.

    `excerpt` is how the comment begins now; empty when it is about no comment.
    """

    id: UUID
    kind: NotificationKind
    actor: UUID
    project_id: UUID
    scene_id: UUID
    thread_id: UUID | None = None
    comment_id: UUID | None = None
    excerpt: str = ""
    created_at: datetime
    read_at: datetime | None = None


class NotificationPage(Wire):
    """A page of an inbox, and how many in it are unread; `next_cursor` is null on the last one."""

    items: list[Notification]
    next_cursor: str | None = None
    unread: int


class ListNotifications(Wire):
    """The actor's inbox, the newest first, as far as it is about these projects."""

    project_ids: Annotated[list[UUID], Field(max_length=PROJECTS_MAX)]
    unread: bool = False
    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT


class ProjectsOfInbox(Wire):
    """List the projects of the actor's inbox."""


class InboxProjects(Wire):
    """Their ids."""

    project_ids: list[UUID]


class NotificationsRead(Wire):
    """Notifications that were read: by their ids, or all up to a moment; without both, all."""

    ids: Annotated[list[UUID], Field(max_length=PAGE_ITEMS_MAX)] | None = None
    before: Instant | None = None


class MarkNotifications(NotificationsRead):
    """Note that the actor has read them; those of others are left alone."""


class Marked(Wire):
    """It is noted."""


LIST_NOTIFICATIONS = Method("collab", "list_notifications", ListNotifications, NotificationPage)
PROJECTS_OF_INBOX = Method("collab", "projects_of_inbox", ProjectsOfInbox, InboxProjects)
MARK_NOTIFICATIONS = Method("collab", "mark_notifications", MarkNotifications, Marked)
