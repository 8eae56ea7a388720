"""Teams as values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from libs.contracts.values import Name
from libs.contracts.wire import Wire

TEAM_MEMBERS_MAX = 500


class TeamPlace(StrEnum):
    """A role in a team: an OWNER decides about the team, a MEMBER has its access."""

    OWNER = "OWNER"
    MEMBER = "MEMBER"


@dataclass(frozen=True, slots=True)
class Teams:
    """Which teams a person is in; `version` grows with every change of that."""

    version: int
    ids: tuple[UUID, ...]


class Team(Wire):
    """A team; `role` is the reader's own place in it.

    `accepted` says whether they chose it: made it, or accepted that somebody brought them in.
    """

    id: UUID
    name: str
    version: int
    created_at: datetime
    updated_at: datetime
    role: TeamPlace
    accepted: bool


class TeamCreate(Wire):
    """A new team; whoever makes it is its OWNER."""

    name: Name


class TeamMember(Wire):
    """Somebody's place in a team, since when, and whether they accepted it."""

    team_id: UUID
    user_id: UUID
    display_name: str
    role: TeamPlace
    created_at: datetime
    accepted: bool


class TeamMemberPut(Wire):
    """The role that a person shall have in the team."""

    role: TeamPlace = TeamPlace.MEMBER
