"""Resumable uploads: tus 1.0.0, and uploads that go to a presigned address.

Creation, creation-with-upload, checksum, termination and expiration, as https://tus.io says.
"""

import binascii
import hashlib
import hmac
from base64 import b64decode
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import format_datetime
from typing import Annotated

from pydantic import Field, ValidationError

from libs import errors
from libs.contracts.blobs import (
    BEGIN_UPLOAD,
    BLOB_BYTES_MAX,
    CANCEL_UPLOAD,
    COMPLETE_UPLOAD,
    FIND_UPLOAD,
    URL_TTL_S_DEFAULT,
    AssetType,
    BeginUpload,
    Begun,
    CancelUpload,
    CompleteUpload,
    FindUpload,
    Sha256,
    Size,
    Upload,
    UrlTtl,
)
from libs.contracts.wire import Wire
from services.gateway.blobs import DEADLINE_S, Blobs, given
from services.gateway.edge import bodies
from services.gateway.edge.incoming import Incoming
from services.gateway.edge.route import (
    JSON,
    Answer,
    AnyCall,
    AnyRoute,
    Call,
    NoBody,
    NoQuery,
    Route,
)
from services.gateway.limits import LimitClass
from services.gateway.problems import MEDIA_TYPE, problem
from services.gateway.routes.blobs import (
    STORE_PROBLEMS,
    NameOfFile,
    PresignedUrl,
    presigned,
    require_living,
)

TAG = "Uploads"
VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,checksum,termination,expiration"
ALGORITHMS = ("sha256", "sha1", "md5")
OFFSET_TYPE = "application/offset+octet-stream"
CHECKED_BYTES_MAX = 8 << 20
"""Of one PATCH with Upload-Checksum: it is held whole, because a wrong one is not stored at all."""
METADATA_CHARS_MAX = 8_192
REQUEST_BYTES_MAX = 64 << 10
"""Of a request for a direct upload."""
COMPLETE_WAIT_S = 600.0
"""Until all of a direct upload is verified."""
CHECKSUM_MISMATCH = 460
"""tus has a status of its own for this."""

_TUS = {"Tus-Resumable": VERSION}
_PROBLEMS = (*STORE_PROBLEMS, "PRECONDITION_FAILED", "UNSUPPORTED_FORMAT", "TOO_LARGE")


class UploadWanted(Wire):
    """An upload past us: its bytes are sent in one PUT to the address in the answer."""

    direct: bool = True
    size: Size | None = None
    sha256: Sha256 | None = None
    file_name: NameOfFile | None = None
    media_type: Annotated[str | None, Field(max_length=127, min_length=1)] = None
    asset_type: AssetType = AssetType.ATTACHMENT
    expires_in: UrlTtl = URL_TTL_S_DEFAULT


class DirectUpload(Wire):
    """The upload, and where to send its bytes; `target` is null when the project has them."""

    upload: Upload
    target: PresignedUrl | None


@dataclass(frozen=True, slots=True)
class _Checksum:
    algorithm: str
    digest: bytes


