"""An endpoint as a row of a table: it asks one service one thing and answers what that says.

`asking` serves the rows. What a row cannot say is a small function beside its table; what is no
JSON (content, bytes, streams) is a `Route` with a handler of its own.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from pydantic import BaseModel, create_model

from libs.bus import Caller
from libs.contracts.events.resources import Kind
from libs.contracts.pages import Page
from libs.contracts.rpc import DEADLINE_S_DEFAULT, Method
from libs.contracts.wire import Wire
from services.gateway.access.authority import Authority
from services.gateway.access.limits import LimitClass
from services.gateway.access.operators import Operators
from services.gateway.access.permissions import Access, Action
from services.gateway.access.scene_editors import Editors
from services.gateway.accounts.identity.store import IdentityStore
from services.gateway.accounts.teams import TeamStore
from services.gateway.http.pages import page_of
from services.gateway.http.route import (
    BODY_BYTES_MAX,
    AnyCall,
    HttpMethod,
    NoBody,
    NoQuery,
    Query,
)

_MEMBER = re.compile(r"{(\w+)(?:=(\w+))?}")
_BY_PIPELINE = frozenset({"command_id", "editor", "may", "team_ids", "expected_version"})
"""Fields of requests that the pipeline fills by their names."""


@dataclass(frozen=True, slots=True)
class Context:
    """The dependencies of endpoints: the services, and the gateway's own stores."""

    caller: Caller
    authority: Authority
    editors: Editors
    people: IdentityStore
    teams: TeamStore
    operators: Operators


type Enter = Callable[[Context, AnyCall], Awaitable[Access]]
type Prepare = Callable[[Context, AnyCall], Awaitable[Mapping[str, Any]]]
type After = Callable[[Context, AnyCall, Any], Awaitable[None]]
type Show = Callable[[Context, AnyCall, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path, and the RPC method that answers it.

    The request of the RPC method is filled from the path, the query, the body (of both what was
    given), `fixed` and `prepare`. Fields with these names are filled by themselves: `command_id`;
    `editor`, that of the scene; `may`, the operations that the caller may do; `team_ids`, the
    caller's teams; `expected_version`, from If-Match.

    Args:
        method: The HTTP method.
        path: Its members in braces name fields of the request, in camelCase or after an equals
            sign: `/api/scenes/{id=scene_id}/branches/{branchId=id}`.
        rpc: The RPC method that is asked.
        summary: One line for the documentation.
        tag: The section of the documentation.
        action: What the caller does, in the words of the permission matrix.
        cost: The allowance it draws from.
        place: What `{id}` is, whose project decides about permission; none outside projects.
        enter: Returns what the caller is to a place that no member of the path names.
        body: Model of the JSON body.
        query: Model of the query; without one a GET takes the fields that nothing else fills.
        answer: Model of what is answered, where `show` makes something else of it.
        new_id: The field that takes a fresh id, the same for a retry.
        fixed: Fields with values that are the same for all requests.
        prepare: Returns further fields, or refuses.
        after: Runs when the service has answered well.
        show: Returns what is answered: a model, a value, or a whole `Answer`.
        doubts: Whether things may be deleted, archived or of another editor now.
        versioned: What things of this kind are called in ETags and If-Match.
        etag: Whether the answer carries an ETag.
        needs_version: Whether If-Match or `baseVersion` must be given.
        location: Path of what was made, with fields of the answer.
        headers: Headers of every good answer.
        status: Status of a good answer; with 204 it has no body.
        problems: Codes it may answer with, besides those that all endpoints of its sort may.
        description: Further sentences for the documentation.
        deadline_s: How long the service may take.
        body_bytes_max: The longest body.
        texts: Members of the path that are no UUIDs, with their patterns.
        answers_deleted: Whether the service is asked about deleted things, too. Events decides
            that itself; for other services the pipeline refuses them.
    """

    method: HttpMethod
    path: str
    rpc: Method[Any, Any]
    _: KW_ONLY
    summary: str
    tag: str
    action: Action
    cost: LimitClass
    place: Kind | None = None
    enter: Enter | None = None
    body: type[BaseModel] = NoBody
    query: type[Query] | None = None
    answer: type[BaseModel] | None = None
    new_id: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    prepare: Prepare | None = None
    after: After | None = None
    show: Show | None = None
    doubts: bool = False
    versioned: str = ""
    etag: bool = False
    needs_version: bool = False
    location: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    status: int = 200
    problems: tuple[str, ...] = ()
    description: str = ""
    deadline_s: float = DEADLINE_S_DEFAULT
    body_bytes_max: int = BODY_BYTES_MAX
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    answers_deleted: bool | None = None

    @property
    def request(self) -> type[Wire]:
        """Model of what is asked."""
        return self.rpc.question

    @property
    def public_path(self) -> str:
        """The path as clients know it."""
        return _MEMBER.sub(r"{\1}", self.path)

    def path_fields(self) -> dict[str, str]:
        """Return the fields of the request that members of the path fill, by member."""
        named = {member: to or _snake(member) for member, to in _MEMBER.findall(self.path)}
        free = self.request.model_fields.keys() - self.fixed.keys() - {self.new_id}
        return {member: to for member, to in named.items() if to in free}

    def query_model(self) -> type[Query]:
        """Return the model of the query: the one named, or what nothing else fills."""
        if self.query:
            return self.query
        if self.method != "GET" or self.prepare:
            return NoQuery
        filled = {*self.path_fields().values(), *self.fixed, self.new_id, *_BY_PIPELINE}
        fields: dict[str, Any] = {
            name: (each.annotation, each)
            for name, each in self.request.model_fields.items()
            if name not in filled
        }
        if not fields:
            return NoQuery
        return create_model(f"{self.request.__name__}Query", __base__=Query, **fields)

    def answer_model(self) -> type[BaseModel] | None:
        """Return the model of the answer's body; none when it has none."""
        if self.answer or self.status == 204:
            return self.answer
        generic = self.rpc.answer.__pydantic_generic_metadata__
        if generic["origin"] is Page:
            return page_of(generic["args"][0])
        return self.rpc.answer

    def require_filled(self) -> None:
        """Return when something fills each field that the request must have.

        Raises:
            TypeError: One is left, so that no request could be made.
        """
        filled = {*self.path_fields().values(), *self.fixed, self.new_id, *_BY_PIPELINE}
        filled |= {*self.body.model_fields, *self.query_model().model_fields}
        needed = {name for name, each in self.request.model_fields.items() if each.is_required()}
        if not self.prepare and needed - filled:
            raise TypeError(f"{self.method} {self.path}: nothing fills {needed - filled}")


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: "_" + found[0].lower(), name)
