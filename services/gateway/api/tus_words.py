"""The words of tus 1.0.0: what its headers say, and what is said in them."""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC
from email.utils import format_datetime
from typing import Annotated

from pydantic import Field, ValidationError

from libs import errors
from libs.contracts.blobs.transfers import (
    CHECKSUM_ALGORITHMS,
    METADATA_CHARS_MAX,
    URL_TTL_S_DEFAULT,
    AssetType,
    BeginUpload,
    Upload,
    UrlTtl,
)
from libs.contracts.values import BLOB_BYTES_MAX, Sha256, Size
from libs.contracts.wire import Wire
from services.gateway.api.blobs import NameOfFile
from services.gateway.http import bodies
from services.gateway.http.incoming import Incoming
from services.gateway.http.problems import MEDIA_TYPE, problem
from services.gateway.http.route import Answer, AnyCall, Call

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,checksum,termination,expiration"
OFFSET_TYPE = "application/offset+octet-stream"
RETRY_AFTER_S = 2
CHECKSUM_MISMATCH = 460
"""tus has a status of its own for this."""

TUS = {"Tus-Resumable": VERSION}
OFFERED = {
    **TUS,
    "Tus-Version": VERSION,
    "Tus-Max-Size": str(BLOB_BYTES_MAX),
    "Tus-Extension": EXTENSIONS,
    "Tus-Checksum-Algorithm": ",".join(CHECKSUM_ALGORITHMS),
}
"""Extensions of tus that this server has, as OPTIONS lists them."""
ALWAYS = {**TUS, "Cache-Control": "no-store"}
"""Of every answer about an upload: what it tells is old the next moment."""
OVERRIDE = "x-http-method-override"


_KNOWN = frozenset({"filename", "name", "filetype", "type", "sha256", "assetType"})


class UploadWanted(Wire):
    """An upload past us: its bytes are sent in one PUT to the address in the answer."""

    direct: bool = True
    size: Size | None = None
    sha256: Sha256 | None = None
    file_name: NameOfFile | None = None
    media_type: Annotated[str | None, Field(max_length=127, min_length=1)] = None
    asset_type: AssetType = AssetType.ATTACHMENT
    expires_in: UrlTtl = URL_TTL_S_DEFAULT


def wanted(call: Call[Incoming]) -> BeginUpload:
    """Return what a creation asks for.

    Raises:
        Invalid: Its length or metadata cannot be read, or it asks for what is not offered here.
        TooLarge: It would be longer than a blob may be.
        Unsupported: Bytes come along that do not say what they are.
    """
    require_offered(call)
    if has_body(call):
        require_bytes_type(call)
    size = number(call, "upload-length")
    deferred = call.header("upload-defer-length")
    if (size is None) == (deferred is None) or deferred not in (None, "1"):
        raise refused("Upload-Length", "or Upload-Defer-Length: 1 is required")
    if size is not None and size > BLOB_BYTES_MAX:
        raise errors.TooLarge(limitBytes=BLOB_BYTES_MAX)
    metadata = call.header("upload-metadata") or None
    told = _metadata(metadata or "")
    try:
        asked = UploadWanted(
            sha256=told.get("sha256") or None,
            file_name=told.get("filename") or told.get("name") or None,
            media_type=(told.get("filetype") or told.get("type") or "")[:127] or None,
            asset_type=AssetType(told.get("assetType") or AssetType.ATTACHMENT),
        )
    except ValidationError as error:
        raise bodies.invalid("header.Upload-Metadata", error) from None
    except ValueError:
        raise refused("Upload-Metadata", "assetType: is not known") from None
    return BeginUpload(
        upload_id=call.new_id,
        size=size,
        sha256=asked.sha256,
        file_name=asked.file_name,
        media_type=asked.media_type,
        asset_type=asked.asset_type,
        resumable=True,
        metadata=metadata,
    )


def require_offered(call: AnyCall) -> None:
    """Accept a request that asks for nothing that this server does not do.

    Raises:
        Invalid: It belongs to an extension that is not in EXTENSIONS. Doing without would look like
            success to whoever asked.
    """
    if call.header("upload-concat") is not None:
        raise refused("Upload-Concat", "is of an extension that is not offered here")
    trailers = (call.header("trailer") or "").lower().split(",")
    if "upload-checksum" in (each.strip() for each in trailers):
        raise refused("Trailer", "is of an extension that is not offered here")


