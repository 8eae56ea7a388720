"""Which teams have a role in a project, and who is reached through them."""

from uuid import UUID

from nats.errors import Error as BusError
from nats.js.errors import Error as StreamError

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.events.teams import (
    LIST_GRANTS,
    PUT_GRANT,
    REMOVE_GRANT,
    ListGrants,
    PutGrant,
    RemoveGrant,
    TeamGrant,
    TeamRole,
)
from libs.contracts.wire import Wire
from libs.postgres.pool import UNREACHABLE
from services.gateway.access.authority import Authority
from services.gateway.access.limits import LimitClass
from services.gateway.accounts.teams import TeamStore
from services.gateway.accounts.teams.model import TeamMember
from services.gateway.api.members import require_rank
from services.gateway.api.shapes import Slice, page_of
from services.gateway.api.teams import members_page
from services.gateway.http import etags
from services.gateway.http.route import Answer, AnyRoute, Call, NoBody, NoQuery, Route

_PLACE = ("project", "id")


class TeamGrantView(TeamGrant):
    """A team's role in a project, with the team's name; null when the team is unknown here."""

    team_name: str | None


class TeamGrantPut(Wire):
    """The role a team is to have: never OWNER."""

    role: TeamRole


class GrantRoutes:
    """Handlers about the teams of a project."""

    def __init__(self, caller: Caller, authority: Authority, teams: TeamStore) -> None:
        """Ask events over *caller*; names and members come from *teams*."""
        self._caller = caller
        self._authority = authority
        self._teams = teams

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        path = "/api/projects/{id}/teams"
        return [
            Route(
                method="GET",
                path=path,
                handler=self.list,
                summary="List the teams that have a role in a project",
                tag="Members",
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.READ,
                place=_PLACE,
                action="team_grant.read",
                answer=page_of(TeamGrantView),
            ),
            Route(
                method="GET",
                path=f"{path}/{{teamId}}",
                handler=self.read,
                summary="Read what a team is in a project",
                description="With If-None-Match the answer to a known version is 304.",
                tag="Members",
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.READ,
                place=_PLACE,
                action="team_grant.read",
                answer=TeamGrantView,
                etag=True,
            ),
            Route(
                method="PUT",
                path=f"{path}/{{teamId}}",
                handler=self.put,
                summary="Give a team a role",
                description=(
                    "Of a team that you are in. An OWNER gives any role but OWNER; a MAINTAINER"
                    " makes and changes WRITERs and READERs. The strongest of a person's roles"
                    " counts. With If-Match only if it is what you think it is."
                ),
                tag="Members",
                body=TeamGrantPut,
                query=NoQuery,
                cost=LimitClass.WRITE,
                place=_PLACE,
                action="team_grant.put",
                answer=TeamGrantView,
                problems=("CONCURRENCY_CONFLICT", "LIMIT_REACHED", "PRECONDITION_FAILED"),
                etag=True,
            ),
            Route(
                method="DELETE",
                path=f"{path}/{{teamId}}",
                handler=self.remove,
                summary="Take a team out of a project",
                tag="Members",
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.WRITE,
                place=_PLACE,
                action="team_grant.remove",
                status=204,
                problems=("CONCURRENCY_CONFLICT", "PRECONDITION_FAILED"),
            ),
            Route(
                method="GET",
                path=f"{path}/{{teamId}}/members",
                handler=self.members,
                summary="List who is in a team that has a role in the project",
                description="For those who decide about its role.",
                tag="Members",
                body=NoBody,
                query=Slice,
                cost=LimitClass.READ,
                place=_PLACE,
                action="team_grant.put",
                answer=page_of(TeamMember),
            ),
        ]

    async def list(self, call: Call[NoBody]) -> Answer:
        """List all teams of the project."""
        grants = await self._grants(call.actor)
        names = await self._teams.names(grants)
        items = [
            _view(grant, names).model_dump(mode="json", by_alias=True) for grant in grants.values()
        ]
        return Answer.json({"items": items, "nextCursor": None})

    async def read(self, call: Call[NoBody]) -> Answer:
        """Show one, or say that the client has it."""
        grant = await self._grant(call.actor, call.path["teamId"])
        tag = etags.etag("team_grant", grant.id, grant.version)
        if etags.is_known(call.header("if-none-match"), tag):
            return Answer(304, headers={"ETag": tag})
        return _answer(grant, await self._teams.names([grant.team_id]))

    async def put(self, call: Call[TeamGrantPut]) -> Answer:
        """Give a team a role, or another one."""
        team_id, role = call.path["teamId"], call.body.role
        old = (await self._grants(call.actor)).get(team_id)
        require_rank(call.access.role, old.role if old else None, role)
        if old is None:
            # A stranger to a team neither brings it anywhere nor learns its name.
            await self._teams.read(team_id, call.identity.user_id)
        grant = await self._caller.ask(
            PUT_GRANT,
            PutGrant(
                command_id=call.command_id,
                team_id=team_id,
                role=role,
                expected_version=etags.expected_if_there(
                    call.header("if-match"), "team_grant", old
                ),
            ),
            call.actor,
        )
        await self._forget(call.path["id"], team_id)
        return _answer(grant, await self._teams.names([team_id]))

    async def remove(self, call: Call[NoBody]) -> Answer:
        """Take a team out."""
        team_id = call.path["teamId"]
        old = await self._grant(call.actor, team_id)
        require_rank(call.access.role, old.role, None)
        expected = etags.expected_if_there(call.header("if-match"), "team_grant", old)
        question = RemoveGrant(
            command_id=call.command_id, team_id=team_id, expected_version=expected
        )
        await self._caller.ask(REMOVE_GRANT, question, call.actor)
        await self._forget(call.path["id"], team_id)
        return Answer(204)

    async def members(self, call: Call[NoBody, Slice]) -> Answer:
        """Show a page of those in a team of the project."""
        team_id = call.path["teamId"]
        await self._grant(call.actor, team_id)
        return await members_page(self._teams, team_id, call.query)

    async def _grants(self, actor: Actor) -> dict[UUID, TeamGrant]:
        found = await self._caller.ask(LIST_GRANTS, ListGrants(), actor)
        return {grant.team_id: grant for grant in found.items}

    async def _grant(self, actor: Actor, team_id: UUID) -> TeamGrant:
        grant = (await self._grants(actor)).get(team_id)
        if grant is None:
            raise errors.NotFound("This team has no role in the project.")
        return grant

    async def _forget(self, project_id: UUID, team_id: UUID) -> None:
        try:
            await self._authority.forget_team(project_id, team_id)
        except (BusError, StreamError, *UNREACHABLE):
            return  # the fact of the change will do it


def _answer(grant: TeamGrant, names: dict[UUID, str]) -> Answer:
    tag = etags.etag("team_grant", grant.id, grant.version)
    return Answer.json(_view(grant, names), 200, {"ETag": tag})


def _view(grant: TeamGrant, names: dict[UUID, str]) -> TeamGrantView:
    return TeamGrantView(**dict(grant), team_name=names.get(grant.team_id))
