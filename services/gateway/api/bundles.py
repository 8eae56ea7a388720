"""Bundles over HTTP: commit, list, read, undo, redo, cherry-pick, and the staging of jobs."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.events import bundles
from libs.contracts.events.bundles import (
    BUNDLE_BYTES_MAX,
    COMMIT_DEADLINE_S,
    FIELDS_MAX,
    PARTS_MAX,
    RESOLUTIONS_MAX,
    BundleType,
    DeleteOne,
    FieldRef,
    Label,
    OneOperation,
    Operations,
    Resolution,
    RestoreOne,
    SetField,
)
from libs.contracts.events.manuscript import PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX
from libs.contracts.rpc import Method
from libs.contracts.values import Instant
from libs.contracts.wire import Sparse, Wire
from services.gateway.access import permissions
from services.gateway.access.authority import Authority
from services.gateway.access.limits import LimitClass
from services.gateway.access.permissions import Access, Action
from services.gateway.api.shapes import CURSOR_CHARS_MAX, SHAPES
from services.gateway.api.world import WORLD_SHAPES
from services.gateway.http.route import Answer, AnyRoute, Call, NoBody, NoQuery, Query, Route

_CONFLICTS = ("CONFLICT", "CONCURRENCY_CONFLICT", "NOT_FOUND", "UNKNOWN_NAME")
_TAG = "Bundles"
_DEEDS = ("create", "update", "delete", "restore", "reorder")

Cursor = Annotated[str, StringConstraints(max_length=CURSOR_CHARS_MAX)]
Limit = Annotated[int, Field(ge=1, le=PAGE_ITEMS_MAX)]


class BundleCommit(Sparse):
    """The operations of one user action, in order."""

    type: BundleType = BundleType.USER_EDIT
    label: Label | None = None
    operations: Operations


class BundleUndo(Sparse):
    """How to undo; `resolutions` decide about fields that were changed since."""

    label: Label | None = None
    resolutions: list[Resolution] = Field(
        default_factory=list[Resolution], max_length=RESOLUTIONS_MAX
    )


class BundlePick(BundleUndo):
    """Which fields to undo, or to apply again."""

    fields: list[FieldRef] = Field(min_length=1, max_length=FIELDS_MAX)
    direction: Literal["undo", "apply"]


class JobPart(Sparse):
    """A part of a job's output; parts are numbered from 1."""

    part: int = Field(ge=1, le=PARTS_MAX)
    operations: Operations


class JobCommit(Sparse):
    """How many parts there are, and what to call the bundle."""

    parts: int = Field(ge=1, le=PARTS_MAX)
    type: BundleType = BundleType.JOB_OUTPUT
    label: Label | None = None


class BundleFilter(Query):
    """Which bundles."""

    cursor: Cursor | None = None
    limit: Limit = PAGE_ITEMS_DEFAULT
    user_id: UUID | None = None
    type: BundleType | None = None
    aggregate_id: UUID | None = None
    since: Instant | None = None
    until: Instant | None = None


class Page(Query):
    """Which part of the operations."""

    cursor: Cursor | None = None
    limit: Limit = PAGE_ITEMS_DEFAULT


