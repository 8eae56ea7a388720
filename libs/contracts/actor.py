"""Who acts, as the gateway established it."""

from enum import StrEnum
from uuid import UUID

from libs.contracts.wire import Wire


class Role(StrEnum):
    """What a member may do in a project; the gateway's matrix says what that is."""

    OWNER = "OWNER"
    MAINTAINER = "MAINTAINER"
    WRITER = "WRITER"
    READER = "READER"


class Actor(Wire):
    """A verified person and the project they act in.

    Services trust the gateway for the permission and repeat `project_id` in every query, so
    that no mistake in a route can reach another project's rows.
    """

    user_id: UUID
    project_id: UUID | None = None
    role: Role | None = None

    def scope(self) -> UUID:
        """Return the project this actor is confined to.

        Raises:
            ValueError: A request about a project was sent without one (a gateway bug).
        """
        if self.project_id is None:
            raise ValueError("this request needs an actor inside a project")
        return self.project_id
