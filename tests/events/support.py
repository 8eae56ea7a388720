"""Words for tests: what a person does in a project, in one line each."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from libs.bus import Caller
from libs.contracts.actor import Actor, Role
from libs.contracts.events import manuscript as m
from libs.contracts.events.resources import Kind, Member
from libs.contracts.ids import new_id
from libs.contracts.pages import PAGE_ITEMS_MAX, Page
from libs.contracts.rpc import DEADLINE_S_DEFAULT

type Json = dict[str, Any]


@dataclass(frozen=True)
class World:
    """A person in a project."""

    caller: Caller
    actor: Actor

    @classmethod
    async def begin(cls, caller: Caller, name: str = "A project") -> "World":
        user_id = new_id()
        project_id = new_id()
        outside = cls(caller, Actor(user_id=user_id))
        await outside.create("project", None, id=project_id, name=name)
        return cls(caller, Actor(user_id=user_id, project_id=project_id, role=Role.OWNER))

    @property
    def project_id(self) -> UUID:
        return self.actor.scope()

    def as_user(self, user_id: UUID) -> "World":
        return replace(self, actor=Actor(user_id=user_id, project_id=self.actor.project_id))

    async def create(
        self,
        kind: Kind,
        parent_id: UUID | str | None,
        *,
        id: UUID | None = None,  # noqa: A002
        command_id: UUID | None = None,
        deadline_s: float = DEADLINE_S_DEFAULT,
        **fields: Any,
    ) -> Json:
        question = m.Create(
            kind=kind,
            id=id or new_id(),
            command_id=command_id or new_id(),
            parent_id=UUID(str(parent_id)) if parent_id else None,
            fields=fields,
        )
        answer = await self.caller.ask(m.CREATE, question, self.actor, deadline_s=deadline_s)
        return answer.resource

    async def book(self, title: str = "Book") -> Json:
        return await self.create("book", self.project_id, title=title)

    async def chapter(self, book: Json | None = None, title: str = "Chapter") -> Json:
        return await self.create("chapter", (book or await self.book())["id"], title=title)

    async def scene(self, chapter: Json | None = None, **fields: Any) -> Json:
        return await self.create("scene", (chapter or await self.chapter())["id"], **fields)

    async def read(self, kind: Kind, id: Any, *, include_deleted: bool = False) -> Json:  # noqa: A002
        question = m.Read(kind=kind, id=id, include_deleted=include_deleted)
        return (await self.caller.ask(m.READ, question, self.actor)).resource

    async def change(
        self,
        kind: Kind,
        id: Any,  # noqa: A002
        *,
        command_id: UUID | None = None,
        expected: int | None = None,
        base: int | None = None,
        **fields: Any,
    ) -> Json:
        question = m.Change(
            kind=kind,
            id=id,
            command_id=command_id or new_id(),
            fields=fields,
            expected_version=expected,
            base_version=base,
        )
        return (await self.caller.ask(m.CHANGE, question, self.actor)).resource

    async def remove(self, kind: Kind, id: Any, *, expected: int | None = None) -> Json:  # noqa: A002
        question = m.Remove(kind=kind, id=id, command_id=new_id(), expected_version=expected)
        return (await self.caller.ask(m.REMOVE, question, self.actor)).resource

    async def restore(self, kind: Kind, id: Any) -> Json:  # noqa: A002
        question = m.Restore(kind=kind, id=id, command_id=new_id())
        return (await self.caller.ask(m.RESTORE, question, self.actor)).resource

    async def move(
        self,
        kind: Kind,
        id: Any,  # noqa: A002
        index: int,
        *,
        parent_id: Any = None,
        expected: int | None = None,
    ) -> Json:
        question = m.Move(
            kind=kind,
            id=id,
            command_id=new_id(),
            parent_id=parent_id,
            index=index,
            expected_version=expected,
        )
        return (await self.caller.ask(m.MOVE, question, self.actor)).resource

    async def page(self, kind: Kind, parent_id: Any = None, **more: Any) -> Page[dict[str, Any]]:
        question = m.List(kind=kind, parent_id=parent_id, **more)
        return await self.caller.ask(m.LIST, question, self.actor)

    async def items(self, kind: Kind, parent_id: Any = None, **more: Any) -> list[Json]:
        return (await self.page(kind, parent_id, **({"limit": PAGE_ITEMS_MAX} | more))).items

    async def members(self, **more: Any) -> list[Member]:
        return (await self.member_page(**more)).items

    async def member_page(self, **more: Any) -> Page[Member]:
        return await self.caller.ask(m.LIST_MEMBERS, m.ListMembers(**more), self.actor)

    async def put_member(self, user_id: UUID, role: Role) -> Member:
        question = m.PutMember(command_id=new_id(), user_id=user_id, role=role)
        return await self.caller.ask(m.PUT_MEMBER, question, self.actor)

    async def remove_member(self, user_id: UUID) -> None:
        question = m.RemoveMember(command_id=new_id(), user_id=user_id)
        await self.caller.ask(m.REMOVE_MEMBER, question, self.actor)

    async def standing(self, user_id: UUID, kind: Kind, id: Any) -> m.Standing:  # noqa: A002
        question = m.Authorize(user_id=user_id, kind=kind, id=id)
        return await self.caller.ask(m.AUTHORIZE, question, Actor(user_id=user_id))


async def entity(world: World, name: str = "Victor", **fields: Any) -> Json:
    given: Json = {"type": "character", "name": name} | fields
    return await world.create("entity", world.project_id, **given)
