"""A grant: the role of a team in a project, an aggregate of its own."""

from uuid import UUID

from libs.contracts.events.teams import TeamGrant, TeamRole
from libs.contracts.wire import Wire
from services.events.model.aggregate import AggregateSpec


class TeamGrantFields(Wire):
    """The fields of a grant."""

    team_id: UUID
    role: TeamRole


TEAM_GRANT = AggregateSpec(
    kind="team_grant",
    table="team_grants",
    resource=TeamGrant,
    create=TeamGrantFields,
    references={"team_id": "team"},
    keeps_deleted=False,
    grants_access=True,
)
