"""Whether people are in a project, for services that are told of them by others."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from libs.contracts.actor import VOUCHED_MAX
from libs.contracts.events.manuscript import Done
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire


class RequirePeople(Wire):
    """Answer only when all of these people are in the actor's project, as members or by a team.

    `field` names the field that names them, for the refusal (PEOPLE_UNKNOWN).
    """

    user_ids: Annotated[list[UUID], Field(min_length=1, max_length=VOUCHED_MAX)]
    field: Annotated[str, StringConstraints(max_length=100)]


REQUIRE_PEOPLE = Method("events", "require_people", RequirePeople, Done)
