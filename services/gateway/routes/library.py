"""A person's library, and what is copied there and back."""

from libs.bus import Caller
from libs.contracts import workspaces
from libs.contracts.actor import Actor
from libs.contracts.bundles import COMMIT_DEADLINE_S, Committed
from libs.contracts.wire import Wire
from libs.contracts.workspaces import Library, Things
from services.gateway.edge.route import Answer, AnyRoute, Call, NoBody, NoQuery, Route
from services.gateway.limits import LimitClass
from services.gateway.routes.bundles import allowed

_TAG = "Library"


class Chosen(Wire):
    """The things to copy; what they refer to comes along, and what connects them."""

    things: Things


class LibraryRoutes:
    """Handlers about libraries."""

    def __init__(self, caller: Caller) -> None:
        """Ask events over *caller*."""
        self._caller = caller

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [
            Route(
                method="GET",
                path="/api/library",
                handler=self.open,
                summary="Find one's library",
                description=(
                    "A project of one's own that is in no list; it is used through the addresses"
                    " of any project. It is made when it is first asked for."
                ),
                tag=_TAG,
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.READ,
                action="project.create",
                answer=Library,
            ),
            Route(
                method="POST",
                path="/api/projects/{id}/save-to-library",
                handler=self.save,
                summary="Copy things into one's library",
                tag=_TAG,
                body=Chosen,
                query=NoQuery,
                cost=LimitClass.WRITE,
                place=("project", "id"),
                action="project.export",
                answer=Committed,
                problems=("CONFLICT",),
            ),
            Route(
                method="POST",
                path="/api/projects/{id}/import-from-library",
                handler=self.take_over,
                summary="Copy things from one's library",
                description=(
                    "One bundle of type `import`, to be undone at once; each thing needs the"
                    " permission to make it. A tag that the project has by name is used."
                ),
                tag=_TAG,
                body=Chosen,
                query=NoQuery,
                cost=LimitClass.WRITE,
                place=("project", "id"),
                action="bundle.create",
                answer=Committed,
                problems=("CONFLICT", "ALREADY_EXISTS", "PROJECT_ARCHIVED"),
            ),
        ]

    async def open(self, call: Call[NoBody]) -> Answer:
        """Find or make the library."""
        actor = Actor(user_id=call.identity.user_id)
        answer = await self._caller.ask(workspaces.OPEN_LIBRARY, workspaces.OpenLibrary(), actor)
        return Answer.json(answer)

    async def save(self, call: Call[Chosen]) -> Answer:
        """Copy into the library."""
        question = workspaces.SaveToLibrary(command_id=call.command_id, things=call.body.things)
        answer = await self._caller.ask(
            workspaces.SAVE_TO_LIBRARY, question, call.actor, deadline_s=COMMIT_DEADLINE_S
        )
        return Answer.json(answer)

    async def take_over(self, call: Call[Chosen]) -> Answer:
        """Copy from the library."""
        question = workspaces.ImportFromLibrary(
            command_id=call.command_id, things=call.body.things, may=allowed(call.access)
        )
        answer = await self._caller.ask(
            workspaces.IMPORT_FROM_LIBRARY, question, call.actor, deadline_s=COMMIT_DEADLINE_S
        )
        return Answer.json(answer)