class BundleRoutes:
    """Handlers about bundles."""

    def __init__(self, caller: Caller, authority: Authority) -> None:
        """Ask events over *caller*; *authority* says who may."""
        self._caller = caller
        self._authority = authority

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [*self._of_project(), *self._of_bundle(), *self._of_job()]

    def _of_project(self) -> list[AnyRoute]:
        path = "/api/projects/{id}/bundles"
        return [
            Route(
                method="POST",
                path=path,
                handler=self.commit,
                summary="Commit a bundle",
                description=(
                    "All operations or none. Each needs the permission of what it does"
                    " (`scene.update`, `chapter.delete`, ...). With `oldValue` or `baseVersion` a"
                    " field that somebody changed since answers 409 with both sides."
                ),
                tag=_TAG,
                body=BundleCommit,
                query=NoQuery,
                cost=LimitClass.WRITE,
                place=("project", "id"),
                action="bundle.create",
                answer=bundles.Committed,
                problems=_CONFLICTS,
                body_bytes_max=BUNDLE_BYTES_MAX,
            ),
            Route(
                method="GET",
                path=path,
                handler=self.list,
                summary="List bundles, the newest first",
                tag=_TAG,
                body=NoBody,
                query=BundleFilter,
                cost=LimitClass.READ,
                place=("project", "id"),
                action="bundle.read",
                answer=bundles.Bundles,
            ),
        ]

    def _of_bundle(self) -> list[AnyRoute]:
        path = "/api/bundles/{bundleId}"
        undo = (
            " It makes a new bundle. A field that somebody changed since answers 409 with both"
            " sides by bundle, unless `resolutions` decide about it."
        )

        def reversing(name: str, handler: Any, summary: str, body: type[Wire]) -> AnyRoute:
            return Route(
                method="POST",
                path=f"{path}/{name}",
                handler=handler,
                summary=summary,
                description=f"{summary}.{undo}",
                tag=_TAG,
                body=body,
                query=NoQuery,
                cost=LimitClass.WRITE,
                action="bundle.undo",
                answer=bundles.Committed,
                problems=_CONFLICTS,
            )

        return [
            Route(
                method="GET",
                path=path,
                handler=self.read,
                summary="Read a bundle with its operations in words",
                tag=_TAG,
                body=NoBody,
                query=Page,
                cost=LimitClass.READ,
                action="bundle.read",
                answer=bundles.BundleDetail,
            ),
            reversing("undo", self.undo, "Undo a bundle", BundleUndo),
            reversing("redo", self.redo, "Redo a bundle that was undone", BundleUndo),
            reversing("cherry-pick", self.cherry_pick, "Pick fields of a bundle", BundlePick),
        ]

    def _of_job(self) -> list[AnyRoute]:
        path = "/api/projects/{id}/jobs/{jobId}"
        about: dict[str, Any] = {
            "tag": _TAG,
            "query": NoQuery,
            "cost": LimitClass.WRITE,
            "place": ("project", "id"),
            "action": "bundle.create",
        }
        return [
            Route(
                method="POST",
                path=f"{path}/operations",
                handler=self.stage,
                summary="Stage a part of a job's output",
                description="Nobody sees it before the commit. Parts come in order.",
                body=JobPart,
                answer=bundles.Staged,
                problems=(*_CONFLICTS, "GONE"),
                body_bytes_max=BUNDLE_BYTES_MAX,
                **about,
            ),
            Route(
                method="POST",
                path=f"{path}/commit",
                handler=self.commit_job,
                summary="Make all that a job staged one bundle",
                body=JobCommit,
                answer=bundles.Committed,
                problems=(*_CONFLICTS, "GONE"),
                **about,
            ),
            Route(
                method="DELETE",
                path=path,
                handler=self.abandon,
                summary="Drop what a job staged",
                body=NoBody,
                status=204,
                problems=("CONFLICT",),
                **about,
            ),
        ]

    async def commit(self, call: Call[BundleCommit]) -> Answer:
        """Commit a bundle."""
        body = call.body
        question = bundles.Commit(
            command_id=call.command_id,
            type=body.type,
            label=body.label,
            operations=body.operations,
            may=allowed(call.access),
        )
        answer = await self._ask(bundles.COMMIT, question, call.actor)
        if any(map(_is_doubtful, body.operations)):
            self._authority.doubt()
        return answer

    async def list(self, call: Call[NoBody, BundleFilter]) -> Answer:
        """List bundles."""
        question = bundles.ListBundles(**dict(call.query))
        return await self._ask(bundles.LIST_BUNDLES, question, call.actor)

    async def read(self, call: Call[NoBody, Page]) -> Answer:
        """Read a bundle."""
        actor, _ = await self._enter(call, "bundle.read")
        question = bundles.ReadBundle(
            bundle_id=call.path["bundleId"], cursor=call.query.cursor, limit=call.query.limit
        )
        return await self._ask(bundles.READ_BUNDLE, question, actor)

    async def undo(self, call: Call[BundleUndo]) -> Answer:
        """Undo a bundle."""
        actor, access = await self._enter(call, "bundle.undo")
        question = bundles.Undo(**_undo(call, access))
        return await self._ask_and_doubt(bundles.UNDO, question, actor)

    async def redo(self, call: Call[BundleUndo]) -> Answer:
        """Redo a bundle."""
        actor, access = await self._enter(call, "bundle.undo")
        question = bundles.Redo(**_undo(call, access))
        return await self._ask_and_doubt(bundles.REDO, question, actor)

    async def cherry_pick(self, call: Call[BundlePick]) -> Answer:
        """Undo or apply some fields."""
        actor, access = await self._enter(call, "bundle.undo")
        question = bundles.CherryPick(
            **_undo(call, access), fields=call.body.fields, direction=call.body.direction
        )
        return await self._ask_and_doubt(bundles.CHERRY_PICK, question, actor)

    async def stage(self, call: Call[JobPart]) -> Answer:
        """Stage a part."""
        question = bundles.Stage(
            job_id=call.path["jobId"],
            part=call.body.part,
            operations=call.body.operations,
            may=allowed(call.access),
        )
        return await self._ask(bundles.STAGE, question, call.actor)

    async def commit_job(self, call: Call[JobCommit]) -> Answer:
        """Commit a job."""
        question = bundles.CommitJob(
            job_id=call.path["jobId"],
            parts=call.body.parts,
            type=call.body.type,
            label=call.body.label,
            may=allowed(call.access),
        )
        return await self._ask_and_doubt(bundles.COMMIT_JOB, question, call.actor)

    async def abandon(self, call: Call[NoBody]) -> Answer:
        """Abandon a job."""
        question = bundles.AbandonJob(job_id=call.path["jobId"])
        await self._caller.ask(bundles.ABANDON_JOB, question, call.actor)
        return Answer(204)

    async def _enter(self, call: Call[Any, Any], action: Action) -> tuple[Actor, Access]:
        """Return who acts in the project of the bundle in the path, and what they are there.

        Raises:
            NotFound: There is no such bundle, or they are a stranger to its project.
            Forbidden: Their role or their token does not allow *action*.
        """
        where = await self._caller.ask(
            bundles.WHERE_BUNDLE,
            bundles.WhereBundle(bundle_id=call.path["bundleId"]),
            Actor(user_id=call.identity.user_id),
        )
        if where.project_id is None:
            raise errors.NotFound
        access = await self._authority.access(call.identity, "project", where.project_id)
        permissions.require(access, action)
        permissions.require_open(access, action)
        user_id = call.identity.user_id
        return Actor(user_id=user_id, project_id=access.project_id, role=access.role), access

    async def _ask[Q: Wire, A: Wire](
        self, method: Method[Q, A], question: Q, actor: Actor
    ) -> Answer:
        answer = await self._caller.ask(method, question, actor, deadline_s=COMMIT_DEADLINE_S)
        return Answer.json(answer)

    async def _ask_and_doubt[Q: Wire, A: Wire](
        self, method: Method[Q, A], question: Q, actor: Actor
    ) -> Answer:
        """Ask for something that may delete things, or raise the schema of scenes."""
        answer = await self._ask(method, question, actor)
        # Here at once, for whoever asks next; the other gateways hear of it.
        self._authority.doubt()
        return answer


def _is_doubtful(operation: OneOperation) -> bool:
    """Return whether an operation changes what the authority keeps about things."""
    if isinstance(operation, SetField):
        return operation.aggregate.kind == "scene"
    return isinstance(operation, DeleteOne | RestoreOne)


def allowed(access: Access) -> frozenset[str]:
    """Return all that somebody may do, by kind: what operations are held against."""
    return frozenset(
        f"{shape.kind}.{deed}"
        for shape in (*SHAPES, *WORLD_SHAPES)
        for deed in _DEEDS
        if (action := shape.action(deed)) in permissions.MATRIX and permissions.may(access, action)
    )


def _undo(call: Call[Any], access: Access) -> dict[str, Any]:
    return {
        "command_id": call.command_id,
        "bundle_id": call.path["bundleId"],
        "label": call.body.label,
        "resolutions": call.body.resolutions,
        "may": allowed(access),
    }
