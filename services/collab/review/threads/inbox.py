"""Serves each person's inbox, and forgets what is old."""

from libs.contracts.actor import Actor
from libs.contracts.collab.notifications import (
    EXCERPT_CHARS,
    PROJECTS_MAX,
    InboxProjects,
    ListNotifications,
    Marked,
    MarkNotifications,
    Notification,
    NotificationPage,
    ProjectsOfInbox,
)
from libs.tasks import PeriodicTask
from services.collab.review.threads.cursors import cursor_after, place_of
from services.collab.review.threads.store import SQL, Row, ThreadStore

KEPT_DAYS = 365
FORGET_INTERVAL_S = 3600.0
FORGET_ROWS = 5_000

_SHOWN = frozenset(Notification.model_fields) - {"actor"}


class InboxHandlers:
    """Serves `libs.contracts.collab.notifications`; each person sees their own."""

    def __init__(self, store: ThreadStore) -> None:
        """Keep inboxes in *store*."""
        self._store = store
        self.task = PeriodicTask("forget_notifications", self._forget, interval_s=FORGET_INTERVAL_S)

    async def projects(self, _: ProjectsOfInbox, actor: Actor) -> InboxProjects:
        """Tell which projects an inbox is about."""
        rows = await self._store.rows(SQL.inbox_projects, actor.user_id, PROJECTS_MAX)
        return InboxProjects(project_ids=[row["project_id"] for row in rows])

    async def list(self, question: ListNotifications, actor: Actor) -> NotificationPage:
        """Show an inbox, the newest first."""
        at, last = place_of(question.cursor)
        projects, limit = question.project_ids, question.limit
        rows = await self._store.rows(
            SQL.inbox,
            actor.user_id,
            projects,
            at,
            last,
            question.unread,
            limit + 1,
            EXCERPT_CHARS,
        )
        [unread] = await self._store.rows(SQL.unread, actor.user_id, projects)
        items = [_notification(row) for row in rows[:limit]]
        more = len(rows) > limit
        return NotificationPage(
            items=items,
            next_cursor=cursor_after(items[-1].created_at, items[-1].id) if more else None,
            unread=unread["count"],
        )

    async def mark(self, question: MarkNotifications, actor: Actor) -> Marked:
        """Note what the person has read."""
        await self._store.rows(SQL.mark_read, actor.user_id, question.ids, question.before)
        return Marked()

    async def _forget(self) -> bool:
        return len(await self._store.rows(SQL.forget_old, KEPT_DAYS, FORGET_ROWS)) == FORGET_ROWS


def _notification(row: Row) -> Notification:
    return Notification(actor=row["actor_id"], **{name: row[name] for name in _SHOWN})
