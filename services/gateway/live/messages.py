"""The JSON messages of `/ws`; docs/application-socket.md shows each of them.

Every message is one JSON object with a `type` and the fields of that type beside it. A client may
add `ref` to any message; an error that the message causes carries it back.
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
"""A larger message is parsed only when nearly all of it is one string."""
MARKS_MAX = 100
"""Quotes, brackets and commas in a message that is not small; more would take long to parse."""
REF_CHARS_MAX = 64
VECTOR_CHARS_MAX = 256 * 1024
TOKEN_CHARS_MAX = 16 * 1024
CAPABILITIES_MAX = 32
POSITION_MAX = (1 << 53) - 1

Chars = Annotated[str, StringConstraints(max_length=REF_CHARS_MAX)]
Ref = Chars | Annotated[int, Field(strict=True, ge=-POSITION_MAX, le=POSITION_MAX)]
Position = Annotated[int, Field(strict=True, ge=0, le=POSITION_MAX)]
Color = Annotated[str, StringConstraints(pattern=r"^[#a-zA-Z0-9(),.% -]{1,32}$")]
"""Editors put it into style sheets, so it holds no character that ends a value there."""


class ClientMessage(BaseModel):
    """A message of a client; unknown fields are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore")

    ref: Ref | None = None


class ClientHello(ClientMessage):
    """`client.hello`: authenticates the client and names its capabilities."""

    user_id: UUID
    project_id: UUID | None = None
    scene_id: UUID | None = None
    e2ee: Annotated[bool, Field(alias="e2ee")] = False
    token: Annotated[str, StringConstraints(max_length=TOKEN_CHARS_MAX)] | None = None
    capabilities: Annotated[list[Chars], Field(max_length=CAPABILITIES_MAX)] = Field(
        default_factory=list[str]
    )
    schema_version: SchemaVersion | None = None


class JoiningUser(BaseModel):
    """The user that a client names in `join.scene`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    name: str | None = None


class JoinScene(ClientMessage):
    """`join.scene`: asks for a scene, from a state vector on if the client has one."""

    scene_id: UUID
    user: JoiningUser | None = None
    state_vector: Annotated[str, StringConstraints(max_length=VECTOR_CHARS_MAX)] | None = None
    schema_version: SchemaVersion | None = None


class LeaveScene(ClientMessage):
    """`leave.scene`: ends the session in a scene."""

    scene_id: UUID


class CursorNumbers(BaseModel):
    """A selection in numbers, as the editor counts."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    start: Position = Field(alias="from")
    end: Position = Field(alias="to")


class CursorPositions(BaseModel):
    """A selection as Yjs relative positions, which move with the text."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    anchor: dict[str, Any]
    head: dict[str, Any]


class PresenceUpdate(ClientMessage):
    """`presence.update`: the client's cursor and colour."""

    scene_id: UUID | None = None
    user_id: UUID | None = None
    cursor: CursorNumbers | None = None
    relative: CursorPositions | None = None
    color: Color | None = None

    def merged_over(self, before: "PresenceUpdate") -> "PresenceUpdate":
        """Return this message, with the fields of *before* where this one is silent.

        A colour stays until another one is sent, a cursor until it moves. A cursor that moves
        takes its relative positions with it.
        """
        sent = self.model_fields_set
        kept = {"color": before.color} if "color" not in sent else {}
        if not sent & {"cursor", "relative"}:
            kept |= {"cursor": before.cursor, "relative": before.relative}
        return self.model_copy(update=kept)


class EditorUpdate(ClientMessage):
    """`editor.update`: an edit, as a Yjs update."""

    scene_id: UUID
    ydoc_update_base64: Annotated[str, Field(alias="ydocUpdateBase64")]


MODELS: Mapping[str, type[ClientMessage]] = {
    "client.hello": ClientHello,
    "join.scene": JoinScene,
    "leave.scene": LeaveScene,
    "presence.update": PresenceUpdate,
    "editor.update": EditorUpdate,
}
NOT_OFFERED = frozenset({"suggestion.new", "cost.update"})
"""Events of the specification whose features are not offered yet."""
OVER_HTTP = frozenset({"comment.new"})
"""Events that only the server sends; what they tell of is made over HTTP."""


class InvalidMessage(Exception):
    """The bytes are no message of this protocol; `ref` is the one that they carry, if any."""

    def __init__(self, error: errors.AppError, ref: str | int | None = None) -> None:
        """Keep the error to answer with."""
        super().__init__(error.detail)
        self.error = error
        self.ref = ref


