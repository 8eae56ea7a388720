"""A person's inbox: who mentioned them, answered them, or decided about what they began."""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import batched
from typing import Any
from uuid import UUID

from libs import errors
from libs.contracts.collab.notifications import (
    LIST_NOTIFICATIONS,
    MARK_NOTIFICATIONS,
    PROJECTS_OF_INBOX,
    NotificationPage,
    NotificationsRead,
    ProjectsOfInbox,
)
from libs.contracts.events.resources import Kind
from services.gateway.access import permissions
from services.gateway.access.limits import LimitClass
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.pages import Slice
from services.gateway.http.route import AnyCall

_INBOX = "/api/me/notifications"
ASKED_TOGETHER = 50
"""Projects or scenes that are asked about at once."""


class InboxQuery(Slice):
    """A page of an inbox."""

    unread: bool = False


async def _readable(context: Context, call: AnyCall) -> Mapping[str, Any]:
    """Return the projects of the inbox that the person may still read."""
    found = await context.caller.ask(PROJECTS_OF_INBOX, ProjectsOfInbox(), call.actor)
    return {"project_ids": await _seen(context, call, "project", found.project_ids)}


async def _shown(context: Context, call: AnyCall, page: NotificationPage) -> NotificationPage:
    """Return the page without what is about scenes that are deleted."""
    seen = set(await _seen(context, call, "scene", {each.scene_id for each in page.items}))
    items = [each for each in page.items if each.scene_id in seen]
    return page.model_copy(update={"items": items})


async def _seen(context: Context, call: AnyCall, kind: Kind, ids: Iterable[UUID]) -> list[UUID]:
    """Return those that are there and that the person may read."""
    seen: list[UUID] = []
    for some in batched(ids, ASKED_TOGETHER, strict=False):
        may = await asyncio.gather(*(_may_see(context, call, kind, each) for each in some))
        seen += [each for each, allowed in zip(some, may, strict=True) if allowed]
    return seen


async def _may_see(context: Context, call: AnyCall, kind: Kind, thing: UUID) -> bool:
    try:
        access = await context.authority.access(call.identity, kind, thing)
    except errors.NotFound:
        return False
    return not access.deleted and permissions.may(access, f"{kind}.read")


_row = partial(Endpoint, tag="Notifications")

ENDPOINTS = (
    _row(
        "GET",
        _INBOX,
        LIST_NOTIFICATIONS,
        summary="List what one is told, the newest first",
        description=(
            "Mentions, answers, decisions and resolved threads. Projects that one may not read any"
            " more, and deleted scenes, do not appear, so a page may have fewer than `limit`;"
            " `nextCursor` tells whether more follow."
        ),
        action="notification.list",
        cost=LimitClass.READ,
        query=InboxQuery,
        prepare=_readable,
        show=_shown,
        answer=NotificationPage,
    ),
    _row(
        "POST",
        f"{_INBOX}/read",
        MARK_NOTIFICATIONS,
        summary="Mark notifications as read",
        description="Those with `ids`, or all until `before`; all when neither is given.",
        action="notification.mark",
        cost=LimitClass.WRITE,
        body=NotificationsRead,
        status=204,
    ),
)