class UploadRoutes:
    """Handlers about uploads that take more than one request."""

    def __init__(self, blobs: Blobs, public_url: str | None) -> None:
        """Ask *blobs*; clients reach us at *public_url*, or where they asked."""
        self._blobs = blobs
        self._public_url = public_url

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [*self._of_collection(), *self._of_item()]

    def _of_collection(self) -> list[AnyRoute]:
        return [
            Route(
                method="OPTIONS",
                path="/api/projects/{id}/uploads",
                handler=self.options,
                summary="What this tus server can do",
                tag=TAG,
                body=NoBody,
                query=NoQuery,
                cost=None,
                anonymous=True,
                status=204,
            ),
            Route(
                method="POST",
                path="/api/projects/{id}/uploads",
                handler=self.create,
                summary="Begin an upload",
                description=(
                    "tus 1.0.0: Upload-Length or Upload-Defer-Length, and in Upload-Metadata"
                    " `filename`, `filetype`, `sha256` and `assetType`, all optional; the first"
                    " bytes may come along. With a JSON body instead, an upload by one PUT to a"
                    " presigned address."
                ),
                tag=TAG,
                body=Incoming,
                keyed=False,
                body_model=UploadWanted,
                query=NoQuery,
                cost=LimitClass.CONTENT,
                place=("project", "id"),
                action="blob.upload",
                answer=DirectUpload,
                status=201,
                problems=_PROBLEMS,
                deleted_matters=True,
                body_bytes_max=BLOB_BYTES_MAX,
                media_types=(JSON, OFFSET_TYPE),
            ),
        ]

    def _of_item(self) -> list[AnyRoute]:
        path = "/api/projects/{id}/uploads/{uploadId}"
        return [
            Route(
                method="GET",
                path=path,
                handler=self.show,
                summary="How far an upload is",
                description="A HEAD tells it in Upload-Offset, as tus clients ask.",
                tag=TAG,
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.READ,
                place=("project", "id"),
                action="blob.upload",
                answer=Upload,
                problems=("PRECONDITION_FAILED",),
                deleted_matters=True,
                head=True,
            ),
            Route(
                method="PATCH",
                path=path,
                handler=self.append,
                summary="Send the next bytes of an upload",
                description=(
                    "From Upload-Offset on. What arrived stays when the connection breaks. The"
                    " request with the last byte is answered when all is verified and stored."
                ),
                tag=TAG,
                body=Incoming,
                query=NoQuery,
                cost=LimitClass.CONTENT,
                place=("project", "id"),
                action="blob.upload",
                status=204,
                problems=_PROBLEMS,
                deleted_matters=True,
                body_bytes_max=BLOB_BYTES_MAX,
                media_types=(OFFSET_TYPE,),
            ),
            Route(
                method="DELETE",
                path=path,
                handler=self.cancel,
                summary="Forget an upload",
                description="One that is done stays a file.",
                tag=TAG,
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.WRITE,
                place=("project", "id"),
                action="blob.upload",
                status=204,
                problems=("PRECONDITION_FAILED",),
                deleted_matters=True,
            ),
            Route(
                method="POST",
                path=f"{path}/complete",
                handler=self.complete,
                summary="Verify what was sent to a presigned address",
                description="Only needed when that was the storage's own.",
                tag=TAG,
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.CONTENT,
                place=("project", "id"),
                action="blob.upload",
                answer=Upload,
                problems=STORE_PROBLEMS,
                deleted_matters=True,
            ),
        ]

    async def options(self, _: Call[NoBody]) -> Answer:
        """Tell what this server can do."""
        return Answer(
            204,
            headers={
                **_TUS,
                "Tus-Version": VERSION,
                "Tus-Max-Size": str(BLOB_BYTES_MAX),
                "Tus-Extension": EXTENSIONS,
                "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
            },
        )

    async def create(self, call: Call[Incoming]) -> Answer:
        """Begin an upload of either sort."""
        require_living(call)
        if call.header("tus-resumable") is None and bodies.media_type(call.request) == JSON:
            return await self._create_direct(call)
        if wrong := _wrong_version(call):
            return wrong
        begun = await self._begin(call, _wanted(call))
        upload = begun.upload
        if call.header("content-type") and begun.ticket and call.body.length != 0:
            sent = await self._take(call, begun, 0)
            if isinstance(sent, Answer):
                return sent
            upload = sent
        elif begun.ticket and upload.size == 0:
            upload = await self._blobs.bytes.patch(begun.ticket, given(b""), offset=0, length=0)
        place = f"/api/projects/{call.path['id']}/uploads/{upload.id}"
        return Answer(201, headers={**_state(upload), "Location": place})

    async def _create_direct(self, call: Call[Incoming]) -> Answer:
        asked = bodies.parse_body(UploadWanted, await call.body.whole(REQUEST_BYTES_MAX))
        if not asked.direct:
            raise errors.Invalid("Begin a resumable upload by tus.")
        wanted = BeginUpload(
            upload_id=call.new_id,
            size=asked.size,
            sha256=asked.sha256,
            file_name=asked.file_name,
            media_type=asked.media_type,
            asset_type=asked.asset_type,
            ttl_s=asked.expires_in,
        )
        begun = await self._begin(call, wanted)
        ticket = begun.ticket
        target = presigned(call, ticket, "PUT", self._public_url) if ticket else None
        place = f"/api/projects/{call.path['id']}/uploads/{begun.upload.id}"
        return Answer.json(
            DirectUpload(upload=begun.upload, target=target), 201, {"Location": place}
        )

    async def show(self, call: Call[NoBody]) -> Answer:
        """Tell how far an upload is."""
        require_living(call)
        if call.header("tus-resumable") and (wrong := _wrong_version(call)):
            return wrong
        upload = (await self._find(call)).upload
        headers = {**_state(upload), "Cache-Control": "no-store"}
        if call.request.method == "HEAD":
            return Answer(200, headers=headers)
        return Answer.json(upload, 200, headers)

    async def append(self, call: Call[Incoming]) -> Answer:
        """Take the next bytes."""
        require_living(call)
        if wrong := _wrong_version(call):
            return wrong
        if bodies.media_type(call.request) != OFFSET_TYPE:
            raise errors.Unsupported(f"Send the bytes as {OFFSET_TYPE}.")
        offset = _number(call, "upload-offset")
        if offset is None:
            raise _refused("Upload-Offset", "is required")
        begun = await self._find(call)
        if offset != begun.upload.offset:
            raise errors.Conflict("The upload is at another offset.", offset=begun.upload.offset)
        if begun.ticket is None:
            return Answer(204, headers=_state(begun.upload))
        taken = await self._take(call, begun, offset)
        return taken if isinstance(taken, Answer) else Answer(204, headers=_state(taken))

    async def cancel(self, call: Call[NoBody]) -> Answer:
        """Forget an upload."""
        require_living(call)
        if wrong := _wrong_version(call):
            return wrong
        await self._find(call)
        question = CancelUpload(upload_id=call.path["uploadId"])
        await self._blobs.caller.ask(CANCEL_UPLOAD, question, call.actor, deadline_s=DEADLINE_S)
        return Answer(204, headers=_TUS)

    async def complete(self, call: Call[NoBody]) -> Answer:
        """Verify a direct upload."""
        require_living(call)
        question = CompleteUpload(upload_id=call.path["uploadId"])
        return Answer.json(
            await self._blobs.caller.ask(
                COMPLETE_UPLOAD, question, call.actor, deadline_s=COMPLETE_WAIT_S
            )
        )

    async def _begin(self, call: AnyCall, wanted: BeginUpload) -> Begun:
        return await self._blobs.caller.ask(BEGIN_UPLOAD, wanted, call.actor, deadline_s=DEADLINE_S)

    async def _find(self, call: AnyCall) -> Begun:
        question = FindUpload(upload_id=call.path["uploadId"])
        return await self._blobs.caller.ask(
            FIND_UPLOAD, question, call.actor, deadline_s=DEADLINE_S
        )

    async def _take(self, call: Call[Incoming], begun: Begun, offset: int) -> Upload | Answer:
        """Pass on the bytes of this request; an answer when they are not what they should be."""
        assert begun.ticket is not None
        checksum, length = _checksum(call), call.body.length
        left = None if begun.upload.size is None else begun.upload.size - offset
        if left is not None and length is not None and length > left:
            raise errors.TooLarge("More bytes than the upload still takes.", limitBytes=left)
        body: AsyncGenerator[bytes] = _as_far_as_it_comes(call.body)
        if checksum:
            whole = await call.body.whole(CHECKED_BYTES_MAX)
            found = hashlib.new(checksum.algorithm, whole, usedforsecurity=False).digest()
            if not hmac.compare_digest(found, checksum.digest):
                return _mismatch(call)
            body, length = given(whole), len(whole)
        return await self._blobs.bytes.patch(begun.ticket, body, offset=offset, length=length)