def read_message(data: bytes) -> ClientMessage:
    """Parse a message of a client.

    Raises:
        InvalidMessage: It is too large, is not JSON, or not one of `MODELS`.
    """
    fields = _parse_object(data)
    given = fields.get("ref")
    ref = given if isinstance(given, str | int) and len(str(given)) <= REF_CHARS_MAX else None
    kind = fields.get("type")
    model = MODELS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise InvalidMessage(_unknown_type(kind), ref)
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        problems = [
            {"field": ".".join(map(str, found["loc"])), "detail": found["msg"]}
            for found in error.errors(include_input=False, include_url=False, include_context=False)
        ][:10]
        detail = f"{kind}: {problems[0]['field']}: {problems[0]['detail']}"
        raise InvalidMessage(errors.Invalid(detail, errors=problems), ref) from error


def _parse_object(data: bytes) -> dict[str, Any]:
    if len(data) > MESSAGE_BYTES_MAX:
        raise InvalidMessage(errors.TooLarge(limitBytes=MESSAGE_BYTES_MAX))
    if len(data) > SMALL_BYTES_MAX and sum(map(data.count, (b'"', b"[", b"{", b","))) > MARKS_MAX:
        raise InvalidMessage(errors.TooLarge("A large message holds one update and little else."))
    try:
        value = json.loads(str(data, "utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(errors.Invalid("This is not JSON.")) from error
    if not isinstance(value, dict):
        raise InvalidMessage(errors.Invalid("A message is a JSON object with a type."))
    return cast("dict[str, Any]", value)


def _unknown_type(kind: object) -> errors.AppError:
    if isinstance(kind, str) and kind in OVER_HTTP:
        return errors.NotOffered(f"{kind} is what the server sends; comments are made over HTTP.")
    if isinstance(kind, str) and kind in NOT_OFFERED:
        return errors.NotOffered(f"{kind} is not offered here yet.")
    if isinstance(kind, str):
        return errors.Invalid(f"There is no message of the type {kind[:REF_CHARS_MAX]!r}.")
    return errors.Invalid("A message names its type.")


def decode_base64(text: str, field: str, *, bytes_max: int) -> bytes:
    """Decode the base64 of *field*.

    Raises:
        TooLarge: It stands for more than *bytes_max* bytes; nothing was decoded.
        Invalid: It is not base64.
    """
    if len(text) > (bytes_max + 2) // 3 * 4:
        raise errors.TooLarge(f"{field} is too large.", limitBytes=bytes_max)
    try:
        return a2b_base64(text, strict_mode=True)
    except (NotBase64, ValueError) as error:
        detail = "is no base64"
        raise errors.Invalid(
            f"{field} {detail}.", errors=[{"field": field, "detail": detail}]
        ) from error


def encode_event(kind: str, **fields: Any) -> bytes:
    """Encode an event."""
    try:
        return json.dumps(
            {"type": kind, **fields}, separators=(",", ":"), ensure_ascii=False
        ).encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, which JavaScript strings may end with, is sent escaped, as it came.
        return json.dumps({"type": kind, **fields}, separators=(",", ":")).encode()


def encode_error(
    error: errors.AppError, *, ref: str | int | None, scene_id: UUID | None, left: bool
) -> bytes:
    """Encode an error; *left* means that the session in the scene has ended."""
    fields: dict[str, Any] = {"code": error.code, "detail": error.detail}
    if ref is not None:
        fields["ref"] = ref
    if scene_id is not None:
        fields |= {"sceneId": str(scene_id), "left": left}
    return encode_event("error", **(error.data | fields))


def encode_editor_update(scene: UUID, frame: bytes) -> bytes:
    """Encode a committed edit, which is given as a y-protocols message."""
    update, _ = read_bytes(frame, 2)
    return b'{"type":"editor.update","sceneId":"%b","ydocUpdateBase64":"%b"}' % (
        str(scene).encode(),
        b2a_base64(update, newline=False),
    )


def encode_doc_sync(scene: UUID, update: bytes, **fields: Any) -> bytes:
    """Encode the answer to a join; *update* is base64 already, because it may be megabytes."""
    rest = encode_event("doc.sync", sceneId=str(scene), **fields)
    return b'%b,"update":"%b"}' % (rest[:-1], update)
