"""The actor of a request, as the gateway established it."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from libs.contracts.wire import Wire

VOUCHED_MAX = 50
"""People of whom one request says which teams they are in."""


class Role(StrEnum):
    """The role of a member in a project; the gateway's matrix lists its permissions."""

    OWNER = "OWNER"
    MAINTAINER = "MAINTAINER"
    WRITER = "WRITER"
    READER = "READER"


class Actor(Wire):
    """A verified person and the project they act in.

    Services trust the gateway for the permission and repeat `project_id` in every query, so
    that no mistake in a route can reach another project's rows.

    `vouched` are the teams of other people whom the request names, as far as a service asked
    (PEOPLE_UNKNOWN): the gateway knows the members of teams, events the roles of teams in projects.
    """

    user_id: UUID
    project_id: UUID | None = None
    role: Role | None = None
    # Left out when empty: a service of the release before this one does not know it.
    vouched: dict[UUID, tuple[UUID, ...]] = Field(
        default_factory=dict[UUID, tuple[UUID, ...]],
        max_length=VOUCHED_MAX,
        exclude_if=lambda teams: not teams,
    )

    def scope(self) -> UUID:
        """Return the project this actor is confined to.

        Raises:
            ValueError: A request about a project was sent without one (a gateway bug).
        """
        if self.project_id is None:
            raise ValueError("this request needs an actor inside a project")
        return self.project_id
