"""The JSON messages of `/ws`, read and written; docs/application-socket.md shows each.

Every message is one JSON object, `type` and the event's own fields beside it. A client may add
`ref` to any message; an error that the message causes carries it back.
"""

import json
from binascii import Error as NotBase64
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from typing import Annotated, Any, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from libs import errors
from libs.contracts.collab.frames import UPDATE_BYTES_MAX
from libs.contracts.collab.yprotocol import read_bytes
from libs.contracts.events.resources import SchemaVersion

UPDATE_BASE64_CHARS_MAX = (UPDATE_BYTES_MAX + 2) // 3 * 4
MESSAGE_BYTES_MAX = UPDATE_BASE64_CHARS_MAX + 4096
"""One update of the largest size and its envelope."""
SMALL_BYTES_MAX = 16 * 1024
"""Above this a message is read only when nearly all of it is one string."""
MARKS_MAX = 100
"""Quotes, brackets and commas in a message that is not small: more would take long to parse."""
REF_CHARS_MAX = 64
VECTOR_CHARS_MAX = 256 * 1024
TOKEN_CHARS_MAX = 16 * 1024
CAPABILITIES_MAX = 32
POSITION_MAX = (1 << 53) - 1

Chars = Annotated[str, StringConstraints(max_length=REF_CHARS_MAX)]
Ref = Chars | Annotated[int, Field(strict=True, ge=-POSITION_MAX, le=POSITION_MAX)]
Position = Annotated[int, Field(strict=True, ge=0, le=POSITION_MAX)]
Color = Annotated[str, StringConstraints(pattern=r"^[#a-zA-Z0-9(),.% -]{1,32}$")]
"""Editors put it into style sheets, so nothing that ends a value."""


class Message(BaseModel):
    """What a client sends; members that are not known here are left alone."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore")

    ref: Ref | None = None


class Hello(Message):
    """`client.hello`: who is there, and what they can do."""

    user_id: UUID
    project_id: UUID | None = None
    scene_id: UUID | None = None
    e2ee: Annotated[bool, Field(alias="e2ee")] = False
    token: Annotated[str, StringConstraints(max_length=TOKEN_CHARS_MAX)] | None = None
    capabilities: Annotated[list[Chars], Field(max_length=CAPABILITIES_MAX)] = Field(
        default_factory=list[str]
    )
    schema_version: SchemaVersion | None = None


class User(BaseModel):
    """Who a client says it is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    name: str | None = None


class JoinScene(Message):
    """`join.scene`: let me in, and tell me what I lack."""

    scene_id: UUID
    user: User | None = None
    state_vector: Annotated[str, StringConstraints(max_length=VECTOR_CHARS_MAX)] | None = None
    schema_version: SchemaVersion | None = None


class LeaveScene(Message):
    """`leave.scene`."""

    scene_id: UUID


class Cursor(BaseModel):
    """A selection as the editor counts."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    start: Position = Field(alias="from")
    end: Position = Field(alias="to")


class Relative(BaseModel):
    """The same as Yjs relative positions, which move with the text."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    anchor: dict[str, Any]
    head: dict[str, Any]


class PresenceUpdate(Message):
    """`presence.update`: where I am."""

    scene_id: UUID | None = None
    user_id: UUID | None = None
    cursor: Cursor | None = None
    relative: Relative | None = None
    color: Color | None = None

    def after(self, before: "PresenceUpdate") -> "PresenceUpdate":
        """Return what is true now: a colour stays until another is named, a cursor until it moves.

        A cursor that moved takes its relative positions with it.
        """
        said = self.model_fields_set
        kept = {"color": before.color} if "color" not in said else {}
        if not said & {"cursor", "relative"}:
            kept |= {"cursor": before.cursor, "relative": before.relative}
        return self.model_copy(update=kept)


class EditorUpdate(Message):
    """`editor.update`: what I wrote."""

    scene_id: UUID
    ydoc_update_base64: Annotated[str, Field(alias="ydocUpdateBase64")]


MODELS: Mapping[str, type[Message]] = {
    "client.hello": Hello,
    "join.scene": JoinScene,
    "leave.scene": LeaveScene,
    "presence.update": PresenceUpdate,
    "editor.update": EditorUpdate,
}
LATER = frozenset({"comment.new", "suggestion.new", "cost.update"})
"""Events of the source that belong to what is not here yet."""


