"""A member: the role of a person in a project, an aggregate of its own."""

from uuid import UUID

from libs.contracts.actor import Role
from libs.contracts.events.resources import Member
from libs.contracts.wire import Wire
from services.events.model.aggregate import AggregateSpec


class MemberFields(Wire):
    """The fields of a membership."""

    user_id: UUID
    role: Role


MEMBER = AggregateSpec(
    kind="member",
    table="members",
    resource=Member,
    create=MemberFields,
    references={"user_id": "person"},
    keeps_deleted=False,
    grants_access=True,
)
