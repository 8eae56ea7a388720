"""Roles in a project: its members, and the teams that have a role there."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from nats.errors import Error as BusError
from nats.js.errors import Error as StreamError

from libs import errors
from libs.contracts.actor import Actor, Role
from libs.contracts.events.manuscript import (
    LIST_MEMBERS,
    PUT_MEMBER,
    READ_MEMBER,
    REMOVE_MEMBER,
    MemberPut,
    ReadMember,
)
from libs.contracts.events.resources import Member
from libs.contracts.events.teams import (
    LIST_GRANTS,
    PUT_GRANT,
    REMOVE_GRANT,
    ListGrants,
    TeamGrant,
    TeamGrantPut,
)
from libs.contracts.pages import Page
from libs.postgres.pool import UNREACHABLE
from services.gateway.access import permissions
from services.gateway.access.limits import LimitClass
from services.gateway.accounts.teams.model import TeamMember
from services.gateway.api.teams import members_page
from services.gateway.http import etags
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.pages import Slice, page_of
from services.gateway.http.route import Answer, AnyCall

_MEMBERS = "/api/projects/{id}/members"
_MEMBER = _MEMBERS + "/{userId}"
_TEAMS = "/api/projects/{id}/teams"
_TEAM = _TEAMS + "/{teamId}"
_KNOWN = "With If-None-Match the answer to a known version is 304."


class MemberView(Member):
    """A member, with the name that their account shows."""

    display_name: str


class TeamGrantView(TeamGrant):
    """A team's role in a project, with the team's name; null when the team is unknown here."""

    team_name: str | None


def _require_rank(asker: Role, old: Role | None, new: Role | None) -> None:
    """Return when *asker* may turn the role *old* into *new*; raises Forbidden."""
    if not permissions.may_assign(asker, old, new):
        raise errors.Forbidden(
            f"A {asker} may not turn {old or 'a stranger'} into {new or 'a stranger'}."
        )


async def _member(context: Context, _: AnyCall, member: Member) -> MemberView:
    names = await context.people.names([member.user_id])
    return MemberView(**dict(member), display_name=names.get(member.user_id, ""))


async def _members(context: Context, _: AnyCall, page: Page[Member]) -> Page[MemberView]:
    names = await context.people.names(member.user_id for member in page.items)
    items = [
        MemberView(**dict(each), display_name=names.get(each.user_id, "")) for each in page.items
    ]
    return Page(items=items, next_cursor=page.next_cursor)


async def _may_put_member(context: Context, call: AnyCall) -> Mapping[str, Any]:
    user_id = call.path["userId"]
    if user_id not in await context.people.names([user_id]):
        raise errors.NotFound("There is no such person.")
    old = await context.authority.role_of(call.identity, call.path["id"], user_id)
    _require_rank(call.access.role, old, call.body.role)
    return await _membership_meant(context, call)


async def _may_remove_member(context: Context, call: AnyCall) -> Mapping[str, Any]:
    """Let people leave by themselves, and others be removed by those who may."""
    user_id = call.path["userId"]
    if user_id != call.identity.user_id:
        call.require("member.remove")
        old = await context.authority.role_of(call.identity, call.path["id"], user_id)
        if old is None:
            raise errors.NotFound("They are not a member.")
        _require_rank(call.access.role, old, None)
    return await _membership_meant(context, call)


async def _membership_meant(context: Context, call: AnyCall) -> Mapping[str, Any]:
    if_match = call.header("if-match")
    if if_match is None:
        return {}
    question = ReadMember(user_id=call.path["userId"])
    try:
        member = await context.caller.ask(READ_MEMBER, question, call.actor)
    except errors.NotFound:
        member = None
    return {"expected_version": etags.expected_if_there(if_match, "member", member)}


async def _forget_member(context: Context, call: AnyCall, _: object) -> None:
    try:
        await context.authority.forget_role(call.path["id"], call.path["userId"])
    except (BusError, StreamError, TimeoutError):
        return  # the fact of the change will do it


async def _grants(context: Context, actor: Actor) -> dict[UUID, TeamGrant]:
    found = await context.caller.ask(LIST_GRANTS, ListGrants(), actor)
    return {grant.team_id: grant for grant in found.items}


def _known_grant(grants: Mapping[UUID, TeamGrant], call: AnyCall) -> TeamGrant:
    grant = grants.get(call.path["teamId"])
    if grant is None:
        raise errors.NotFound("This team has no role in the project.")
    return grant


async def _team(context: Context, _: AnyCall, grant: TeamGrant) -> TeamGrantView:
    names = await context.teams.names([grant.team_id])
    return TeamGrantView(**dict(grant), team_name=names.get(grant.team_id))


async def _teams(context: Context, _: AnyCall, page: Page[TeamGrant]) -> Page[TeamGrantView]:
    names = await context.teams.names([grant.team_id for grant in page.items])
    items = [TeamGrantView(**dict(each), team_name=names.get(each.team_id)) for each in page.items]
    return Page(items=items)


async def _one_team(context: Context, call: AnyCall, page: Page[TeamGrant]) -> Answer:
    """Show one of all, or say that the client has it."""
    grant = _known_grant({each.team_id: each for each in page.items}, call)
    tag = etags.etag("team_grant", grant.id, grant.version)
    if etags.is_known(call.header("if-none-match"), tag):
        return Answer(304, headers={"ETag": tag})
    return Answer.json(await _team(context, call, grant), 200, {"ETag": tag})


async def _people_of_team(context: Context, call: AnyCall, page: Page[TeamGrant]) -> Answer:
    grant = _known_grant({each.team_id: each for each in page.items}, call)
    return await members_page(context.teams, grant.team_id, call.query)


async def _may_put_team(context: Context, call: AnyCall) -> Mapping[str, Any]:
    team_id = call.path["teamId"]
    old = (await _grants(context, call.actor)).get(team_id)
    _require_rank(call.access.role, old.role if old else None, call.body.role)
    if old is None:
        # A stranger to a team neither brings it anywhere nor learns its name.
        await context.teams.read(team_id, call.identity.user_id)
    return _grant_meant(call, old)


async def _may_remove_team(context: Context, call: AnyCall) -> Mapping[str, Any]:
    old = _known_grant(await _grants(context, call.actor), call)
    _require_rank(call.access.role, old.role, None)
    return _grant_meant(call, old)


def _grant_meant(call: AnyCall, old: TeamGrant | None) -> Mapping[str, Any]:
    if_match = call.header("if-match")
    return {"expected_version": etags.expected_if_there(if_match, "team_grant", old)}


async def _forget_team(context: Context, call: AnyCall, _: object) -> None:
    try:
        await context.authority.forget_team(call.path["id"], call.path["teamId"])
    except (BusError, StreamError, *UNREACHABLE):
        return  # the fact of the change will do it


_row = partial(Endpoint, tag="Members", place="project")
_read = partial(_row, cost=LimitClass.READ)
_write = partial(_row, cost=LimitClass.WRITE)

ENDPOINTS = (
    _read(
        "GET",
        _MEMBERS,
        LIST_MEMBERS,
        summary="List the members of a project, the oldest first",
        action="member.read",
        show=_members,
        answer=page_of(MemberView),
    ),
    _read(
        "GET",
        _MEMBER,
        READ_MEMBER,
        summary="Read what somebody is in a project",
        description=_KNOWN,
        action="member.read",
        show=_member,
        answer=MemberView,
        versioned="member",
        etag=True,
    ),
    _write(
        "PUT",
        _MEMBER,
        PUT_MEMBER,
        summary="Give a person a role",
        description=(
            "An OWNER gives any role; a MAINTAINER makes and changes WRITERs and READERs."
            " With If-Match only if they are what you think they are."
        ),
        body=MemberPut,
        action="member.put",
        prepare=_may_put_member,
        after=_forget_member,
        show=_member,
        answer=MemberView,
        versioned="member",
        etag=True,
        problems=("LAST_OWNER", "CONCURRENCY_CONFLICT", "PRECONDITION_FAILED"),
    ),
    _write(
        "DELETE",
        _MEMBER,
        REMOVE_MEMBER,
        summary="Remove a member, or leave",
        action="member.leave",
        prepare=_may_remove_member,
        after=_forget_member,
        status=204,
        problems=("LAST_OWNER", "CONCURRENCY_CONFLICT", "PRECONDITION_FAILED"),
    ),
)

TEAM_ENDPOINTS = (
    _read(
        "GET",
        _TEAMS,
        LIST_GRANTS,
        summary="List the teams that have a role in a project",
        action="team_grant.read",
        show=_teams,
        answer=page_of(TeamGrantView),
    ),
    _read(
        "GET",
        _TEAM,
        LIST_GRANTS,
        summary="Read what a team is in a project",
        description=_KNOWN,
        action="team_grant.read",
        show=_one_team,
        answer=TeamGrantView,
        etag=True,
    ),
    _write(
        "PUT",
        _TEAM,
        PUT_GRANT,
        summary="Give a team a role",
        description=(
            "Of a team that you are in. An OWNER gives any role but OWNER; a MAINTAINER"
            " makes and changes WRITERs and READERs. The strongest of a person's roles"
            " counts. With If-Match only if it is what you think it is."
        ),
        body=TeamGrantPut,
        action="team_grant.put",
        prepare=_may_put_team,
        after=_forget_team,
        show=_team,
        answer=TeamGrantView,
        versioned="team_grant",
        etag=True,
        problems=("CONCURRENCY_CONFLICT", "LIMIT_REACHED", "PRECONDITION_FAILED"),
    ),
    _write(
        "DELETE",
        _TEAM,
        REMOVE_GRANT,
        summary="Take a team out of a project",
        action="team_grant.remove",
        prepare=_may_remove_team,
        after=_forget_team,
        status=204,
        problems=("CONCURRENCY_CONFLICT", "PRECONDITION_FAILED"),
    ),
    _read(
        "GET",
        f"{_TEAM}/members",
        LIST_GRANTS,
        summary="List who is in a team that has a role in the project",
        description="For those who decide about its role.",
        query=Slice,
        action="team_grant.put",
        show=_people_of_team,
        answer=page_of(TeamMember),
    ),
)