def has_body(call: Call[Incoming]) -> bool:
    """Return whether bytes come with a request."""
    return bool(call.body.length) or call.header("transfer-encoding") is not None


def require_bytes_type(call: AnyCall) -> None:
    """Accept a request whose body is the next bytes of an upload.

    Raises:
        Unsupported: It says that it is something else, or nothing.
    """
    if bodies.media_type(call.request) != OFFSET_TYPE:
        raise errors.Unsupported(f"Send the bytes as {OFFSET_TYPE}.")


def _metadata(header: str) -> Mapping[str, str]:
    """Return the pairs of an Upload-Metadata header that are known here; the values are base64.

    Other pairs may have any bytes: they are only told again.

    Raises:
        Invalid: It is none.
    """
    if len(header) > METADATA_CHARS_MAX:
        raise refused("Upload-Metadata", "is too long")
    if not (header.isascii() and header.isprintable()):
        raise refused("Upload-Metadata", "has other characters than printable ASCII")
    found: dict[str, str] = {}
    names: set[str] = set()
    for pair in filter(None, (each.strip() for each in header.split(","))):
        name, _, value = pair.partition(" ")
        if name in names:
            raise refused("Upload-Metadata", f"{name[:40]!r}: is there twice")
        names.add(name)
        try:
            plain = b64decode(value.strip(), validate=True)
            if name in _KNOWN:
                found[name] = plain.decode()
        except (binascii.Error, UnicodeDecodeError):
            raise refused("Upload-Metadata", f"{name[:40]!r}: is no base64 of UTF-8") from None
    return found


def number(call: AnyCall, name: str) -> int | None:
    """Return the number of bytes in a header, if it is there.

    Raises:
        Invalid: It is none.
    """
    text = call.header(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise refused(name.title(), "is a number of bytes")
    return int(text)


def checksum(call: AnyCall) -> str | None:
    """Return what a request says its bytes are, if it does, in the form that blobs compares.

    Raises:
        Invalid: It cannot be read, or is of an algorithm that is not known here.
    """
    header = call.header("upload-checksum")
    if header is None:
        return None
    algorithm, _, text = header.partition(" ")
    try:
        digest = b64decode(text.strip(), validate=True)
    except binascii.Error:
        digest = b""
    if algorithm not in CHECKSUM_ALGORITHMS or not digest:
        known = ", ".join(CHECKSUM_ALGORITHMS)
        raise refused("Upload-Checksum", f"is an algorithm of {known} and base64")
    return f"{algorithm} {b64encode(digest).decode()}"


def wrong_version(call: AnyCall) -> Answer | None:
    """Return the answer to a request of another version of tus; None when it is ours."""
    if call.header("tus-resumable") == VERSION:
        return None
    refusal = errors.PreconditionFailed(f"Tus-Resumable must be {VERSION}.")
    document = problem(refusal.code, refusal.detail, {}, instance=call.request.scope["path"])
    if call.request.method == "HEAD":
        return Answer(412, media_type=MEDIA_TYPE, headers={"Tus-Version": VERSION})
    answer = Answer.json(document, 412, {**TUS, "Tus-Version": VERSION})
    return Answer(412, answer.body, MEDIA_TYPE, answer.headers)


def answer(call: AnyCall, refusal: errors.AppError) -> Answer:
    """Return the answer to bytes that do not have the checksum that was sent with them.

    Raises:
        AppError: It is another refusal, which is told as everywhere.
    """
    if not isinstance(refusal, errors.ContentMismatch) or "checksum" not in refusal.data:
        raise refusal
    document = problem(refusal.code, refusal.detail, {}, instance=call.request.scope["path"])
    answer = Answer.json(document | {"status": CHECKSUM_MISMATCH}, CHECKSUM_MISMATCH, TUS)
    return Answer(CHECKSUM_MISMATCH, answer.body, MEDIA_TYPE, answer.headers)


def state(upload: Upload) -> dict[str, str]:
    """Return the headers that tell how far an upload is.

    Raises:
        UploadUnfinished: All of it is here and nothing has become of it: clients would take the
            offset for success.
    """
    if upload.is_received and upload.blob is None:
        raise errors.UploadUnfinished(retryAfterS=RETRY_AFTER_S)
    headers = {
        **TUS,
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


def refused(header: str, detail: str) -> errors.Invalid:
    """Return what to raise about a header."""
    return errors.Invalid(errors=[{"field": f"header.{header}", "detail": detail}])
