"""A person's library, and what is copied there and back.

A copy reads one project and writes another, so both are asked what the person may do there now: a
library is a project like any other, whose owner may have let others in, or have left it.
"""

from uuid import UUID

from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.events import workspaces
from libs.contracts.events.bundles import COMMIT_DEADLINE_S, Committed
from libs.contracts.events.workspaces import Library, Things
from libs.contracts.wire import Wire
from services.gateway.access import permissions
from services.gateway.access.authority import Authority
from services.gateway.access.limits import LimitClass
from services.gateway.access.permissions import Access
from services.gateway.accounts.identity import Identity
from services.gateway.api.bundles import allowed
from services.gateway.http.route import Answer, AnyRoute, Call, NoBody, NoQuery, Route

_TAG = "Library"
_READ, _WRITE = "project.export", "bundle.create"
"""What one needs in the project that is copied from, and in the one that is copied to."""


class Chosen(Wire):
    """The things to copy; what they refer to comes along, and what connects them."""

    things: Things


class LibraryRoutes:
    """Handlers about libraries."""

    def __init__(self, caller: Caller, authority: Authority) -> None:
        """Ask events over *caller*, and *authority* about the library."""
        self._caller = caller
        self._authority = authority

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
                description="It needs to be read here, and a token that may write.",
                tag=_TAG,
                body=Chosen,
                query=NoQuery,
                cost=LimitClass.WRITE,
                place=("project", "id"),
                action=_READ,
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
                action=_WRITE,
                answer=Committed,
                problems=("CONFLICT", "ALREADY_EXISTS", "PROJECT_ARCHIVED"),
            ),
        ]

    async def open(self, call: Call[NoBody]) -> Answer:
        """Find or make the library."""
        return Answer.json(Library(project_id=await self._library(call.identity)))

    async def save(self, call: Call[Chosen]) -> Answer:
        """Copy into the library."""
        # Before there is one: a token that may only read does not make it either.
        permissions.require_scope(call.identity, _WRITE)
        access = await self._access(call.identity)
        permissions.require(access, _WRITE)
        permissions.require_open(access, _WRITE)
        question = workspaces.SaveToLibrary(command_id=call.command_id, things=call.body.things)
        answer = await self._caller.ask(
            workspaces.SAVE_TO_LIBRARY, question, call.actor, deadline_s=COMMIT_DEADLINE_S
        )
        return Answer.json(answer)

    async def take_over(self, call: Call[Chosen]) -> Answer:
        """Copy from the library."""
        permissions.require(await self._access(call.identity), _READ)
        question = workspaces.ImportFromLibrary(
            command_id=call.command_id, things=call.body.things, may=allowed(call.access)
        )
        answer = await self._caller.ask(
            workspaces.IMPORT_FROM_LIBRARY, question, call.actor, deadline_s=COMMIT_DEADLINE_S
        )
        return Answer.json(answer)

    async def _library(self, identity: Identity) -> UUID:
        actor = Actor(user_id=identity.user_id)
        found = await self._caller.ask(workspaces.OPEN_LIBRARY, workspaces.OpenLibrary(), actor)
        return found.project_id

    async def _access(self, identity: Identity) -> Access:
        """Return what somebody is to their own library now."""
        return await self._authority.access(identity, "project", await self._library(identity))
