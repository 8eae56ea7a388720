"""Patches of a scene: made, listed, applied, reverted, deleted, restored."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from libs.contracts.collab.patches import (
    CREATE_PATCH,
    DECIDE_PATCH,
    DELETE_PATCH,
    HUNKS_MAX,
    LIST_PATCHES,
    PATCH_CHARS_MAX,
    PATCHES_MAX,
    READ_PATCH,
    RESTORE_PATCH,
    Patch,
    PatchCreate,
    PatchDecision,
    PatchState,
    RebaseStrategy,
)
from libs.contracts.pages import PAGE_ITEMS_DEFAULT, Cursor, PageLimit
from services.gateway.access.limits import LimitClass
from services.gateway.api.reviewed import within
from services.gateway.http import etags
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.route import Answer, AnyCall, Basis, Query

_OF_SCENE = "/api/scenes/{id=scene_id}/patches"
_ONE = "/api/patches/{id}"
DEADLINE_S = 30.0
"""Anchors may have to be found in a large scene, and its edit made again while people write."""
BODY_BYTES_MAX = 2 * 1024 * 1024
"""PATCH_CHARS_MAX of text, and as much again of quotes that say where it goes, as JSON."""
_RESTORE = "scene.restore_patch"


class PatchListing(Query):
    """A filtered page of the patches of a scene."""

    state: PatchState | None = None
    author: UUID | None = None
    include_deleted: bool = False
    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT


class PatchRead(Query):
    """How to read one patch."""

    include_deleted: bool = False


class PatchBasis(Basis):
    """The expected version of the patch, and the strategy for conflicts this time."""

    rebase_strategy: RebaseStrategy | None = None


async def _deleted_too(_: Context, call: AnyCall) -> Mapping[str, Any]:
    """Refuse to show deleted patches to people who may not restore them."""
    if call.query.include_deleted:
        call.require(_RESTORE)
    return {}


async def _with_tag(_: Context, __: AnyCall, patch: Patch) -> Answer:
    """Answer a patch with its ETag, and never 304: its words move without a new version."""
    return Answer.json(patch, headers={"ETag": etags.etag("patch", patch.id, patch.version)})


_row = partial(Endpoint, tag="Patches", deadline_s=DEADLINE_S)
_change = partial(_row, query=Basis, versioned="patch", problems=("PRECONDITION_FAILED",))
_decide = partial(
    _row,
    "POST",
    rpc=DECIDE_PATCH,
    cost=LimitClass.CONTENT,
    enter=within("patch", "scene.decide"),
    action="scene.decide",
    versioned="patch",
    etag=True,
    problems=("CONFLICT", "PRECONDITION_FAILED"),
)

ENDPOINTS = (
    _row(
        "POST",
        _OF_SCENE,
        CREATE_PATCH,
        summary="Make a patch",
        description=(
            f"At most {HUNKS_MAX} hunks, which change words of the text of `baseVersion`: each"
            " `replace`s or `delete`s the words of its anchor, or `insert`s text `before` or"
            " `after` them. Together they have at most"
            f" {PATCH_CHARS_MAX} characters. Hunks must not stand on the same words. The text stays"
            f" as it is until somebody applies the patch. A scene has at most {PATCHES_MAX}"
            " patches."
        ),
        place="scene",
        action="scene.suggest",
        cost=LimitClass.WRITE,
        body=PatchCreate,
        body_bytes_max=BODY_BYTES_MAX,
        new_id="id",
        status=201,
        location="/api/patches/{id}",
        versioned="patch",
        etag=True,
        problems=("ANCHOR_NOT_FOUND", "ANCHOR_AMBIGUOUS", "LIMIT_REACHED", "GONE"),
    ),
    _row(
        "GET",
        _OF_SCENE,
        LIST_PATCHES,
        summary="List patches",
        description=(
            "The newest first. A page may have fewer than `limit` when patches have many hunks;"
            " `nextCursor` tells whether more follow."
        ),
        place="scene",
        action="scene.read",
        cost=LimitClass.READ,
        query=PatchListing,
        prepare=_deleted_too,
    ),
    _row(
        "GET",
        _ONE,
        READ_PATCH,
        summary="Read a patch",
        enter=within("patch", "scene.read"),
        action="scene.read",
        cost=LimitClass.READ,
        query=PatchRead,
        prepare=_deleted_too,
        show=_with_tag,
        answer=Patch,
    ),
    _change(
        "DELETE",
        _ONE,
        DELETE_PATCH,
        summary="Delete a patch",
        description="It can be restored. What was applied of it stays in the text.",
        enter=within("patch", "scene.decide"),
        action="scene.decide",
        cost=LimitClass.WRITE,
        status=204,
    ),
    _decide(
        path=f"{_ONE}/apply",
        summary="Apply a patch",
        description=(
            "Its hunks become one edit of the scene, by the caller, once however often it is"
            " applied. When some are in conflict with what was written since, the strategy"
            " decides, that of `rebaseStrategy` or that of the patch: `merge` applies the others,"
            " `rebase` applies nothing and renews the hunks, `override` lets the patch win within"
            " the words of its anchors. Without one, 409 CONFLICT gives the `conflicts`, and"
            " nothing is written."
        ),
        query=PatchBasis,
        fixed={"decision": PatchDecision.APPLY},
    ),
    _decide(
        path=f"{_ONE}/reapply",
        summary="Apply a reverted patch again",
        description="As applying it.",
        query=PatchBasis,
        fixed={"decision": PatchDecision.REAPPLY},
    ),
    _decide(
        path=f"{_ONE}/revert",
        summary="Take an applied patch back",
        description=(
            "All of its hunks or none. Where somebody changed the words that it wrote, 409"
            " CONFLICT gives the `conflicts`. What others wrote elsewhere stays."
        ),
        query=Basis,
        fixed={"decision": PatchDecision.REVERT},
    ),
    _change(
        "POST",
        f"{_ONE}/restore",
        RESTORE_PATCH,
        summary="Restore a deleted patch",
        enter=within("patch", _RESTORE),
        action=_RESTORE,
        cost=LimitClass.WRITE,
        etag=True,
    ),
)
