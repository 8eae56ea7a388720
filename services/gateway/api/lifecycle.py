"""The end of things over HTTP: archive, unarchive and purge."""

from libs import errors
from libs.bus import Caller
from libs.contracts.events import lifecycle
from libs.contracts.events.resources import Expected, Project
from services.gateway.access.authority import Authority
from services.gateway.access.limits import LimitClass
from services.gateway.api.shapes import SHAPES, Basis, Shape
from services.gateway.api.world import WORLD_SHAPES
from services.gateway.http import etags
from services.gateway.http.route import Answer, AnyRoute, Call, NoBody, NoQuery, Route

LASTING = tuple(shape for shape in (*SHAPES, *WORLD_SHAPES) if shape.lasting)


class LifecycleRoutes:
    """Handlers about the end of things."""

    def __init__(self, caller: Caller, authority: Authority) -> None:
        """Ask events over *caller*; tell *authority* what can only be read."""
        self._caller = caller
        self._authority = authority

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [
            self._set("archive", "Archive a project", archived=True),
            self._set("unarchive", "Open an archived project again", archived=False),
            *(self._purge(shape) for shape in LASTING),
            Route(
                method="GET",
                path="/api/purges/{id}",
                handler=self.read,
                summary="See how far a purge is",
                description="For the person who asked for it; also when all of it is gone.",
                tag="Purges",
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.READ,
                action="project.purge",
                answer=lifecycle.PurgeProgress,
                problems=("NOT_FOUND",),
            ),
        ]

    def _set(self, verb: str, summary: str, *, archived: bool) -> AnyRoute:
        async def handler(call: Call[NoBody]) -> Answer:
            question = lifecycle.SetArchived(command_id=call.command_id, archived=archived)
            answer = await self._caller.ask(lifecycle.SET_ARCHIVED, question, call.actor)
            # Here at once; the other gateways hear of it.
            self._authority.doubt()
            tag = etags.tag_of("project", answer.resource)
            return Answer.json(answer.resource, headers={"ETag": tag})

        return Route(
            method="POST",
            path=f"/api/projects/{{id}}/{verb}",
            handler=handler,
            summary=summary,
            description=(
                "An archived project can be read, exported and cloned; whatever would change"
                " anything in it answers 409 `PROJECT_ARCHIVED`, and open sockets may only read."
                " Who is a member may still change, and the project may be deleted."
            ),
            tag="Projects",
            body=NoBody,
            query=NoQuery,
            cost=LimitClass.WRITE,
            place=("project", "id"),
            action=f"project.{verb}",
            answer=Project,
            problems=("CONCURRENCY_CONFLICT",),
            etag=True,
        )

    def _purge(self, shape: Shape) -> AnyRoute:
        async def handler(call: Call[NoBody, Basis]) -> Answer:
            question = lifecycle.Purge(
                command_id=call.command_id,
                kind=shape.kind,
                id=call.path["id"],
                expected_version=_version_meant(call, shape),
            )
            answer = await self._caller.ask(lifecycle.PURGE, question, call.actor)
            location = {"Location": f"/api/purges/{answer.id}"}
            return Answer.json(answer, 202, location)

        return Route(
            method="POST",
            path=f"{shape.item}/purge",
            handler=handler,
            summary=f"Remove {shape.words} for ever",
            description=(
                "It must be deleted, and the version that is deleted named by If-Match or"
                " `baseVersion`. It goes with all that is below it, and with what its history"
                " held; nothing brings it back. That takes a while: `Location` tells how far it"
                " is."
            ),
            tag="Purges",
            body=NoBody,
            query=Basis,
            cost=LimitClass.WRITE,
            place=(shape.kind, "id"),
            action=shape.action("purge"),
            answer=lifecycle.PurgeProgress,
            status=202,
            problems=("CONFLICT", "CONCURRENCY_CONFLICT"),
            needs_version=True,
        )

    async def read(self, call: Call[NoBody]) -> Answer:
        """Show how far a purge is."""
        question = lifecycle.ReadPurge(id=call.path["id"])
        return Answer.json(await self._caller.ask(lifecycle.READ_PURGE, question, call.actor))


def _version_meant(call: Call[NoBody, Basis], shape: Shape) -> Expected:
    """Return the version that is to go; any one (`*`) will not do.

    Raises:
        PreconditionRequired: None is named.
        PreconditionFailed: If-Match names no version of this thing.
    """
    named = etags.expected_version(call.header("if-match"), shape.kind, call.path["id"])
    version = named or call.query.base_version
    if version is None:
        raise errors.PreconditionRequired
    return version