async def _as_far_as_it_comes(body: Incoming) -> AsyncGenerator[bytes]:
    async for part in body.parts():
        yield part


def _wanted(call: Call[Incoming]) -> BeginUpload:
    """Return what a creation asks for.

    Raises:
        Invalid: Its length or metadata cannot be read.
        TooLarge: It would be longer than a blob may be.
    """
    size = _number(call, "upload-length")
    deferred = call.header("upload-defer-length")
    if (size is None) == (deferred is None) or deferred not in (None, "1"):
        raise _refused("Upload-Length", "or Upload-Defer-Length: 1 is required")
    if size is not None and size > BLOB_BYTES_MAX:
        raise errors.TooLarge(limitBytes=BLOB_BYTES_MAX)
    told = _metadata(call.header("upload-metadata") or "")
    try:
        asked = UploadWanted(
            sha256=told.get("sha256") or None,
            file_name=(told.get("filename") or told.get("name") or None),
            media_type=(told.get("filetype") or told.get("type") or "")[:127] or None,
            asset_type=AssetType(told.get("assetType") or AssetType.ATTACHMENT),
        )
    except ValidationError as error:
        raise bodies.invalid("header.Upload-Metadata", error) from None
    except ValueError:
        raise _refused("Upload-Metadata", "assetType: is not known") from None
    return BeginUpload(
        upload_id=call.new_id,
        size=size,
        sha256=asked.sha256,
        file_name=asked.file_name,
        media_type=asked.media_type,
        asset_type=asked.asset_type,
        resumable=True,
    )


