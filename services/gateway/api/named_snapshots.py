"""Named snapshots of a scene: made, read, renamed, deleted."""

from typing import Any

from libs.bus import Caller
from libs.contracts.collab.history import (
    CHANGE_SNAPSHOT,
    CREATE_SNAPSHOT,
    DELETE_SNAPSHOT,
    LIST_SNAPSHOTS,
    READ_SNAPSHOT,
    ChangeSnapshot,
    CreateSnapshot,
    DeleteSnapshot,
    NamedSnapshot,
    OfScene,
    OneOfScene,
    SnapshotCreate,
    SnapshotPatch,
)
from services.gateway.access import permissions
from services.gateway.access.limits import LimitClass
from services.gateway.api.documents import require_present
from services.gateway.api.history import DEADLINE_S, POINT, TAG
from services.gateway.api.shapes import page_of
from services.gateway.http.route import Answer, AnyRoute, Call, NoBody, NoQuery, Route

COLLECTION = "/api/scenes/{id}/snapshots"
ITEM = COLLECTION + "/{snapshotId}"


class NamedSnapshotRoutes:
    """Handlers about named snapshots."""

    def __init__(self, caller: Caller) -> None:
        """Ask collab over *caller*."""
        self._caller = caller

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        reading, writing = LimitClass.READ, LimitClass.WRITE
        return [
            Route(
                method="POST",
                path=COLLECTION,
                handler=self.create,
                summary="Give a version a name",
                description=(
                    f"{POINT} Without `at` it is the version of now. A named snapshot keeps its"
                    " version whole, whatever happens to the log."
                ),
                tag=TAG,
                body=SnapshotCreate,
                query=NoQuery,
                cost=LimitClass.CONTENT,
                place=("scene", "id"),
                action="scene.snapshot",
                answer=NamedSnapshot,
                status=201,
                problems=("NAME_TAKEN", "LIMIT_REACHED", "GONE"),
                deleted_matters=True,
            ),
            Route(
                method="GET",
                path=COLLECTION,
                handler=self.list,
                summary="List named snapshots",
                tag=TAG,
                body=NoBody,
                query=NoQuery,
                cost=reading,
                place=("scene", "id"),
                action="scene.read",
                answer=page_of(NamedSnapshot),
                deleted_matters=True,
            ),
            Route(
                method="GET",
                path=ITEM,
                handler=self.read,
                summary="Read a named snapshot",
                description="Its text: `GET /api/scenes/{id}/content?at=snapshot:<id>`.",
                tag=TAG,
                body=NoBody,
                query=NoQuery,
                cost=reading,
                place=("scene", "id"),
                action="scene.read",
                answer=NamedSnapshot,
                deleted_matters=True,
            ),
            Route(
                method="PATCH",
                path=ITEM,
                handler=self.change,
                summary="Rename or describe a named snapshot",
                tag=TAG,
                body=SnapshotPatch,
                query=NoQuery,
                cost=writing,
                place=("scene", "id"),
                action="scene.snapshot",
                answer=NamedSnapshot,
                problems=("NAME_TAKEN",),
                deleted_matters=True,
            ),
            Route(
                method="DELETE",
                path=ITEM,
                handler=self.delete,
                summary="Delete a named snapshot for good",
                description="Who made it may, and who has `scene.delete_any_snapshot`.",
                tag=TAG,
                body=NoBody,
                query=NoQuery,
                cost=writing,
                place=("scene", "id"),
                action="scene.snapshot",
                status=204,
                deleted_matters=True,
            ),
        ]

    async def create(self, call: Call[SnapshotCreate]) -> Answer:
        """Keep a version."""
        require_present(call)
        question = CreateSnapshot(id=call.new_id, scene_id=call.path["id"], fields=call.body)
        made = await self._caller.ask(CREATE_SNAPSHOT, question, call.actor, deadline_s=DEADLINE_S)
        location = f"/api/scenes/{made.scene_id}/snapshots/{made.id}"
        return Answer.json(made, 201, {"Location": location})

    async def list(self, call: Call[NoBody]) -> Answer:
        """Show all."""
        require_present(call)
        question = OfScene(scene_id=call.path["id"])
        found = await self._caller.ask(LIST_SNAPSHOTS, question, call.actor)
        items = [each.model_dump(mode="json", by_alias=True) for each in found.items]
        return Answer.json({"items": items, "nextCursor": None})

    async def read(self, call: Call[NoBody]) -> Answer:
        """Show one."""
        require_present(call)
        return Answer.json(await self._caller.ask(READ_SNAPSHOT, _one(call), call.actor))

    async def change(self, call: Call[SnapshotPatch]) -> Answer:
        """Change fields."""
        require_present(call)
        one = _one(call)
        question = ChangeSnapshot(
            scene_id=one.scene_id,
            id=one.id,
            fields=call.body.model_dump(mode="json", exclude_unset=True),
        )
        return Answer.json(await self._caller.ask(CHANGE_SNAPSHOT, question, call.actor))

    async def delete(self, call: Call[NoBody]) -> Answer:
        """Delete for good."""
        require_present(call)
        one = _one(call)
        any_author = call.access.role in permissions.MATRIX["scene.delete_any_snapshot"]
        question = DeleteSnapshot(scene_id=one.scene_id, id=one.id, any_author=any_author)
        await self._caller.ask(DELETE_SNAPSHOT, question, call.actor)
        return Answer(204)


def _one(call: Call[Any, Any]) -> OneOfScene:
    return OneOfScene(scene_id=call.path["id"], id=call.path["snapshotId"])
