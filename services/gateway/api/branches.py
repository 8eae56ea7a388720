"""Branches of a scene: begun, read, merged, closed."""

from functools import partial

from libs.contracts.collab.branches import (
    BEGIN_SUGGESTING,
    CLOSE_BRANCH,
    CREATE_BRANCH,
    LIST_BRANCHES,
    MERGE_BRANCH,
    READ_BRANCH,
    BranchCreate,
    MergeRequest,
)
from services.gateway.access.limits import LimitClass
from services.gateway.api.points import DEADLINE_S, POINT
from services.gateway.http.endpoint import Endpoint

_ALL = "/api/scenes/{id=scene_id}/branches"
_ONE = _ALL + "/{branchId=id}"
_row = partial(Endpoint, tag="Branches", place="scene")

ENDPOINTS = (
    _row(
        "POST",
        _ALL,
        CREATE_BRANCH,
        summary="Begin a branch",
        description=(
            f"{POINT} Without `at` it begins from now. Read and write it with"
            " `?branch=<id>` wherever a scene's content, history or difference is."
        ),
        body=BranchCreate,
        cost=LimitClass.CONTENT,
        action="scene.branch",
        new_id="id",
        deadline_s=DEADLINE_S,
        status=201,
        location="/api/scenes/{scene_id}/branches/{id}",
        problems=("NAME_TAKEN", "LIMIT_REACHED", "GONE"),
    ),
    _row(
        "POST",
        "/api/scenes/{id=scene_id}/suggesting",
        BEGIN_SUGGESTING,
        summary="Begin suggesting",
        tag="Suggestions",
        description=(
            "The caller's own branch of the scene, of kind `suggestion`; it is made when there is"
            " none, and opened again when it was closed. What is typed in any editor at"
            " `/collab/{sceneId}?branch={branchId}` becomes suggestions a moment later, which are"
            " decided one by one. The branch keeps in step with the scene."
        ),
        cost=LimitClass.CONTENT,
        action="scene.suggest",
        new_id="id",
        deadline_s=DEADLINE_S,
        problems=("LIMIT_REACHED",),
    ),
    _row(
        "GET",
        _ALL,
        LIST_BRANCHES,
        summary="List branches",
        cost=LimitClass.READ,
        action="scene.read",
    ),
    _row(
        "GET",
        _ONE,
        READ_BRANCH,
        summary="Read a branch",
        cost=LimitClass.READ,
        action="scene.read",
    ),
    _row(
        "DELETE",
        _ONE,
        CLOSE_BRANCH,
        summary="Close a branch",
        description="It takes no more writing and stays readable.",
        cost=LimitClass.WRITE,
        action="scene.branch",
        status=204,
    ),
    _row(
        "POST",
        f"{_ONE}/merge",
        MERGE_BRANCH,
        summary="Merge a branch into its scene",
        description=(
            "What changed in the branch becomes one edit of the scene. Where both changed"
            " the same block, 409 BRANCH_CONFLICT explains each; name a strategy to"
            " decide them all: `merge` keeps both sides' words, `ours` the scene's block,"
            " `theirs` the branch's. The branch stays and can be merged again."
        ),
        body=MergeRequest,
        cost=LimitClass.CONTENT,
        action="scene.merge",
        new_id="merge_id",
        deadline_s=DEADLINE_S,
        problems=("BRANCH_CONFLICT", "BRANCH_CLOSED", "CONFLICT", "TOO_LARGE"),
    ),
)
