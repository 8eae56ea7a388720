"""A route as data: what it takes, answers, costs, and who may use it."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from libs.contracts.actor import Actor
from libs.contracts.events.resources import Kind
from libs.contracts.wire import Wire
from services.gateway.access import permissions
from services.gateway.access.limits import LimitClass
from services.gateway.access.permissions import Access, Action
from services.gateway.accounts.identity.model import Identity

BODY_BYTES_MAX = 256 * 1024
JSON = "application/json"
EVENT_STREAM = "text/event-stream"

type HttpMethod = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
type Place = tuple[Kind, str]
"""A kind of thing, and the member of the path that names it."""


Version = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Query(BaseModel):
    """Query parameters; unknown ones are ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore"
    )


class NoQuery(Query):
    """No parameters."""


class NoBody(Wire):
    """No body; one that is sent is not read."""


class Basis(Query):
    """The version that is meant, for clients that cannot send If-Match."""

    base_version: Version | None = None


@dataclass(frozen=True, slots=True)
class Streamed:
    """A body that comes bit by bit; nobody takes longer than the deadline, slow clients included.

    `source` is closed when the client leaves, so it may hold what it reads from. With `idle_s` a
    client that does not take one part for so long is cut off. A source that raises `Cut` ends the
    answer short.
    """

    source: AsyncGenerator[bytes]
    deadline_s: float | None
    idle_s: float | None = None


class Cut(Exception):
    """The source of a stream broke off: the client must not take what it got for the whole."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. A `stream` replaces the body, and only in the answer to a GET."""

    status: int = 200
    body: bytes = b""
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    stream: Streamed | None = None

    @classmethod
    def json(
        cls, value: object, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> "Answer":
        """Answer with a value or a model as JSON."""
        if isinstance(value, BaseModel):
            body = value.model_dump_json(by_alias=True).encode()
        else:
            body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        return cls(status, body, JSON, headers or {})


@dataclass(frozen=True, slots=True)
class Call[B, Q: Query = NoQuery]:
    """One request, read and permitted.

    `command_id` and `new_id` are the same again when the request is a retry of a POST with the
    same Idempotency-Key, so a command that names them happens once.
    """

    request: Request[Any, Any, Any]
    body: B
    query: Q
    path: Mapping[str, UUID]
    command_id: UUID
    new_id: UUID
    identity_or_none: Identity | None
    access_or_none: Access | None
    address: str
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    """The members of the path that are no UUIDs."""

    @property
    def identity(self) -> Identity:
        """Return the caller; a route that is not anonymous always has one."""
        if self.identity_or_none is None:
            raise RuntimeError("an anonymous route asked who is calling")
        return self.identity_or_none

    @property
    def access(self) -> Access:
        """Return the caller's access to the path's thing; routes with a place always have one."""
        if self.access_or_none is None:
            raise RuntimeError("a route without a place asked for access")
        return self.access_or_none

    @property
    def actor(self) -> Actor:
        """Return the caller as an actor, for requests to other services."""
        access = self.access_or_none
        return Actor(
            user_id=self.identity.user_id,
            project_id=access.project_id if access else None,
            role=access.role if access else None,
        )

    def require(self, action: Action) -> None:
        """Return when the caller may also do *action*.

        Raises:
            Forbidden: They may not.
        """
        permissions.require(self.access, action)

    def header(self, name: str) -> str | None:
        """Return a request header; of one that came in several lines all of them, as one list."""
        lines = self.request.headers.getall(name, [])
        return ", ".join(lines) if lines else None


type AnyCall = Call[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route[B, Q: Query]:
    """One method of one path.

    Args:
        path: With members in braces, such as `/api/books/{id}`; they are UUIDs but for `texts`.
        texts: The members that are something else, with the patterns that they must have.
        place: The thing whose project decides about permission; none outside projects.
        action: What the caller does, in the words of the permission matrix.
        anonymous: Whether it may be called without credentials.
        cost: The allowance it draws from; none for probes.
        body: Model of the JSON body, bytes for a handler that reads any media type, or Incoming for
            one that reads while it comes.
        keyed: Whether a POST heeds an Idempotency-Key; its work must not outlive a claim, or must
            absorb being done again with the same ids.
        head: Whether a HEAD is answered like the GET, but for the body.
        body_model: What JSON looks like when `body` is bytes.
        examples: Bodies for the documentation, by media type and name, asked and answered.
        answer: Model of the answer's body; none when it has none.
        problems: Codes it may answer with, besides those that all routes of its sort may.
        also: Other statuses that its success may have.
        waits: Model of a 202 with Retry-After, which says that it is to be asked again later.
        etag: Whether the answer carries an ETag.
        needs_version: Whether If-Match or baseVersion must be given.
        always: Headers that every answer of the route has, refusals included.
        answers_deleted: Whether the handler is called for deleted things, too: because it looks at
            `access.deleted` itself, or asks events, which knows. Elsewhere they are not found.
    """

    method: HttpMethod
    path: str
    handler: Callable[[Call[B, Q]], Awaitable[Answer]]
    summary: str
    tag: str
    body: type[B]
    query: type[Q]
    cost: LimitClass | None
    place: Place | None = None
    action: Action | None = None
    anonymous: bool = False
    answer: type[BaseModel] | None = None
    status: int = 200
    description: str = ""
    problems: tuple[str, ...] = ()
    etag: bool = False
    needs_version: bool = False
    answers_deleted: bool = False
    body_model: type[BaseModel] | None = None
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    body_bytes_max: int = BODY_BYTES_MAX
    media_types: tuple[str, ...] = (JSON,)
    answer_media_types: tuple[str, ...] = (JSON,)
    answer_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    head: bool = False
    keyed: bool = True
    also: tuple[int, ...] = ()
    waits: type[BaseModel] | None = None
    always: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def idempotent_by_key(self) -> bool:
        """Whether an Idempotency-Key is heeded."""
        return self.method == "POST" and not self.anonymous and self.keyed

    @property
    def has_body(self) -> bool:
        """Whether a body is read."""
        return self.body is not NoBody


type AnyRoute = Route[Any, Any]
