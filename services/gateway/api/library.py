"""A person's library, and what is copied there and back.

A copy reads one project and writes another, so both are asked what the person may do there now: a
library is a project like any other, whose owner may have let others in, or have left it.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from libs.contracts.actor import Actor
from libs.contracts.events.bundles import COMMIT_DEADLINE_S
from libs.contracts.events.workspaces import (
    IMPORT_FROM_LIBRARY,
    OPEN_LIBRARY,
    SAVE_TO_LIBRARY,
    Chosen,
    OpenLibrary,
)
from services.gateway.access import permissions
from services.gateway.access.limits import LimitClass
from services.gateway.access.permissions import Access
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.route import AnyCall

_READ, _WRITE = "project.export", "bundle.create"
"""Permissions that copying needs in the source project and in the target project."""


async def _may_save(context: Context, call: AnyCall) -> Mapping[str, Any]:
    # Before there is one: a token that may only read does not make it either.
    permissions.require_scope(call.identity, _WRITE)
    access = await _library(context, call)
    permissions.require(access, _WRITE)
    permissions.require_open(access, _WRITE)
    return {}


async def _may_take(context: Context, call: AnyCall) -> Mapping[str, Any]:
    permissions.require(await _library(context, call), _READ)
    return {}


async def _library(context: Context, call: AnyCall) -> Access:
    """Return what the caller is to their own library now."""
    actor = Actor(user_id=call.identity.user_id)
    found = await context.caller.ask(OPEN_LIBRARY, OpenLibrary(), actor)
    return await context.authority.access(call.identity, "project", found.project_id)


_row = partial(Endpoint, tag="Library")
_copy = partial(
    _row,
    body=Chosen,
    place="project",
    cost=LimitClass.WRITE,
    deadline_s=COMMIT_DEADLINE_S,
)

ENDPOINTS = (
    _row(
        "GET",
        "/api/library",
        OPEN_LIBRARY,
        summary="Find one's library",
        description=(
            "A project of one's own that is in no list; it is used through the addresses"
            " of any project. It is made when it is first asked for."
        ),
        cost=LimitClass.READ,
        action="project.create",
    ),
    _copy(
        "POST",
        "/api/projects/{id}/save-to-library",
        SAVE_TO_LIBRARY,
        summary="Copy things into one's library",
        description="It needs to be read here, and a token that may write.",
        action=_READ,
        prepare=_may_save,
        problems=("CONFLICT",),
    ),
    _copy(
        "POST",
        "/api/projects/{id}/import-from-library",
        IMPORT_FROM_LIBRARY,
        summary="Copy things from one's library",
        description=(
            "One bundle of type `import`, to be undone at once; each thing needs the"
            " permission to make it. A tag that the project has by name is used."
        ),
        action=_WRITE,
        prepare=_may_take,
        problems=("CONFLICT", "ALREADY_EXISTS", "PROJECT_ARCHIVED"),
    ),
)
