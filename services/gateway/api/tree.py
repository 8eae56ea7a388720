"""A project's books, chapters and scenes in one answer."""

from hashlib import blake2b

from libs.bus import Caller
from libs.contracts.events.tree import READ_TREE, ReadTree, Tree
from services.gateway.access.limits import LimitClass
from services.gateway.http import etags
from services.gateway.http.route import Answer, AnyRoute, Call, NoBody, NoQuery, Route


class TreeRoutes:
    """Handlers about the whole manuscript."""

    def __init__(self, caller: Caller) -> None:
        """Ask events over *caller*."""
        self._caller = caller

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [
            Route(
                method="GET",
                path="/api/projects/{id}/tree",
                handler=self.read,
                summary="All books, chapters and scenes of a project, in order",
                description="With If-None-Match the answer to a known tree is 304.",
                tag="Projects",
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.READ,
                place=("project", "id"),
                action="project.read",
                answer=Tree,
                problems=("LIMIT_REACHED",),
                etag=True,
            )
        ]

    async def read(self, call: Call[NoBody]) -> Answer:
        """Show it, or say that the client has it."""
        written = await self._caller.ask(READ_TREE, ReadTree(), call.actor)
        body = written.text.encode()
        # Not a version: what is in the tree changes without the project's own version.
        tag = f'W/"tree-{call.path["id"]}-{blake2b(body, digest_size=12).hexdigest()}"'
        if etags.is_known(call.header("if-none-match"), tag):
            return Answer(304, headers={"ETag": tag})
        return Answer(body=body, headers={"ETag": tag})
