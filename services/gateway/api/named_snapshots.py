"""Named snapshots of a scene: made, read, renamed, deleted."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from libs.contracts.collab.history import (
    CHANGE_SNAPSHOT,
    CREATE_SNAPSHOT,
    DELETE_SNAPSHOT,
    LIST_SNAPSHOTS,
    READ_SNAPSHOT,
    SnapshotCreate,
    SnapshotPatch,
)
from services.gateway.access import permissions
from services.gateway.access.limits import LimitClass
from services.gateway.api.points import DEADLINE_S, POINT
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.route import AnyCall

_ALL = "/api/scenes/{id=scene_id}/snapshots"
_ONE = _ALL + "/{snapshotId=id}"
_row = partial(Endpoint, tag="History", place="scene")


async def _whose(_: Context, call: AnyCall) -> Mapping[str, Any]:
    """Return whether the caller may delete what others made."""
    return {"any_author": call.access.role in permissions.MATRIX["scene.delete_any_snapshot"]}


ENDPOINTS = (
    _row(
        "POST",
        _ALL,
        CREATE_SNAPSHOT,
        summary="Give a version a name",
        description=(
            f"{POINT} Without `at` it is the version of now. A named snapshot keeps its"
            " version whole, whatever happens to the log."
        ),
        body=SnapshotCreate,
        cost=LimitClass.CONTENT,
        action="scene.snapshot",
        new_id="id",
        deadline_s=DEADLINE_S,
        status=201,
        location="/api/scenes/{scene_id}/snapshots/{id}",
        problems=("NAME_TAKEN", "LIMIT_REACHED", "GONE"),
    ),
    _row(
        "GET",
        _ALL,
        LIST_SNAPSHOTS,
        summary="List named snapshots",
        cost=LimitClass.READ,
        action="scene.read",
    ),
    _row(
        "GET",
        _ONE,
        READ_SNAPSHOT,
        summary="Read a named snapshot",
        description="Its text: `GET /api/scenes/{id}/content?at=snapshot:<id>`.",
        cost=LimitClass.READ,
        action="scene.read",
    ),
    _row(
        "PATCH",
        _ONE,
        CHANGE_SNAPSHOT,
        summary="Rename or describe a named snapshot",
        body=SnapshotPatch,
        cost=LimitClass.WRITE,
        action="scene.snapshot",
        problems=("NAME_TAKEN",),
    ),
    _row(
        "DELETE",
        _ONE,
        DELETE_SNAPSHOT,
        summary="Delete a named snapshot for good",
        description="Who made it may, and who has `scene.delete_any_snapshot`.",
        cost=LimitClass.WRITE,
        action="scene.snapshot",
        prepare=_whose,
        status=204,
    ),
)
