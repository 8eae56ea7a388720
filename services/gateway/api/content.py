"""The text of a scene: read and written as a whole, merged like any other edit."""

import binascii
import json
import re
import sys
from base64 import b64decode, b64encode
from typing import Annotated, Any, cast
from uuid import UUID

from pydantic import Field

from libs import errors
from libs.bus import Caller
from libs.contracts.collab.content import (
    READ_CONTENT,
    WRITE_CONTENT,
    Content,
    ContentFormat,
    ReadContent,
    WriteContent,
    Written,
)
from libs.contracts.collab.history import READ_AT, At, ReadAt
from libs.contracts.events.resources import SCHEMA_VERSION_MAX
from libs.contracts.wire import Wire
from services.gateway.access.limits import LimitClass
from services.gateway.access.scene_editors import Editors
from services.gateway.access.schema_gate import require_schema
from services.gateway.api.documents import InBranch, document_of
from services.gateway.api.formats import Format, named
from services.gateway.http import bodies, etags
from services.gateway.http.route import JSON, Answer, AnyRoute, Call, NoBody, Route

CONTENT_BYTES_MAX = 2 << 20
REQUEST_BYTES_MAX = 2 * CONTENT_BYTES_MAX
"""JSON escapes and base64 make a body longer than its content."""
DEADLINE_S = 10.0

TEXT = "text/plain"
MARKDOWN = "text/markdown"
BINARY = "application/octet-stream"
BLOCKS = "application/vnd.scriptorium.blocks+json"
PROSEMIRROR = "application/vnd.scriptorium.prosemirror+json"
_MEDIA_TYPES = {
    ContentFormat.TEXT: TEXT,
    ContentFormat.MARKDOWN: MARKDOWN,
    ContentFormat.BLOCKS: JSON,
    ContentFormat.PROSEMIRROR: JSON,
    ContentFormat.YJS: BINARY,
}
_FORMAT_OF = {
    TEXT: ContentFormat.TEXT,
    MARKDOWN: ContentFormat.MARKDOWN,
    BLOCKS: ContentFormat.BLOCKS,
    PROSEMIRROR: ContentFormat.PROSEMIRROR,
    BINARY: ContentFormat.YJS,
}
_NOT_BASE64 = re.compile("[^A-Za-z0-9+/]")
_BASE64 = re.compile("[A-Za-z0-9+/]*={0,2}")
_JSON_FORMATS = (ContentFormat.BLOCKS, ContentFormat.PROSEMIRROR)
_EDITORS_FORMATS = (*_JSON_FORMATS, ContentFormat.YJS)
"""Formats that carry an editor's own structure: they pass the schema gate, declared or not."""

_BLOCKS_EXAMPLE = [
    {"type": "scene-heading", "children": [{"text": "INT. LABORATORY - NIGHT"}]},
    {"type": "action", "children": [{"text": "It "}, {"text": "moves", "italic": True}]},
]
_PROSEMIRROR_EXAMPLE = {
    "type": "doc",
    "content": [{"type": "paragraph", "content": [{"type": "text", "text": "It moves."}]}],
}
_EXAMPLES: dict[str, dict[str, Any]] = {
    JSON: {"blocks": _BLOCKS_EXAMPLE, "prosemirror": _PROSEMIRROR_EXAMPLE},
    TEXT: {"text": "It moves."},
    MARKDOWN: {"markdown": "## INT. LABORATORY - NIGHT\n\nIt *moves*.\n"},
    BLOCKS: {"blocks": _BLOCKS_EXAMPLE},
    PROSEMIRROR: {"prosemirror": _PROSEMIRROR_EXAMPLE},
}


class InFormat(InBranch):
    """How the text is written down."""

    format: Format | None = None


class AtPoint(InFormat):
    """A version of a document's text, and the format in which it is returned."""

    at: At | None = None


Declared = Annotated[int, Field(ge=1, le=SCHEMA_VERSION_MAX)]


class ToWrite(InFormat):
    """How the text is written down, and by an editor of which schema."""

    schema_version: Declared | None = None


class ContentPut(Wire):
    """New content: text or Markdown; the JSON of blocks or prosemirror; base64 of a Yjs update.

    `blocks` is an array of Slate nodes, `prosemirror` a node of type `doc`; both may also be
    given as a string of JSON. With `base_state_vector` (base64) the change is the difference from
    that older state and merges with what was written since. `schema_version` declares the editor's
    schema, for scenes that name one.
    """

    format: Format
    content: str | list[Any] | dict[str, Any]
    base_state_vector: str | None = None
    schema_version: Declared | None = None


