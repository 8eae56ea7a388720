"""Handlers for all that routes address by id: one class, whatever the kind."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.events import manuscript
from libs.contracts.events.resources import Expected, Kind
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire
from services.gateway.access import permissions
from services.gateway.access.authority import Authority
from services.gateway.api.shapes import (
    Basis,
    Change,
    MoveTo,
    One,
    Shape,
    Slice,
    filters_in,
)
from services.gateway.http import etags
from services.gateway.http.route import Answer, Call, NoBody

NOT_FIELDS = frozenset({"content"})
"""Members of a creation that are no fields of what is created."""
_OF_EDITORS = frozenset({"schema_version", "editor", "definition"})
"""Fields that decide which editor a scene is written with, and who may write it."""
_NEW = frozenset({"editor"})
"""Fields that the release of events before this one refuses: unsaid, they are left to events."""


class Aggregate:
    """Passes questions and commands about one kind on to events."""

    def __init__(self, shape: Shape, caller: Caller, authority: Authority) -> None:
        """Ask over *caller*; tell *authority* what is new and what is gone."""
        self._shape = shape
        self._caller = caller
        self._authority = authority

    async def create(self, call: Call[Wire]) -> Answer:
        """Create one."""
        resource = await self._ask(
            manuscript.CREATE,
            manuscript.Create(
                kind=self._shape.kind,
                id=call.new_id,
                command_id=call.command_id,
                parent_id=call.path.get("id"),
                fields=self._fields(call.body),
            ),
            call.actor,
        )
        return self._created(resource)

    def _fields(self, body: Wire) -> dict[str, Any]:
        """Return what the body of a creation says, as commands are told it."""
        sent = body.model_dump(mode="json", exclude_none=True)
        said = body.model_fields_set
        nulls = {
            name: None
            for name, field in type(body).model_fields.items()
            if name in said and field.default is not None and getattr(body, name) is None
        }
        left_out = NOT_FIELDS | (_NEW - said)
        return nulls | {name: value for name, value in sent.items() if name not in left_out}

    def _created(self, resource: dict[str, Any]) -> Answer:
        self._learn(resource)
        location = f"/api/{self._shape.plural}/{resource['id']}"
        return self._answer(resource, status=201, headers={"Location": location})

    async def list(self, call: Call[NoBody, Slice]) -> Answer:
        """Show a page of those under the usual parent."""
        return await self._list(call, None)

    def list_below(self, parent: Kind) -> Callable[[Call[NoBody, Slice]], Awaitable[Answer]]:
        """Return a handler that shows a page of those below something else."""

        async def handler(call: Call[NoBody, Slice]) -> Answer:
            return await self._list(call, parent)

        return handler

    async def _list(self, call: Call[NoBody, Slice], parent: Kind | None) -> Answer:
        include_deleted: bool = getattr(call.query, "include_deleted", False)
        mine = self._shape.kind == "project"
        teams = await self._authority.teams_of(call.identity.user_id) if mine else None
        if include_deleted and self._shape.parent:
            call.require(self._shape.action("restore"))
        question = manuscript.List(
            kind=self._shape.kind,
            parent_id=call.path.get("id"),
            parent_kind=parent,
            cursor=call.query.cursor,
            limit=call.query.limit,
            include_deleted=include_deleted,
            filters=filters_in(call.query),
            sort=getattr(call.query, "sort", None),
            team_ids=teams.ids if teams else (),
        )
        page = await self._caller.ask(manuscript.LIST, question, call.actor)
        items = [item for item in page.items if _may_show(self._shape, item)]
        return Answer.json({"items": items, "nextCursor": page.next_cursor})

    async def read(self, call: Call[NoBody, One]) -> Answer:
        """Show one, or say that the client has it."""
        if call.query.include_deleted:
            call.require(self._shape.action("restore"))
        resource = await self._ask(
            manuscript.READ,
            manuscript.Read(
                kind=self._shape.kind,
                id=call.path["id"],
                include_deleted=call.query.include_deleted,
            ),
            call.actor,
        )
        tag = etags.tag_of(self._shape.kind, resource)
        if etags.is_known(call.header("if-none-match"), tag):
            return Answer(304, headers={"ETag": tag})
        return self._answer(resource)

    async def change(self, call: Call[Change]) -> Answer:
        """Change fields."""
        base_version = call.body.base_version
        fields = call.body.model_dump(mode="json", exclude_unset=True, exclude={"base_version"})
        resource = await self._ask(
            manuscript.CHANGE,
            manuscript.Change(
                kind=self._shape.kind,
                id=call.path["id"],
                command_id=call.command_id,
                fields=fields,
                expected_version=self._expected(call, base_version),
                base_version=base_version,
            ),
            call.actor,
        )
        if _OF_EDITORS & fields.keys():
            # Here at once, for whoever writes next; the other gateways hear of it.
            self._authority.doubt()
        return self._answer(resource)

    async def delete(self, call: Call[NoBody, Basis]) -> Answer:
        """Delete softly."""
        expected = self._expected(call, call.query.base_version)
        question = manuscript.Remove(
            kind=self._shape.kind,
            id=call.path["id"],
            command_id=call.command_id,
            expected_version=expected or call.query.base_version,
        )
        await self._caller.ask(manuscript.REMOVE, question, call.actor)
        self._authority.doubt()
        return Answer(204)

    async def restore(self, call: Call[NoBody]) -> Answer:
        """Bring back."""
        question = manuscript.Restore(
            kind=self._shape.kind, id=call.path["id"], command_id=call.command_id
        )
        resource = await self._ask(manuscript.RESTORE, question, call.actor)
        self._authority.doubt()
        return self._answer(resource)

    async def move(self, call: Call[MoveTo]) -> Answer:
        """Put elsewhere."""
        question = manuscript.Move(
            kind=self._shape.kind,
            id=call.path["id"],
            command_id=call.command_id,
            parent_id=call.body.parent_id,
            index=call.body.index,
            expected_version=etags.expected_version(
                call.header("if-match"), self._shape.kind, call.path["id"]
            ),
        )
        return self._answer(await self._ask(manuscript.MOVE, question, call.actor))

    def _expected(self, call: Call[Any, Any], base_version: int | None) -> Expected:
        """Return the version that If-Match names, or several of which one is meant.

        Raises:
            PreconditionRequired: Neither it nor a base version is given.
            PreconditionFailed: It names no version of this thing.
        """
        if_match = call.header("if-match")
        if if_match is None and base_version is None:
            raise errors.PreconditionRequired
        return etags.expected_version(if_match, self._shape.kind, call.path["id"])

    def _answer(
        self, resource: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None
    ) -> Answer:
        tag = etags.tag_of(self._shape.kind, resource)
        return Answer.json(resource, status, {"ETag": tag, **(headers or {})})

    async def _ask[Q: Wire](
        self, method: Method[Q, manuscript.Document], question: Q, actor: Actor
    ) -> dict[str, Any]:
        return (await self._caller.ask(method, question, actor)).resource

    def _learn(self, resource: dict[str, Any]) -> None:
        """Note where a new thing belongs, to save a question soon."""
        project_id = resource["id" if self._shape.kind == "project" else "projectId"]
        self._authority.learn(self._shape.kind, UUID(resource["id"]), UUID(project_id))


def _may_show(shape: Shape, item: dict[str, Any]) -> bool:
    """Return whether the list may hold *item*: each project has its own answer to that."""
    if shape.kind != "project" or item["deletedAt"] is None:
        return True
    return item["role"] in permissions.MATRIX["project.restore"]