class Unreadable(Exception):
    """A message that is none; `ref` is what it could still be recognised by."""

    def __init__(self, error: errors.AppError, ref: str | int | None = None) -> None:
        """Keep what to answer."""
        super().__init__(error.detail)
        self.error = error
        self.ref = ref


def read(data: bytes) -> Message:
    """Read what a client sent.

    Raises:
        Unreadable: It is too large, is not JSON, or not one of the messages.
    """
    members = _object(data)
    given = members.get("ref")
    ref = given if isinstance(given, str | int) and len(str(given)) <= REF_CHARS_MAX else None
    kind = members.get("type")
    model = MODELS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise Unreadable(_unknown(kind), ref)
    try:
        return model.model_validate(members)
    except ValidationError as error:
        problems = [
            {"field": ".".join(map(str, found["loc"])), "detail": found["msg"]}
            for found in error.errors(include_input=False, include_url=False, include_context=False)
        ][:10]
        said = f"{kind}: {problems[0]['field']}: {problems[0]['detail']}"
        raise Unreadable(errors.Invalid(said, errors=problems), ref) from error


def _object(data: bytes) -> dict[str, Any]:
    if len(data) > MESSAGE_BYTES_MAX:
        raise Unreadable(errors.TooLarge(limitBytes=MESSAGE_BYTES_MAX))
    if len(data) > SMALL_BYTES_MAX and sum(map(data.count, (b'"', b"[", b"{", b","))) > MARKS_MAX:
        raise Unreadable(errors.TooLarge("A large message holds one update and little else."))
    try:
        value = json.loads(str(data, "utf-8"))
    except (ValueError, RecursionError) as error:
        raise Unreadable(errors.Invalid("This is not JSON.")) from error
    if not isinstance(value, dict):
        raise Unreadable(errors.Invalid("A message is a JSON object with a type."))
    return cast("dict[str, Any]", value)


def _unknown(kind: object) -> errors.AppError:
    if isinstance(kind, str) and kind in LATER:
        return errors.NotOffered(f"{kind} is not offered here yet.")
    if isinstance(kind, str):
        return errors.Invalid(f"There is no message of the type {kind[:REF_CHARS_MAX]!r}.")
    return errors.Invalid("A message names its type.")


def decode(text: str, place: str, *, bytes_max: int) -> bytes:
    """Return the bytes that *text* stands for.

    Raises:
        TooLarge: They are more than *bytes_max*; nothing was decoded.
        Invalid: It is not base64.
    """
    if len(text) > (bytes_max + 2) // 3 * 4:
        raise errors.TooLarge(f"{place} is too large.", limitBytes=bytes_max)
    try:
        return a2b_base64(text, strict_mode=True)
    except (NotBase64, ValueError) as error:
        detail = "is no base64"
        raise errors.Invalid(
            f"{place} {detail}.", errors=[{"field": place, "detail": detail}]
        ) from error


def event(kind: str, **fields: Any) -> bytes:
    """Write an event."""
    try:
        return json.dumps(
            {"type": kind, **fields}, separators=(",", ":"), ensure_ascii=False
        ).encode()
    except UnicodeEncodeError:
        # Half an emoji, which JavaScript strings may end with: it travels escaped, as it came.
        return json.dumps({"type": kind, **fields}, separators=(",", ":")).encode()


def failure(
    error: errors.AppError, *, ref: str | int | None, scene_id: UUID | None, left: bool
) -> bytes:
    """Write an error; *left* says that the client is no longer in the scene."""
    fields: dict[str, Any] = {"code": error.code, "detail": error.detail}
    if ref is not None:
        fields["ref"] = ref
    if scene_id is not None:
        fields |= {"sceneId": str(scene_id), "left": left}
    return event("error", **(error.data | fields))


def editor_update(scene: UUID, frame: bytes) -> bytes:
    """Write a committed edit, given as a y-protocols message."""
    update, _ = read_bytes(frame, 2)
    return b'{"type":"editor.update","sceneId":"%b","ydocUpdateBase64":"%b"}' % (
        str(scene).encode(),
        b2a_base64(update, newline=False),
    )


def doc_sync(scene: UUID, update: bytes, **fields: Any) -> bytes:
    """Write the answer to a join; *update* is base64 already, because it may be megabytes."""
    rest = event("doc.sync", sceneId=str(scene), **fields)
    return b'%b,"update":"%b"}' % (rest[:-1], update)
