"""Which document a request about a scene means: the scene itself, or a branch of it."""

from typing import Any
from uuid import UUID

from libs import errors
from libs.bus import Caller
from libs.contracts.collab.branches import READ_BRANCH, BranchState
from libs.contracts.collab.history import OneOfScene
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
    """
    scene_id: UUID = call.path["id"]
    if branch is None:
        return scene_id
    found = await caller.ask(READ_BRANCH, OneOfScene(scene_id=scene_id, id=branch), call.actor)
    if writing and found.state is BranchState.CLOSED:
        raise errors.BranchClosed
    return found.id