def _metadata(header: str) -> Mapping[str, str]:
    """Return the pairs of an Upload-Metadata header; the values are base64.

    Raises:
        Invalid: It is none.
    """
    if len(header) > METADATA_CHARS_MAX:
        raise _refused("Upload-Metadata", "is too long")
    found: dict[str, str] = {}
    for pair in filter(None, (each.strip() for each in header.split(","))):
        name, _, value = pair.partition(" ")
        try:
            found[name] = b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise _refused("Upload-Metadata", f"{name[:40]!r}: is no base64 of UTF-8") from None
    return found


def _number(call: AnyCall, name: str) -> int | None:
    text = call.header(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise _refused(name.title(), "is a number of bytes")
    return int(text)


def _checksum(call: AnyCall) -> _Checksum | None:
    header = call.header("upload-checksum")
    if header is None:
        return None
    algorithm, _, text = header.partition(" ")
    try:
        digest = b64decode(text.strip(), validate=True)
    except binascii.Error:
        digest = b""
    if algorithm not in ALGORITHMS or not digest:
        raise _refused("Upload-Checksum", f"is an algorithm of {', '.join(ALGORITHMS)} and base64")
    return _Checksum(algorithm, digest)


def _wrong_version(call: AnyCall) -> Answer | None:
    if call.header("tus-resumable") == VERSION:
        return None
    refusal = errors.PreconditionFailed(f"Tus-Resumable must be {VERSION}.")
    document = problem(refusal.code, refusal.detail, {}, instance=call.request.scope["path"])
    if call.request.method == "HEAD":
        return Answer(412, headers={"Tus-Version": VERSION})
    answer = Answer.json(document, 412, {**_TUS, "Tus-Version": VERSION})
    return Answer(412, answer.body, MEDIA_TYPE, answer.headers)


def _mismatch(call: AnyCall) -> Answer:
    refusal = errors.ContentMismatch("The bytes do not have the checksum that was sent with them.")
    document = problem(refusal.code, refusal.detail, {}, instance=call.request.scope["path"])
    answer = Answer.json(document | {"status": CHECKSUM_MISMATCH}, CHECKSUM_MISMATCH, _TUS)
    return Answer(CHECKSUM_MISMATCH, answer.body, MEDIA_TYPE, answer.headers)


def _state(upload: Upload) -> dict[str, str]:
    """Return the headers that tell how far an upload is."""
    headers = {
        **_TUS,
        "Upload-Offset": str(upload.offset),
        "Upload-Expires": format_datetime(upload.expires_at.astimezone(UTC), usegmt=True),
    }
    if upload.size is None:
        headers["Upload-Defer-Length"] = "1"
    else:
        headers["Upload-Length"] = str(upload.size)
    if upload.blob:
        headers["Scriptorium-Sha256"] = upload.blob.sha256
    return headers


def _refused(header: str, detail: str) -> errors.Invalid:
    return errors.Invalid(errors=[{"field": f"header.{header}", "detail": detail}])
