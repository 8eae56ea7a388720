"""Branches of a scene: begun, read, merged, closed."""

from typing import Any

from libs.bus import Caller
from libs.contracts.collab.branches import (
    CLOSE_BRANCH,
    CREATE_BRANCH,
    LIST_BRANCHES,
    MERGE_BRANCH,
    READ_BRANCH,
    Branch,
    BranchCreate,
    CreateBranch,
    MergeBranch,
    Merged,
    MergeRequest,
)
from libs.contracts.collab.history import OfScene, OneOfScene
from services.gateway.access.limits import LimitClass
from services.gateway.access.scene_editors import Editors
from services.gateway.api.documents import require_present
from services.gateway.api.history import DEADLINE_S, POINT
from services.gateway.api.shapes import page_of
from services.gateway.http.route import Answer, AnyRoute, Call, NoBody, NoQuery, Route

COLLECTION = "/api/scenes/{id}/branches"
ITEM = COLLECTION + "/{branchId}"
TAG = "Branches"


class BranchRoutes:
    """Handlers about branches."""

    def __init__(self, caller: Caller, editors: Editors) -> None:
        """Ask collab over *caller*; *editors* tells what a scene is written with."""
        self._caller = caller
        self._editors = editors

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [
            Route(
                method="POST",
                path=COLLECTION,
                handler=self.create,
                summary="Begin a branch",
                description=(
                    f"{POINT} Without `at` it begins from now. Read and write it with"
                    " `?branch=<id>` wherever a scene's content, history or difference is."
                ),
                tag=TAG,
                body=BranchCreate,
                query=NoQuery,
                cost=LimitClass.CONTENT,
                place=("scene", "id"),
                action="scene.branch",
                answer=Branch,
                status=201,
                problems=("NAME_TAKEN", "LIMIT_REACHED", "GONE"),
                deleted_matters=True,
            ),
            Route(
                method="GET",
                path=COLLECTION,
                handler=self.list,
                summary="List branches",
                tag=TAG,
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.READ,
                place=("scene", "id"),
                action="scene.read",
                answer=page_of(Branch),
                deleted_matters=True,
            ),
            Route(
                method="GET",
                path=ITEM,
                handler=self.read,
                summary="Read a branch",
                tag=TAG,
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.READ,
                place=("scene", "id"),
                action="scene.read",
                answer=Branch,
                deleted_matters=True,
            ),
            Route(
                method="DELETE",
                path=ITEM,
                handler=self.close,
                summary="Close a branch",
                description="It takes no more writing and stays readable.",
                tag=TAG,
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.WRITE,
                place=("scene", "id"),
                action="scene.branch",
                status=204,
                deleted_matters=True,
            ),
            Route(
                method="POST",
                path=f"{ITEM}/merge",
                handler=self.merge,
                summary="Merge a branch into its scene",
                description=(
                    "What changed in the branch becomes one edit of the scene. Where both changed"
                    " the same block, 409 BRANCH_CONFLICT explains each; name a strategy to"
                    " decide them all: `merge` keeps both sides' words, `ours` the scene's block,"
                    " `theirs` the branch's. The branch stays and can be merged again."
                ),
                tag=TAG,
                body=MergeRequest,
                query=NoQuery,
                cost=LimitClass.CONTENT,
                place=("scene", "id"),
                action="scene.merge",
                answer=Merged,
                problems=("BRANCH_CONFLICT", "BRANCH_CLOSED", "CONFLICT", "TOO_LARGE"),
                deleted_matters=True,
            ),
        ]

    async def create(self, call: Call[BranchCreate]) -> Answer:
        """Begin one."""
        require_present(call)
        question = CreateBranch(id=call.new_id, scene_id=call.path["id"], fields=call.body)
        made = await self._caller.ask(CREATE_BRANCH, question, call.actor, deadline_s=DEADLINE_S)
        location = f"/api/scenes/{made.scene_id}/branches/{made.id}"
        return Answer.json(made, 201, {"Location": location})

    async def list(self, call: Call[NoBody]) -> Answer:
        """Show all."""
        require_present(call)
        question = OfScene(scene_id=call.path["id"])
        found = await self._caller.ask(LIST_BRANCHES, question, call.actor)
        items = [each.model_dump(mode="json", by_alias=True) for each in found.items]
        return Answer.json({"items": items, "nextCursor": None})

    async def read(self, call: Call[NoBody]) -> Answer:
        """Show one."""
        require_present(call)
        return Answer.json(await self._caller.ask(READ_BRANCH, _one(call), call.actor))

    async def close(self, call: Call[NoBody]) -> Answer:
        """Take no more writing into it."""
        require_present(call)
        await self._caller.ask(CLOSE_BRANCH, _one(call), call.actor)
        return Answer(204)

    async def merge(self, call: Call[MergeRequest]) -> Answer:
        """Bring it back."""
        require_present(call)
        one = _one(call)
        question = MergeBranch(
            scene_id=one.scene_id,
            id=one.id,
            merge_id=call.new_id,
            request=call.body,
            editor=await self._editors.of(call.access.editor, call.actor),
        )
        return Answer.json(
            await self._caller.ask(MERGE_BRANCH, question, call.actor, deadline_s=DEADLINE_S)
        )


def _one(call: Call[Any, Any]) -> OneOfScene:
    return OneOfScene(scene_id=call.path["id"], id=call.path["branchId"])
