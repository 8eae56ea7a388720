"""Refactors of a project: made, chosen from, applied, reverted, deleted, restored."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.refactors import (
    CARRY_OUT_REFACTOR,
    CHANGE_REFACTOR,
    CREATE_REFACTOR,
    LIST_REFACTORS,
    READ_REFACTOR,
    REFACTORS_MAX,
    SCENES_MAX,
    SET_REFACTOR_DELETED,
    WHERE_REFACTOR,
    RefactorCreate,
    RefactorDetail,
    RefactorPatch,
    RefactorState,
    WhereRefactor,
)
from libs.contracts.pages import PAGE_ITEMS_DEFAULT, Cursor, PageLimit
from services.gateway.access import permissions
from services.gateway.access.limits import LimitClass
from services.gateway.access.permissions import Access, Action
from services.gateway.http import etags
from services.gateway.http.endpoint import Context, Endpoint, Enter
from services.gateway.http.route import Answer, AnyCall, Basis, Query

_OF_PROJECT = "/api/projects/{id}/refactors"
_ONE = "/api/refactors/{id}"
DEADLINE_S = 60.0
"""All edits may have to be made anew, and the bundle takes its time in a large project."""
BODY_BYTES_MAX = 2 << 20


def _within(action: Action, *, deleted: bool = False) -> Enter:
    """Return what tells who somebody is in the project of the refactor in the path."""

    async def enter(context: Context, call: AnyCall) -> Access:
        """Return what the caller is there.

        Raises:
            NotFound: There is no such refactor, or they are a stranger to its project.
            Forbidden: Their role or their token does not allow *action*.
            ProjectArchived: The project can only be read, and *action* changes something.
        """
        where = await context.caller.ask(
            WHERE_REFACTOR,
            WhereRefactor(id=call.path["id"]),
            Actor(user_id=call.identity.user_id),
        )
        if where.project_id is None:
            raise errors.NotFound
        access = await context.authority.access(call.identity, "project", where.project_id)
        if access.deleted or (where.deleted and not deleted):
            raise errors.NotFound
        permissions.require(access, action)
        if call.request.method != "GET":
            permissions.require_open(access, action)
        return access

    return enter


async def _with_tag(_: Context, __: AnyCall, refactor: RefactorDetail) -> Answer:
    """Answer a refactor with its ETag, and never 304: hits come without a new version."""
    tag = etags.etag("refactor", refactor.id, refactor.version)
    return Answer.json(refactor, headers={"ETag": tag})


class RefactorBasis(Basis):
    """The expected version of the refactor, and whether changed words refuse all."""

    skip_conflicts: bool = False


class RefactorsQuery(Query):
    """A filtered page of refactors; deleted ones for people who may restore them."""

    state: RefactorState | None = None
    include_deleted: bool = False
    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT


async def _may_see_deleted(_: Context, call: AnyCall) -> Mapping[str, Any]:
    if call.query.include_deleted:
        permissions.require(call.access, "scene.restore")
    return {}


_row = partial(Endpoint, tag="Refactors", deadline_s=DEADLINE_S)
_stale = ("CONFLICT", "PRECONDITION_FAILED")
_change = partial(
    _row,
    query=Basis,
    versioned="refactor",
    problems=_stale,
)
_decide = partial(
    _change,
    "POST",
    rpc=CARRY_OUT_REFACTOR,
    query=RefactorBasis,
    cost=LimitClass.CONTENT,
    enter=_within("scene.edit"),
    action="scene.edit",
    etag=True,
)

ENDPOINTS = (
    _row(
        "POST",
        _OF_PROJECT,
        CREATE_REFACTOR,
        summary="Propose one change over many scenes",
        description=(
            "Rename an entity, replace words, change a field of many things, or give hunks. The"
            " hits are found in the background; sure ones are chosen, doubtful ones are listed. A"
            f" project has at most {REFACTORS_MAX} refactors, a refactor {SCENES_MAX} scenes."
        ),
        place="project",
        action="scene.suggest",
        cost=LimitClass.CONTENT,
        body=RefactorCreate,
        body_bytes_max=BODY_BYTES_MAX,
        new_id="id",
        status=201,
        location="/api/refactors/{id}",
        versioned="refactor",
        etag=True,
        problems=("LIMIT_REACHED",),
    ),
    _row(
        "GET",
        _OF_PROJECT,
        LIST_REFACTORS,
        summary="List refactors",
        description="The newest first. `includeDeleted` needs `scene.restore`.",
        place="project",
        query=RefactorsQuery,
        prepare=_may_see_deleted,
        action="scene.read",
        cost=LimitClass.READ,
    ),
    _row(
        "GET",
        _ONE,
        READ_REFACTOR,
        summary="Read a refactor",
        description=(
            "With a page of the scenes that have hits, in the order of the manuscript. A page may"
            " have fewer than `limit`; `nextCursor` tells whether more follow."
        ),
        enter=_within("scene.read"),
        action="scene.read",
        cost=LimitClass.READ,
        show=_with_tag,
        answer=RefactorDetail,
    ),
    _change(
        "PATCH",
        _ONE,
        CHANGE_REFACTOR,
        summary="Choose among the hits of a refactor",
        enter=_within("scene.suggest"),
        action="scene.suggest",
        cost=LimitClass.WRITE,
        body=RefactorPatch,
        etag=True,
    ),
    _decide(
        path=f"{_ONE}/apply",
        summary="Apply a refactor",
        description=(
            "The chosen hits of all scenes become one transaction, by the caller, and titles,"
            " summaries and the entity one bundle. Where words were changed since, 409 CONFLICT"
            " names the hits, and nothing is written; `skipConflicts` leaves them out."
        ),
    ),
    _decide(
        path=f"{_ONE}/revert",
        summary="Take an applied refactor back",
        description="As one; what others wrote since stays.",
        fixed={"revert": True},
    ),
    _change(
        "DELETE",
        _ONE,
        SET_REFACTOR_DELETED,
        summary="Delete a refactor",
        description="What it changed stays. It can be restored.",
        enter=_within("scene.suggest"),
        action="scene.suggest",
        cost=LimitClass.WRITE,
        fixed={"deleted": True},
        status=204,
    ),
    _change(
        "POST",
        f"{_ONE}/restore",
        SET_REFACTOR_DELETED,
        summary="Restore a deleted refactor",
        enter=_within("scene.restore", deleted=True),
        action="scene.restore",
        cost=LimitClass.WRITE,
        fixed={"deleted": False},
        etag=True,
    ),
)
