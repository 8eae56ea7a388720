"""Roles of teams in projects, which events keeps, because a grant is part of the project.

The gateway keeps the members of teams, and names a person's teams when it asks for the person's
role.
"""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator

from libs.contracts.actor import Role
from libs.contracts.events.manuscript import Done
from libs.contracts.events.resources import Resource
from libs.contracts.pages import Page
from libs.contracts.rpc import Method
from libs.contracts.versions import Expected
from libs.contracts.wire import Wire

GRANTS_MAX = 100
"""Teams that have a role in one project."""
TEAMS_ACCEPTED_MAX = 100
"""Teams that one person has made or accepted; named in each request for the person's role."""
TEAMS_UNASKED_MAX = 100
"""Teams that others brought one person into and that open something to them before they accept;
named likewise. Further ones wait to be accepted."""


def _below_owner(role: Role) -> Role:
    if role is Role.OWNER:
        raise ValueError("a team cannot be OWNER of a project")
    return role


TeamRole = Annotated[Role, AfterValidator(_below_owner)]
"""The role of a team in a project; OWNERs are people, so that a person is always responsible."""


class TeamGrant(Resource):
    """The role of a team in a project."""

    project_id: UUID
    team_id: UUID
    role: TeamRole


class ListGrants(Wire):
    """All teams that have a role in the actor's project."""


class TeamGrantPut(Wire):
    """The role a team is to have: never OWNER."""

    role: TeamRole


class PutGrant(TeamGrantPut):
    """Give a team a role in the actor's project."""

    command_id: UUID
    team_id: UUID
    expected_version: Expected = None
    """The expected version of its grant, which must then exist."""


class RemoveGrant(Wire):
    """Take a team out of the actor's project."""

    command_id: UUID
    team_id: UUID
    expected_version: Expected = None


LIST_GRANTS = Method("events", "list_grants", ListGrants, Page[TeamGrant])
PUT_GRANT = Method("events", "put_grant", PutGrant, TeamGrant)
REMOVE_GRANT = Method("events", "remove_grant", RemoveGrant, Done)
