"""Bundles over HTTP: commit, list, read, undo, redo, cherry-pick, and the staging of jobs."""

from functools import partial

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.bundles import (
    ABANDON_JOB,
    BUNDLE_BYTES_MAX,
    CHERRY_PICK,
    COMMIT,
    COMMIT_DEADLINE_S,
    COMMIT_JOB,
    LIST_BUNDLES,
    READ_BUNDLE,
    REDO,
    STAGE,
    UNDO,
    WHERE_BUNDLE,
    BundleCommit,
    BundlePick,
    BundleUndo,
    Committed,
    DeleteOne,
    JobCommit,
    JobPart,
    OneOperation,
    RestoreOne,
    SetField,
    WhereBundle,
)
from services.gateway.access import permissions
from services.gateway.access.limits import LimitClass
from services.gateway.access.permissions import Access, Action
from services.gateway.http.endpoint import Context, Endpoint, Enter
from services.gateway.http.route import AnyCall


def _within(action: Action) -> Enter:
    """Return what tells who somebody is in the project of the bundle in the path."""

    async def enter(context: Context, call: AnyCall) -> Access:
        """Return what the caller is there.

        Raises:
            NotFound: There is no such bundle, or they are a stranger to its project.
            Forbidden: Their role or their token does not allow *action*.
        """
        where = await context.caller.ask(
            WHERE_BUNDLE,
            WhereBundle(bundle_id=call.path["bundleId"]),
            Actor(user_id=call.identity.user_id),
        )
        if where.project_id is None:
            raise errors.NotFound
        access = await context.authority.access(call.identity, "project", where.project_id)
        permissions.require(access, action)
        permissions.require_open(access, action)
        return access

    return enter


async def _doubt(context: Context, call: AnyCall, _: Committed) -> None:
    """Ask anew about things, where an operation may have changed what is kept about them."""
    if any(map(_is_doubtful, call.body.operations)):
        context.authority.doubt()


def _is_doubtful(operation: OneOperation) -> bool:
    if isinstance(operation, SetField):
        return operation.aggregate.kind == "scene"
    return isinstance(operation, DeleteOne | RestoreOne)


_OF_PROJECT = "/api/projects/{id}/bundles"
_OF_JOB = "/api/projects/{id}/jobs/{jobId}"
_BUNDLE = "/api/bundles/{bundleId}"
_CONFLICTS = ("CONFLICT", "CONCURRENCY_CONFLICT", "NOT_FOUND", "UNKNOWN_NAME")
_UNDO = (
    " It makes a new bundle. A field that somebody changed since answers 409 with both"
    " sides by bundle, unless `resolutions` decide about it."
)

_row = partial(Endpoint, tag="Bundles", deadline_s=COMMIT_DEADLINE_S)
_read = partial(_row, cost=LimitClass.READ, action="bundle.read")
_create = partial(_row, place="project", cost=LimitClass.WRITE, action="bundle.create")
_reverse = partial(
    _row,
    enter=_within("bundle.undo"),
    cost=LimitClass.WRITE,
    action="bundle.undo",
    doubts=True,
    problems=_CONFLICTS,
)

ENDPOINTS = (
    _create(
        "POST",
        _OF_PROJECT,
        COMMIT,
        summary="Commit a bundle",
        description=(
            "All operations or none. Each needs the permission of what it does"
            " (`scene.update`, `chapter.delete`, ...). With `oldValue` or `baseVersion` a"
            " field that somebody changed since answers 409 with both sides."
        ),
        body=BundleCommit,
        after=_doubt,
        problems=_CONFLICTS,
        body_bytes_max=BUNDLE_BYTES_MAX,
    ),
    _read(
        "GET",
        _OF_PROJECT,
        LIST_BUNDLES,
        summary="List bundles, the newest first",
        place="project",
    ),
    _read(
        "GET",
        _BUNDLE,
        READ_BUNDLE,
        summary="Read a bundle with its operations in words",
        enter=_within("bundle.read"),
    ),
    _reverse(
        "POST",
        f"{_BUNDLE}/undo",
        UNDO,
        summary="Undo a bundle",
        description=f"Undo a bundle.{_UNDO}",
        body=BundleUndo,
    ),
    _reverse(
        "POST",
        f"{_BUNDLE}/redo",
        REDO,
        summary="Redo a bundle that was undone",
        description=f"Redo a bundle that was undone.{_UNDO}",
        body=BundleUndo,
    ),
    _reverse(
        "POST",
        f"{_BUNDLE}/cherry-pick",
        CHERRY_PICK,
        summary="Pick fields of a bundle",
        description=f"Pick fields of a bundle.{_UNDO}",
        body=BundlePick,
    ),
    _create(
        "POST",
        f"{_OF_JOB}/operations",
        STAGE,
        summary="Stage a part of a job's output",
        description="Nobody sees it before the commit. Parts come in order.",
        body=JobPart,
        problems=(*_CONFLICTS, "GONE"),
        body_bytes_max=BUNDLE_BYTES_MAX,
    ),
    _create(
        "POST",
        f"{_OF_JOB}/commit",
        COMMIT_JOB,
        summary="Make all that a job staged one bundle",
        body=JobCommit,
        doubts=True,
        problems=(*_CONFLICTS, "GONE"),
    ),
    _create(
        "DELETE",
        _OF_JOB,
        ABANDON_JOB,
        summary="Drop what a job staged",
        status=204,
        problems=("CONFLICT",),
    ),
)
