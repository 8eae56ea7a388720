"""Things of the review on their way to a scene: they have no place in the tree of a project."""

from typing import Literal

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.threads import WHERE_REVIEWED, WhereReviewed
from services.gateway.access import permissions
from services.gateway.access.permissions import Access, Action
from services.gateway.http.endpoint import Context, Enter
from services.gateway.http.route import AnyCall

type Reviewed = Literal["thread", "comment", "suggestion", "patch", "anchor"]


def within(kind: Reviewed, action: Action) -> Enter:
    """Return what tells who somebody is in the scene of the thing that `{id}` in the path names."""

    async def enter(context: Context, call: AnyCall) -> Access:
        """Return what the caller is there.

        Raises:
            NotFound: There is no such thing, its scene is deleted, or they are a stranger to it.
            Forbidden: Their role or their token does not allow *action*.
            ProjectArchived: The project can only be read, and *action* changes something.
        """
        where = await context.caller.ask(
            WHERE_REVIEWED,
            WhereReviewed(kind=kind, id=call.path["id"]),
            Actor(user_id=call.identity.user_id),
        )
        if where.project_id is None or where.scene_id is None:
            raise errors.NotFound
        access = await context.authority.access(call.identity, "scene", where.scene_id)
        if access.deleted or access.project_id != where.project_id:
            raise errors.NotFound
        permissions.require(access, action)
        if call.request.method != "GET":
            permissions.require_open(access, action)
        return access

    return enter
