"""Teams: made, named, and who is in them."""

from collections.abc import Sequence
from uuid import UUID

from nats.errors import Error as BusError
from nats.js.errors import Error as StreamError
from pydantic import BaseModel

from libs import errors
from libs.contracts.events.teams import TEAMS_UNASKED_MAX
from libs.contracts.values import Name
from libs.contracts.versions import Expected
from libs.contracts.wire import Wire
from services.gateway.access.authority import Authority
from services.gateway.access.limits import LimitClass
from services.gateway.accounts.teams.model import Team, TeamCreate, TeamMember, TeamMemberPut
from services.gateway.accounts.teams.store import TeamStore
from services.gateway.http import etags
from services.gateway.http.cursors import cursor_after, id_of
from services.gateway.http.pages import Slice, page_of
from services.gateway.http.route import (
    Answer,
    AnyRoute,
    Basis,
    Call,
    NoBody,
    NoQuery,
    Route,
    Version,
)

_TAG = "Teams"


class TeamChange(Wire):
    """Another name; `baseVersion` is the version that it was changed from."""

    name: Name
    base_version: Version | None = None


class TeamRoutes:
    """Handlers about teams. Nobody who is not in a team learns that it is there."""

    def __init__(self, teams: TeamStore, authority: Authority) -> None:
        """Keep *teams*; tell *authority* whose have changed."""
        self._teams = teams
        self._authority = authority

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [*self._of_teams(), *self._of_members()]

    def _of_teams(self) -> list[AnyRoute]:
        return [
            Route(
                method="POST",
                path="/api/teams",
                handler=self.create,
                summary="Create a team",
                description="You are its OWNER.",
                tag=_TAG,
                body=TeamCreate,
                query=NoQuery,
                cost=LimitClass.WRITE,
                action="team.create",
                answer=Team,
                status=201,
                problems=("LIMIT_REACHED",),
                etag=True,
            ),
            Route(
                method="GET",
                path="/api/teams",
                handler=self.list,
                summary="List the teams that you are in",
                tag=_TAG,
                body=NoBody,
                query=Slice,
                cost=LimitClass.READ,
                action="team.read",
                answer=page_of(Team),
            ),
            Route(
                method="GET",
                path="/api/teams/{id}",
                handler=self.read,
                summary="Read a team that you are in",
                description="With If-None-Match the answer to a known version is 304.",
                tag=_TAG,
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.READ,
                action="team.read",
                answer=Team,
                etag=True,
            ),
            Route(
                method="POST",
                path="/api/teams/{id}/accept",
                handler=self.accept,
                summary="Accept a team that somebody brought you into",
                description=(
                    "It is one of those that you chose then. Leave the others with"
                    " `DELETE /api/teams/{id}/members/{userId}`."
                ),
                tag=_TAG,
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.WRITE,
                action="team.accept",
                answer=Team,
                problems=("LIMIT_REACHED",),
                etag=True,
            ),
            Route(
                method="PATCH",
                path="/api/teams/{id}",
                handler=self.rename,
                summary="Rename a team",
                description="Name the version by If-Match or `baseVersion`. For its OWNERs.",
                tag=_TAG,
                body=TeamChange,
                query=NoQuery,
                cost=LimitClass.WRITE,
                action="team.update",
                answer=Team,
                etag=True,
                needs_version=True,
            ),
            Route(
                method="DELETE",
                path="/api/teams/{id}",
                handler=self.delete,
                summary="Delete a team",
                description=(
                    "What it opened is closed to its members at once; it cannot be restored."
                    " Name the version by If-Match or `baseVersion`. For its OWNERs."
                ),
                tag=_TAG,
                body=NoBody,
                query=Basis,
                cost=LimitClass.WRITE,
                action="team.delete",
                status=204,
                needs_version=True,
            ),
        ]

    def _of_members(self) -> list[AnyRoute]:
        path = "/api/teams/{id}/members"
        return [
            Route(
                method="GET",
                path=path,
                handler=self.members,
                summary="List who is in a team that you are in",
                tag=_TAG,
                body=NoBody,
                query=Slice,
                cost=LimitClass.READ,
                action="team.read",
                answer=page_of(TeamMember),
            ),
            Route(
                method="PUT",
                path=f"{path}/{{userId}}",
                handler=self.put_member,
                summary="Bring a person into a team, or change what they are there",
                description=(
                    "What the team may do in projects they may at once; who was brought into"
                    f" {TEAMS_UNASKED_MAX} others unasked, as soon as they accept it. For its"
                    " OWNERs."
                ),
                tag=_TAG,
                body=TeamMemberPut,
                query=NoQuery,
                cost=LimitClass.WRITE,
                action="team.put_member",
                answer=TeamMember,
                problems=("LAST_OWNER", "LIMIT_REACHED"),
            ),
            Route(
                method="DELETE",
                path=f"{path}/{{userId}}",
                handler=self.remove_member,
                summary="Take a person out of a team, or leave",
                description="What only the team opened to them is closed at once.",
                tag=_TAG,
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.WRITE,
                action="team.remove_member",
                status=204,
                problems=("LAST_OWNER",),
            ),
        ]

    async def create(self, call: Call[TeamCreate]) -> Answer:
        """Make a team."""
        user_id = call.identity.user_id
        team = await self._teams.create(call.new_id, user_id, call.body.name)
        await self._forget([user_id])
        return _answer(team, 201, {"Location": f"/api/teams/{team.id}"})

    async def list(self, call: Call[NoBody, Slice]) -> Answer:
        """Show a page of the asker's teams."""
        limit = call.query.limit
        found = await self._teams.page(call.identity.user_id, id_of(call.query.cursor), limit + 1)
        return page(found, [team.id for team in found], limit)

    async def read(self, call: Call[NoBody]) -> Answer:
        """Show one, or say that the client has it."""
        team = await self._teams.read(call.path["id"], call.identity.user_id)
        tag = etags.etag("team", team.id, team.version)
        if etags.is_known(call.header("if-none-match"), tag):
            return Answer(304, headers={"ETag": tag})
        return _answer(team)

    async def accept(self, call: Call[NoBody]) -> Answer:
        """Note that the asker chose a team."""
        user_id = call.identity.user_id
        team = await self._teams.accept(call.path["id"], user_id)
        await self._forget([user_id])
        return _answer(team)

    async def rename(self, call: Call[TeamChange]) -> Answer:
        """Give it another name."""
        expected = _expected(call, call.body.base_version)
        team = await self._teams.rename(
            call.path["id"], call.identity.user_id, call.body.name, expected
        )
        return _answer(team)

    async def delete(self, call: Call[NoBody, Basis]) -> Answer:
        """Delete it, and close what it opened."""
        expected = _expected(call, call.query.base_version)
        people = await self._teams.delete(call.path["id"], call.identity.user_id, expected)
        await self._forget(people)
        return Answer(204)

    async def members(self, call: Call[NoBody, Slice]) -> Answer:
        """Show a page of those in it."""
        team = await self._teams.read(call.path["id"], call.identity.user_id)
        return await members_page(self._teams, team.id, call.query)

    async def put_member(self, call: Call[TeamMemberPut]) -> Answer:
        """Bring somebody in, or change what they are."""
        user_id = call.path["userId"]
        member = await self._teams.put_member(
            call.path["id"], call.identity.user_id, user_id, call.body.role
        )
        await self._forget([user_id])
        return Answer.json(member)

    async def remove_member(self, call: Call[NoBody]) -> Answer:
        """Take somebody out."""
        user_id = call.path["userId"]
        await self._teams.remove_member(call.path["id"], call.identity.user_id, user_id)
        await self._forget([user_id])
        return Answer(204)

    async def _forget(self, people: Sequence[UUID]) -> None:
        """Drop what is cached before the answer says that it is done; sockets follow by notice."""
        try:
            for user_id in people:
                await self._authority.forget_teams(user_id)
        except (BusError, StreamError, TimeoutError):
            return  # it is noted as stale, and dropped as soon as the cache can be reached


async def members_page(teams: TeamStore, team_id: UUID, query: Slice) -> Answer:
    """Return a page of those in a team."""
    found = await teams.members(team_id, id_of(query.cursor), query.limit + 1)
    return page(found, [member.user_id for member in found], query.limit)


def page(found: Sequence[BaseModel], ids: Sequence[UUID], limit: int) -> Answer:
    """Return a page of what was found, of which one more was read than is shown."""
    items = [each.model_dump(mode="json", by_alias=True) for each in found[:limit]]
    cursor = cursor_after(ids[limit - 1]) if len(found) > limit else None
    return Answer.json({"items": items, "nextCursor": cursor})


def _expected(call: Call[TeamChange] | Call[NoBody, Basis], base_version: int | None) -> Expected:
    """Return the version that If-Match or `baseVersion` names."""
    if_match = call.header("if-match")
    if if_match is None and base_version is None:
        raise errors.PreconditionRequired
    return etags.expected_version(if_match, "team", call.path["id"]) or base_version


def _answer(team: Team, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    tag = etags.etag("team", team.id, team.version)
    return Answer.json(team, status, {"ETag": tag, **(headers or {})})
