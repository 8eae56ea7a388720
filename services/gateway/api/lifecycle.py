"""The end of things over HTTP: archive, unarchive and purge."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from libs import errors
from libs.contracts.events.lifecycle import PURGE, READ_PURGE, SET_ARCHIVED
from libs.contracts.events.resources import Project
from services.gateway.access.limits import LimitClass
from services.gateway.api.shapes import MANUSCRIPT_SHAPES, Shape
from services.gateway.api.world import WORLD_SHAPES
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.route import AnyCall, Basis


async def _require_version(_: Context, call: AnyCall) -> Mapping[str, Any]:
    """Refuse to purge any one version (`*`): the one that is to go must be named."""
    if (call.header("if-match") or "").strip() == "*" and call.query.base_version is None:
        raise errors.PreconditionRequired
    return {}


def _purge(shape: Shape) -> Endpoint:
    return Endpoint(
        "POST",
        f"{shape.item}/purge",
        PURGE,
        summary=f"Remove {shape.words} for ever",
        description=(
            "It must be deleted, and the version that is deleted named by If-Match or"
            " `baseVersion`. It goes with all that is below it, and with what its history"
            " held; nothing brings it back. That takes a while: `Location` tells how far it"
            " is."
        ),
        tag="Purges",
        query=Basis,
        cost=LimitClass.WRITE,
        place=shape.kind,
        action=shape.action("purge"),
        fixed={"kind": shape.kind},
        prepare=_require_version,
        versioned=shape.kind,
        needs_version=True,
        status=202,
        location="/api/purges/{id}",
        problems=("CONFLICT", "CONCURRENCY_CONFLICT"),
    )


_close = partial(
    Endpoint,
    description=(
        "An archived project can be read, exported and cloned; whatever would change"
        " anything in it answers 409 `PROJECT_ARCHIVED`, and open sockets may only read."
        " Who is a member may still change, and the project may be deleted."
    ),
    tag="Projects",
    cost=LimitClass.WRITE,
    place="project",
    doubts=True,
    versioned="project",
    etag=True,
    answer=Project,
    problems=("CONCURRENCY_CONFLICT",),
)

ENDPOINTS = (
    _close(
        "POST",
        "/api/projects/{id}/archive",
        SET_ARCHIVED,
        summary="Archive a project",
        action="project.archive",
        fixed={"archived": True},
    ),
    _close(
        "POST",
        "/api/projects/{id}/unarchive",
        SET_ARCHIVED,
        summary="Open an archived project again",
        action="project.unarchive",
        fixed={"archived": False},
    ),
    *(_purge(shape) for shape in (*MANUSCRIPT_SHAPES, *WORLD_SHAPES) if shape.lasting),
    Endpoint(
        "GET",
        "/api/purges/{id}",
        READ_PURGE,
        summary="See how far a purge is",
        description="For the person who asked for it; also when all of it is gone.",
        tag="Purges",
        cost=LimitClass.READ,
        action="project.purge",
        problems=("NOT_FOUND",),
    ),
)
