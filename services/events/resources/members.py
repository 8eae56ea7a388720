"""The members of a project and their roles; there is always an owner."""

from uuid import UUID

from libs import errors
from libs.contracts.actor import Actor, Role
from libs.contracts.events.manuscript import (
    Done,
    ListMembers,
    PutMember,
    ReadMember,
    RemoveMember,
)
from libs.contracts.events.people import RequirePeople
from libs.contracts.events.resources import Member
from libs.contracts.ids import new_id
from libs.contracts.pages import Page
from services.events.common.commands import (
    claim_of,
    context_of,
    require_expected,
    require_visible,
)
from services.events.common.references import project_people, unknown_people
from services.events.model.aggregate import Row
from services.events.model.aggregates import MEMBER, PROJECT
from services.events.model.listing import SortKey
from services.events.model.log import PendingEvent
from services.events.model.page import cursor_at, cursor_mark
from services.events.model.refusal import field_refusal
from services.events.store import Reader, Store, Transaction

_KEY = SortKey("created_at", "timestamptz")


class MemberHandlers:
    """Handlers of requests about members; the gateway checks permissions."""

    def __init__(self, store: Store) -> None:
        """Keep members in *store*."""
        self._store = store

    async def list(self, question: ListMembers, actor: Actor) -> Page[Member]:
        """Show a page of the members of the actor's project."""
        project_id, role, limit = actor.scope(), question.role, question.limit
        order = f"members-{project_id.hex}"
        after = cursor_mark(question.cursor, order, _KEY)
        if after is not None and after[0] is None:
            raise field_refusal("cursor", "is not a cursor of this list")

        async def query_list(reader: Reader) -> list[Row]:
            require_visible(await reader.row(PROJECT, project_id))
            return await reader.members(role.value if role else None, after, limit + 1)

        rows = await self._store.run_read(query_list, project_id=project_id)
        page, end = rows[:limit], rows[limit - 1] if len(rows) > limit else None
        return Page(
            items=[_member(row) for row in page],
            next_cursor=cursor_at(order, end["created_at"], end["id"]) if end else None,
        )

    async def require(self, question: RequirePeople, actor: Actor) -> Done:
        """Return when people are in the project.

        Raises:
            errors.PeopleUnknown: Some are not, as far as their teams are given.
        """
        project_id, named, field = actor.scope(), set(question.user_ids), question.field

        async def query_require(reader: Reader) -> frozenset[UUID]:
            require_visible(await reader.row(PROJECT, project_id))
            return await project_people(reader, named, actor.vouched, field=field)

        strangers = named - await self._store.run_read(query_require, project_id=project_id)
        if strangers:
            raise unknown_people(field, strangers)
        return Done()

    async def read(self, question: ReadMember, actor: Actor) -> Member:
        """Show a person's membership."""

        async def query_read(reader: Reader) -> Row | None:
            require_visible(await reader.row(PROJECT, actor.scope()))
            member_id = await reader.member_id(question.user_id)
            return await reader.row(MEMBER, member_id) if member_id else None

        row = await self._store.run_read(query_read, project_id=actor.scope())
        if row is None:
            raise errors.NotFound("This person is not a member of the project.")
        return _member(row)

    async def put(self, question: PutMember, actor: Actor) -> Member:
        """Give a person a role, which replaces the one they have."""
        project_id, user_id, role = actor.scope(), question.user_id, question.role.value
        claim = claim_of(question, question.command_id, user_id, project_id=project_id)

        async def apply_put(tx: Transaction) -> Member:
            if await tx.claim(claim) is None:
                require_visible(await tx.lock(PROJECT, project_id))
                now = await _lock_member(tx, question)
                require_expected(now, question.expected_version)
                if now is None:
                    data = {"userId": str(user_id), "role": role}
                    await tx.record([PendingEvent(MEMBER, new_id(), "added", data)])
                elif now["role"] != role:
                    await _require_owner_left(tx, now)
                    data = {"userId": str(user_id), "from": now["role"], "to": role}
                    await tx.record([PendingEvent(MEMBER, now["id"], "role_changed", data)])
            member_id = await tx.member_id(user_id)
            row = await tx.row(MEMBER, member_id) if member_id else None
            if row is None:
                raise errors.NotFound
            return _member(row)

        return await self._store.run_command(context_of(actor, question.command_id), apply_put)

    async def remove(self, question: RemoveMember, actor: Actor) -> Done:
        """Remove a person from the project."""
        project_id, user_id = actor.scope(), question.user_id
        claim = claim_of(question, question.command_id, user_id, project_id=project_id)

        async def apply_remove(tx: Transaction) -> Done:
            if await tx.claim(claim) is None:
                require_visible(await tx.lock(PROJECT, project_id))
                now = await _lock_member(tx, question)
                require_expected(now, question.expected_version)
                if now is None:
                    raise errors.NotFound
                await _require_owner_left(tx, now)
                data = {"userId": str(user_id), "role": now["role"]}
                await tx.record([PendingEvent(MEMBER, now["id"], "removed", data)])
            return Done()

        return await self._store.run_command(context_of(actor, question.command_id), apply_remove)


async def _lock_member(tx: Transaction, question: PutMember | RemoveMember) -> Row | None:
    member_id = await tx.member_id(question.user_id)
    return await tx.lock(MEMBER, member_id) if member_id else None


async def _require_owner_left(tx: Transaction, leaving: Row) -> None:
    """Return when the project has an owner besides *leaving*; its head is locked meanwhile."""
    if leaving["role"] == Role.OWNER and not await tx.other_owners(leaving["user_id"]):
        raise errors.LastOwner


def _member(row: Row) -> Member:
    return Member.model_validate({k: row[k] for k in Member.model_fields if k in row})
