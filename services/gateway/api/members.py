"""The members of a project, and who may change them."""

from uuid import UUID

from nats.errors import Error as BusError
from nats.js.errors import Error as StreamError

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor, Role
from libs.contracts.events.manuscript import (
    LIST_MEMBERS,
    PUT_MEMBER,
    READ_MEMBER,
    REMOVE_MEMBER,
    ListMembers,
    PutMember,
    ReadMember,
    RemoveMember,
)
from libs.contracts.events.resources import Expected, Member
from libs.contracts.wire import Wire
from services.gateway.access import permissions
from services.gateway.access.authority import Authority
from services.gateway.access.limits import LimitClass
from services.gateway.accounts.identity.store import IdentityStore
from services.gateway.api.shapes import Slice, page_of
from services.gateway.http import etags
from services.gateway.http.route import Answer, AnyRoute, Call, NoBody, NoQuery, Route


class MemberView(Member):
    """A member, with the name that their account shows."""

    display_name: str


class MemberListing(Slice):
    """Which members: a page of all, or of one role."""

    role: Role | None = None


class MemberPut(Wire):
    """The role a person is to have."""

    role: Role


class Members:
    """Handlers about members."""

    def __init__(self, caller: Caller, authority: Authority, people: IdentityStore) -> None:
        """Ask events over *caller*; names come from *people*."""
        self._caller = caller
        self._authority = authority
        self._people = people

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        path = "/api/projects/{id}/members"
        return [
            Route(
                method="GET",
                path=path,
                handler=self.list,
                summary="List the members of a project, the oldest first",
                tag="Members",
                body=NoBody,
                query=MemberListing,
                cost=LimitClass.READ,
                place=("project", "id"),
                action="member.read",
                answer=page_of(MemberView),
            ),
            Route(
                method="GET",
                path=f"{path}/{{userId}}",
                handler=self.read,
                summary="Read what somebody is in a project",
                description="With If-None-Match the answer to a known version is 304.",
                tag="Members",
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.READ,
                place=("project", "id"),
                action="member.read",
                answer=MemberView,
                etag=True,
            ),
            Route(
                method="PUT",
                path=f"{path}/{{userId}}",
                handler=self.put,
                summary="Give a person a role",
                description=(
                    "An OWNER gives any role; a MAINTAINER makes and changes WRITERs and READERs."
                    " With If-Match only if they are what you think they are."
                ),
                tag="Members",
                body=MemberPut,
                query=NoQuery,
                cost=LimitClass.WRITE,
                place=("project", "id"),
                action="member.put",
                answer=MemberView,
                problems=("LAST_OWNER", "CONCURRENCY_CONFLICT", "PRECONDITION_FAILED"),
                etag=True,
            ),
            Route(
                method="DELETE",
                path=f"{path}/{{userId}}",
                handler=self.remove,
                summary="Remove a member, or leave",
                tag="Members",
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.WRITE,
                place=("project", "id"),
                action="member.leave",
                status=204,
                problems=("LAST_OWNER", "CONCURRENCY_CONFLICT", "PRECONDITION_FAILED"),
            ),
        ]

    async def list(self, call: Call[NoBody, MemberListing]) -> Answer:
        """List a page of the members."""
        question = ListMembers(
            role=call.query.role, cursor=call.query.cursor, limit=call.query.limit
        )
        members = await self._caller.ask(LIST_MEMBERS, question, call.actor)
        names = await self._people.names(member.user_id for member in members.items)
        items = [
            _view(member, names).model_dump(mode="json", by_alias=True) for member in members.items
        ]
        return Answer.json({"items": items, "nextCursor": members.next_cursor})

    async def read(self, call: Call[NoBody]) -> Answer:
        """Show one, or say that the client has it."""
        user_id = call.path["userId"]
        member = await self._caller.ask(READ_MEMBER, ReadMember(user_id=user_id), call.actor)
        tag = etags.etag("member", member.id, member.version)
        if etags.is_known(call.header("if-none-match"), tag):
            return Answer(304, headers={"ETag": tag})
        return _answer(member, await self._people.names([user_id]))

    async def put(self, call: Call[MemberPut]) -> Answer:
        """Add a member or change one's role."""
        project_id, user_id = call.path["id"], call.path["userId"]
        names = await self._people.names([user_id])
        if user_id not in names:
            raise errors.NotFound("There is no such person.")
        old = await self._authority.role_of(call.identity, project_id, user_id)
        require_rank(call.access.role, old, call.body.role)
        member = await self._caller.ask(
            PUT_MEMBER,
            PutMember(
                command_id=call.command_id,
                user_id=user_id,
                role=call.body.role,
                expected_version=await self._expected(call.header("if-match"), user_id, call.actor),
            ),
            call.actor,
        )
        await self._forget(project_id, user_id)
        return _answer(member, names)

    async def remove(self, call: Call[NoBody]) -> Answer:
        """Remove a member; anybody may remove themselves."""
        project_id, user_id = call.path["id"], call.path["userId"]
        if user_id != call.identity.user_id:
            call.require("member.remove")
            old = await self._authority.role_of(call.identity, project_id, user_id)
            if old is None:
                raise errors.NotFound("They are not a member.")
            require_rank(call.access.role, old, None)
        await self._caller.ask(
            REMOVE_MEMBER,
            RemoveMember(
                command_id=call.command_id,
                user_id=user_id,
                expected_version=await self._expected(call.header("if-match"), user_id, call.actor),
            ),
            call.actor,
        )
        await self._forget(project_id, user_id)
        return Answer(204)

    async def _expected(self, if_match: str | None, user_id: UUID, actor: Actor) -> Expected:
        if if_match is None:
            return None
        try:
            member = await self._caller.ask(READ_MEMBER, ReadMember(user_id=user_id), actor)
        except errors.NotFound:
            member = None
        return etags.expected_if_there(if_match, "member", member)

    async def _forget(self, project_id: UUID, user_id: UUID) -> None:
        try:
            await self._authority.forget_role(project_id, user_id)
        except (BusError, StreamError, TimeoutError):
            return  # the fact of the change will do it


def require_rank(asker: Role, old: Role | None, new: Role | None) -> None:
    """Return when *asker* may turn the role *old* into *new*; raises Forbidden."""
    if not permissions.may_assign(asker, old, new):
        raise errors.Forbidden(
            f"A {asker} may not turn {old or 'a stranger'} into {new or 'a stranger'}."
        )


def _answer(member: Member, names: dict[UUID, str]) -> Answer:
    tag = etags.etag("member", member.id, member.version)
    return Answer.json(_view(member, names), 200, {"ETag": tag})


def _view(member: Member, names: dict[UUID, str]) -> MemberView:
    return MemberView(**dict(member), display_name=names.get(member.user_id, ""))
