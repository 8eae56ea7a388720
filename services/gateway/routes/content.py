"""The text of a scene: read and written as a whole, merged like any other edit."""

import binascii
from base64 import b64decode, b64encode
from typing import Annotated

from pydantic import Field

from libs import errors
from libs.bus import Caller
from libs.contracts.content import (
    READ_CONTENT,
    WRITE_CONTENT,
    Content,
    ContentFormat,
    ReadContent,
    WriteContent,
    Written,
)
from libs.contracts.wire import Wire
from services.gateway.edge import bodies, etags
from services.gateway.edge.route import JSON, Answer, AnyRoute, Call, NoBody, Query, Route
from services.gateway.limits import LimitClass

CONTENT_BYTES_MAX = 2 << 20
REQUEST_BYTES_MAX = 2 * CONTENT_BYTES_MAX
"""JSON escapes and base64 make a body longer than its content."""
FORMAT_CHARS_MAX = 40
DEADLINE_S = 10.0

TEXT = "text/plain"
BINARY = "application/octet-stream"
_MEDIA_TYPES = {ContentFormat.TEXT: TEXT, ContentFormat.YJS: BINARY}
_FORMAT_OF = {TEXT: ContentFormat.TEXT, BINARY: ContentFormat.YJS}

Format = Annotated[str, Field(max_length=FORMAT_CHARS_MAX, examples=["text", "yjs"])]


class InFormat(Query):
    """How the text is written down."""

    format: Format | None = None


class ContentPut(Wire):
    """New content: a string for `text`, base64 of one Yjs update for `yjs`.

    With `base_state_vector` (base64) the change is the difference from that older state and
    merges with what was written since.
    """

    format: Format
    content: str
    base_state_vector: str | None = None


class ContentRoutes:
    """Handlers about text."""

    def __init__(self, caller: Caller) -> None:
        """Ask collab over *caller*."""
        self._caller = caller

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [
            Route(
                method="GET",
                path="/api/scenes/{id}/content",
                handler=self.read,
                summary="Read the text of a scene",
                description="Scriptorium-State-Vector is the base for a later PUT.",
                tag="Content",
                body=NoBody,
                query=InFormat,
                cost=LimitClass.CONTENT,
                place=("scene", "id"),
                action="scene.read",
                problems=("UNSUPPORTED_FORMAT",),
                etag=True,
                deleted_matters=True,
                answer_media_types=(TEXT, BINARY),
                answer_headers={
                    "Scriptorium-Seq": "Where in the log of the scene this text stands.",
                    "Scriptorium-State-Vector": "Yjs state vector of this text, base64.",
                },
            ),
            Route(
                method="PUT",
                path="/api/scenes/{id}/content",
                handler=self.write,
                summary="Make the scene read this",
                description=(
                    "Applied as the smallest edit, so people writing at the same time lose"
                    " nothing. Text and Yjs updates may also be sent as they are, as text/plain"
                    " or application/octet-stream."
                ),
                tag="Content",
                body=bytes,
                body_model=ContentPut,
                query=InFormat,
                cost=LimitClass.CONTENT,
                place=("scene", "id"),
                action="scene.edit",
                answer=Written,
                problems=("UNSUPPORTED_FORMAT", "TOO_LARGE", "CONFLICT"),
                deleted_matters=True,
                body_bytes_max=REQUEST_BYTES_MAX,
                media_types=(JSON, TEXT, BINARY),
            ),
        ]

    async def read(self, call: Call[NoBody, InFormat]) -> Answer:
        """Answer with the text that is durable now."""
        _require_present(call.access.deleted)
        form = _format(call.query.format, ContentFormat.TEXT)
        scene_id = call.path["id"]
        content: Content = await self._caller.ask(
            READ_CONTENT,
            ReadContent(scene_id=scene_id, format=form),
            call.actor,
            deadline_s=DEADLINE_S,
        )
        headers = {
            "ETag": etags.etag("content", f"{scene_id}-{form}", content.seq),
            "Scriptorium-Seq": str(content.seq),
            "Scriptorium-State-Vector": b64encode(content.state_vector).decode(),
        }
        if etags.is_known(call.header("if-none-match"), headers["ETag"]):
            return Answer(304, headers=headers)
        return Answer(200, content.body, _MEDIA_TYPES[form], headers)

    async def write(self, call: Call[bytes, InFormat]) -> Answer:
        """Apply new content."""
        _require_present(call.access.deleted)
        form, body, base = _read(call)
        if len(body) > CONTENT_BYTES_MAX:
            raise errors.TooLarge(limitBytes=CONTENT_BYTES_MAX)
        written = await self._caller.ask(
            WRITE_CONTENT,
            WriteContent(
                scene_id=call.path["id"],
                format=form,
                # These fields are declared as they travel: encoded.
                body=b64encode(body),
                base_state_vector=b64encode(base) if base is not None else None,
            ),
            call.actor,
            deadline_s=DEADLINE_S,
        )
        return Answer.json(
            {
                "seq": written.seq,
                "changed": written.changed,
                "stateVector": b64encode(written.state_vector).decode(),
            }
        )


def _require_present(deleted: bool) -> None:
    if deleted:
        raise errors.NotFound


def _format(given: str | None, default: ContentFormat = ContentFormat.TEXT) -> ContentFormat:
    if given is None:
        return default
    try:
        return ContentFormat(given)
    except ValueError:
        known = ", ".join(ContentFormat)
        raise errors.Unsupported(f"Known formats are {known}.") from None


def _read(call: Call[bytes, InFormat]) -> tuple[ContentFormat, bytes, bytes | None]:
    """Return format, content and base of a body, however it was sent."""
    given = bodies.media_type(call.request)
    if given in _FORMAT_OF:
        form = _format(call.query.format, _FORMAT_OF[given])
        if form is ContentFormat.TEXT:
            _require_text(call.body)
        return form, call.body, None
    bodies.require_json(call.request)
    put = bodies.parse_body(ContentPut, call.body)
    form = _format(put.format)
    body = put.content.encode() if form is ContentFormat.TEXT else _decode(put.content, "content")
    base = put.base_state_vector
    return form, body, None if base is None else _decode(base, "baseStateVector")


def _decode(text: str, place: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise errors.Invalid(
            errors=[{"field": f"body.{place}", "detail": "is no base64"}]
        ) from None


def _require_text(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError:
        raise errors.Invalid("The body is not UTF-8.") from None