class ContentRoutes:
    """Handlers about text."""

    def __init__(self, caller: Caller, editors: Editors) -> None:
        """Ask collab over *caller*; *editors* tells what a scene is written with."""
        self._caller = caller
        self._editors = editors

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [
            Route(
                method="GET",
                path="/api/scenes/{id}/content",
                handler=self.read,
                summary="Read the text of a scene",
                description=(
                    "As text, markdown, blocks (Slate JSON), prosemirror (Tiptap JSON) or yjs,"
                    " whatever editor wrote it. Scriptorium-State-Vector is the base for a later"
                    " PUT. With `at` as it was then: an RFC 3339 time, `seq:<version>` or"
                    " `snapshot:<id>`."
                ),
                tag="Content",
                body=NoBody,
                query=AtPoint,
                cost=LimitClass.CONTENT,
                place=("scene", "id"),
                action="scene.read",
                problems=("UNSUPPORTED_FORMAT", "GONE"),
                etag=True,
                examples=_EXAMPLES,
                answer_media_types=(TEXT, MARKDOWN, JSON, BINARY),
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
                    " nothing. Any format may also be sent as it is, under a media type of its"
                    " own. A plain text scene refuses blocks that it cannot hold with CONFLICT."
                    " A scene that names a schema version takes blocks, prosemirror and yjs only"
                    " from who declares that one or a newer (`schemaVersion`), and nothing from who"
                    " declares an older one. With If-Match (the ETag of a GET, in any format)"
                    " nothing is written when the text is another one by now."
                ),
                tag="Content",
                body=bytes,
                body_model=ContentPut,
                query=ToWrite,
                cost=LimitClass.CONTENT,
                place=("scene", "id"),
                action="scene.edit",
                answer=Written,
                problems=(
                    "UNSUPPORTED_FORMAT",
                    "TOO_LARGE",
                    "CONFLICT",
                    "BRANCH_CLOSED",
                    "SCHEMA_OUTDATED",
                    "PRECONDITION_FAILED",
                ),
                examples=_EXAMPLES,
                body_bytes_max=REQUEST_BYTES_MAX,
                media_types=(JSON, TEXT, MARKDOWN, BLOCKS, PROSEMIRROR, BINARY),
            ),
        ]

    async def read(self, call: Call[NoBody, AtPoint]) -> Answer:
        """Answer with the text that is durable now, or with that of a point in the past."""
        form = named(ContentFormat, call.query.format, ContentFormat.TEXT)
        document = await document_of(self._caller, call, call.query.branch)
        content = await self._content(call, document, form)
        headers = {
            "ETag": etags.etag("content", f"{document}-{form}", content.seq),
            "Scriptorium-Seq": str(content.seq),
            "Scriptorium-State-Vector": b64encode(content.state_vector).decode(),
        }
        if etags.is_known(call.header("if-none-match"), headers["ETag"]):
            return Answer(304, headers=headers)
        return Answer(200, content.body, _MEDIA_TYPES[form], headers)

    async def _content(
        self, call: Call[NoBody, AtPoint], document: UUID, form: ContentFormat
    ) -> Content:
        editor = await self._editors.of(call.access.editor, call.actor)
        if at := call.query.at:
            then = ReadAt(
                document_id=document,
                scene_id=call.path["id"],
                format=form,
                at=at,
                editor=editor,
            )
            return await self._caller.ask(READ_AT, then, call.actor, deadline_s=DEADLINE_S)
        now = ReadContent(scene_id=document, format=form, editor=editor)
        return await self._caller.ask(READ_CONTENT, now, call.actor, deadline_s=DEADLINE_S)

    async def write(self, call: Call[bytes, ToWrite]) -> Answer:
        """Apply new content."""
        document = await document_of(self._caller, call, call.query.branch, writing=True)
        expected = etags.expected_seqs(call.header("if-match"), document)
        form, body, base, declared = _read(call)
        if form in _EDITORS_FORMATS or declared is not None:
            require_schema(call.access.schema_version, declared)
        if len(body) > CONTENT_BYTES_MAX:
            raise errors.TooLarge(limitBytes=CONTENT_BYTES_MAX)
        written = await self._caller.ask(
            WRITE_CONTENT,
            WriteContent(
                scene_id=document,
                format=form,
                # These fields are declared as they travel: encoded.
                body=b64encode(body),
                base_state_vector=b64encode(base) if base is not None else None,
                editor=await self._editors.of(call.access.editor, call.actor),
                # Unsaid when it is not asked for: replicas of the release before do not know it.
                **({"expected_seqs": expected} if expected is not None else {}),
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


def _read(call: Call[bytes, ToWrite]) -> tuple[ContentFormat, bytes, bytes | None, int | None]:
    """Return format, content, base and declared schema of a body, however it was sent."""
    declared = call.query.schema_version
    given = bodies.media_type(call.request)
    if given in _FORMAT_OF:
        form = named(ContentFormat, call.query.format, _FORMAT_OF[given])
        return form, call.body, None, declared
    bodies.require_json(call.request)
    put = bodies.parse_body(ContentPut, call.body)
    form = named(ContentFormat, put.format, ContentFormat.TEXT)
    base = put.base_state_vector
    return (
        form,
        _content(form, put.content),
        None if base is None else _decode(base, "baseStateVector"),
        put.schema_version or declared,
    )


def _content(form: ContentFormat, given: str | list[Any] | dict[str, Any]) -> bytes:
    if not isinstance(given, str):
        if form not in _JSON_FORMATS:
            raise errors.Invalid(errors=[{"field": "body.content", "detail": "must be a string"}])
        if place := _unfit(given, "content"):
            raise errors.Invalid("No such number in JSON.", field="content", at=place)
        return json.dumps(given, ensure_ascii=False, separators=(",", ":")).encode()
    return _decode(given, "content") if form is ContentFormat.YJS else given.encode()


def _unfit(value: Any, place: str) -> str | None:
    """Return where *value* holds a number that no browser can carry; our parser accepts it."""
    match value:
        case float() | int():
            return None if abs(value) <= sys.float_info.max else place
        case list():
            parts = ((f"{place}[{at}]", each) for at, each in enumerate(cast("list[Any]", value)))
        case dict():
            members = cast("dict[str, Any]", value)
            parts = ((f"{place}.{name}", each) for name, each in members.items())
        case _:
            return None
    return next((found for at, each in parts if (found := _unfit(each, at))), None)


def _decode(text: str, place: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        # What is alright up to its end has too few characters.
        wrong = None if _BASE64.fullmatch(text) else _NOT_BASE64.search(text)
        end = wrong.start() if wrong else len(text)
        raise errors.Invalid(
            errors=[{"field": f"body.{place}", "detail": "is no base64"}], at=f"offset {end}"
        ) from None
