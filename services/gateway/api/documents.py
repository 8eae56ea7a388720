"""The document that a request about a scene means: the scene itself, or a branch of it."""

from typing import Any
from uuid import UUID

from libs.bus import Caller
from libs.contracts.collab.branches import READ_BRANCH
from libs.contracts.collab.history import OneOfScene
from services.gateway.access.branches import branch_refusal
from services.gateway.http.route import Call, Query


class InBranch(Query):
    """The scene, or one of its branches."""

    branch: UUID | None = None


async def document_of(
    caller: Caller, call: Call[Any, Any], branch: UUID | None, *, writing: bool = False
) -> UUID:
    """Return the id under which the log has the document that is meant.

    Raises:
        NotFound: The scene has no such branch.
        BranchClosed: Somebody wants to write into a closed branch.
        Forbidden: Somebody wants to write into another person's suggestions.
    """
    scene_id: UUID = call.path["id"]
    if branch is None:
        return scene_id
    found = await caller.ask(READ_BRANCH, OneOfScene(scene_id=scene_id, id=branch), call.actor)
    refusal = branch_refusal(found, call.actor.user_id) if writing else None
    if refusal:
        raise refusal
    return found.id
