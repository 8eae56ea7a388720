"""Blobs of a project: sent and fetched whole or in ranges, and addresses that need no token."""

import binascii
import re
from base64 import b64decode
from datetime import datetime
from functools import partial
from typing import Annotated

from pydantic import Field, StringConstraints

from libs import errors
from libs.contracts import names
from libs.contracts.blobs.transfers import (
    FILE_NAME_CHARS_MAX,
    MEDIA_TYPE_CHARS_MAX,
    OPEN_BLOB,
    READ_USAGE,
    STAT_BLOB,
    URL_TTL_S_DEFAULT,
    AssetType,
    BeginUpload,
    Blob,
    OpenBlob,
    Ticket,
    UrlTtl,
    Usage,
)
from libs.contracts.values import BLOB_BYTES_MAX, Sha256
from libs.contracts.wire import Wire
from services.gateway.access.limits import LimitClass
from services.gateway.http import bodies
from services.gateway.http.blob_tickets import DEADLINE_S, Blobs, not_yet
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.incoming import Incoming
from services.gateway.http.route import (
    Answer,
    AnyCall,
    AnyRoute,
    Call,
    NoBody,
    NoQuery,
    Query,
    Route,
)

TAG = "Blobs"
ANY = "*/*"
OCTETS = "application/octet-stream"
FORM = "multipart/form-data"
NOT_SAID = "application/x-www-form-urlencoded"
"""The media type that curl sends for any file by default."""
SHA256 = "[0-9a-f]{64}"
READ_PROBLEMS = ("BLOB_UNAVAILABLE", "BLOB_DAMAGED", "RANGE_NOT_SATISFIABLE")
STORE_PROBLEMS = (
    "CONTENT_MISMATCH",
    "QUOTA_EXCEEDED",
    "STORAGE_FULL",
    "CONFLICT",
    "LIMIT_REACHED",
)
RANGE_NOTE = (
    "One range of bytes is answered with 206. The ETag is the SHA-256. What a browser could run is"
    " always sent as an attachment."
)
WAIT_NOTE = "202 with Retry-After while it comes back from the archive."
READ_HEADERS = {
    "Content-Disposition": "Whether to show or to save it, and under which name.",
    "Accept-Ranges": "bytes",
}

_DIGEST = re.compile(r"(?:^|,)\s*sha-256\s*=\s*:([A-Za-z0-9+/=]{1,100}):")

NameOfFile = Annotated[
    str, StringConstraints(min_length=1, max_length=FILE_NAME_CHARS_MAX, pattern=names.PATTERN)
]


class Shown(Query):
    """Under which name, and whether a browser may show it instead of saving it."""

    file_name: NameOfFile | None = None
    inline: bool = False


class Sent(Query):
    """The bytes that are being sent; they are refused when they do not match the checksum."""

    file_name: NameOfFile | None = None
    sha256: Sha256 | None = None
    asset_type: AssetType = AssetType.ATTACHMENT


class UrlWanted(Wire):
    """For how many seconds, and as `fileName` and `inline` of a download."""

    expires_in: UrlTtl = URL_TTL_S_DEFAULT
    file_name: NameOfFile | None = None
    inline: bool = False


class PresignedUrl(Wire):
    """An address good for `method` until `expiresAt`; whoever has it needs nothing else."""

    method: str
    url: str
    expires_at: datetime


class ProjectUsage(Wire):
    """The storage of a project: plain bytes counted once per blob, and bytes in storage."""

    total_bytes: Annotated[int, Field(alias="bytes")]
    stored_bytes: int
    blobs: int
    quota_bytes: int | None


class BlobRoutes:
    """Handlers about blobs."""

    def __init__(self, blobs: Blobs, public_url: str | None) -> None:
        """Ask *blobs*; clients reach us at *public_url*, or where they asked."""
        self._blobs = blobs
        self._public_url = public_url

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [*self._bytes(), *self._about()]

    def _bytes(self) -> list[AnyRoute]:
        return [
            Route(
                method="POST",
                path="/api/projects/{id}/blobs",
                handler=self.send,
                summary="Store a file",
                description=(
                    "The body is the file itself, under any media type. `sha256`, or Repr-Digest"
                    " (RFC 9530), says what it must be. 201 when it is new, 200 when the project"
                    " has it already. Sent twice, it is stored once."
                ),
                tag=TAG,
                body=Incoming,
                keyed=False,
                query=Sent,
                cost=LimitClass.CONTENT,
                place=("project", "id"),
                action="blob.upload",
                answer=Blob,
                status=201,
                problems=STORE_PROBLEMS,
                body_bytes_max=BLOB_BYTES_MAX,
                media_types=(OCTETS, ANY),
            ),
            Route(
                method="GET",
                path="/api/projects/{id}/blobs/{sha256}",
                handler=self.fetch,
                summary="Fetch a file",
                description=(
                    f"{RANGE_NOTE} {WAIT_NOTE} 410 with what is known of it when its bytes were"
                    " collected."
                ),
                tag=TAG,
                body=NoBody,
                query=Shown,
                cost=LimitClass.CONTENT,
                place=("project", "id"),
                action="blob.read",
                problems=READ_PROBLEMS,
                etag=True,
                answer_media_types=(ANY,),
                answer_headers=READ_HEADERS,
                also=(206,),
                waits=Blob,
                texts={"sha256": SHA256},
                head=True,
            ),
        ]

    def _about(self) -> list[AnyRoute]:
        return [
            Route(
                method="POST",
                path="/api/projects/{id}/blobs/{sha256}/url",
                handler=self.presign,
                summary="Make an address for a download",
                description=(
                    f"Good without a token until it ends, an hour by default. {WAIT_NOTE}"
                ),
                tag=TAG,
                body=UrlWanted,
                query=NoQuery,
                cost=LimitClass.READ,
                place=("project", "id"),
                action="blob.read",
                answer=PresignedUrl,
                status=201,
                waits=Blob,
                problems=("BLOB_UNAVAILABLE", "BLOB_DAMAGED"),
                texts={"sha256": SHA256},
            ),
        ]

    async def send(self, call: Call[Incoming, Sent]) -> Answer:
        """Store a file."""
        upload = await self._blobs.store(sent(call), call.body.parts(), call.actor)
        assert upload.blob is not None
        place = f"/api/projects/{call.path['id']}/blobs/{upload.blob.sha256}"
        status = 200 if upload.deduplicated else 201
        return Answer.json(upload.blob, status, {"Location": place})

    async def fetch(self, call: Call[NoBody, Shown]) -> Answer:
        """Fetch a file."""
        return await self._blobs.read(
            call,
            call.texts["sha256"],
            file_name=call.query.file_name,
            inline=call.query.inline,
        )

    async def presign(self, call: Call[UrlWanted]) -> Answer:
        """Make an address for a download."""
        question = OpenBlob(
            sha256=call.texts["sha256"],
            file_name=call.body.file_name,
            inline=call.body.inline,
            presign=True,
            ttl_s=call.body.expires_in,
        )
        opened = await self._blobs.caller.ask(
            OPEN_BLOB, question, call.actor, deadline_s=DEADLINE_S
        )
        if opened.ticket is None:
            return not_yet(opened)
        shown = presigned(call, opened.ticket, "GET", self._public_url)
        return Answer.json(shown, 201, {"Location": shown.url})


async def _usage(_: Context, _call: AnyCall, found: Usage) -> ProjectUsage:
    return ProjectUsage(
        total_bytes=found.bytes_,
        stored_bytes=found.stored_bytes,
        blobs=found.blobs,
        quota_bytes=found.quota_bytes,
    )


_row = partial(Endpoint, tag=TAG, cost=LimitClass.READ, place="project", action="blob.read")

ENDPOINTS = (
    _row(
        "GET",
        "/api/projects/{id}/blobs/{sha256}/metadata",
        STAT_BLOB,
        summary="What is known of a file",
        description="Also of one whose bytes were collected.",
        texts={"sha256": SHA256},
    ),
    _row(
        "GET",
        "/api/projects/{id}/usage",
        READ_USAGE,
        summary="How much a project keeps",
        show=_usage,
        answer=ProjectUsage,
    ),
)


def sent[Q: Sent](call: Call[Incoming, Q]) -> BeginUpload:
    """Return the upload that a request with the bytes themselves asks for.

    Raises:
        Invalid: Its checksum cannot be read, or it names two.
        Unsupported: It is a form, or compressed on its way.
    """
    bodies.require_plain(call.request)
    media_type = bodies.media_type(call.request)
    if media_type == FORM:
        raise errors.Unsupported("Send the file itself, without a form around it.")
    if media_type == NOT_SAID:
        media_type = ""
    return BeginUpload(
        upload_id=call.new_id,
        size=call.body.length,
        sha256=_checksum(call),
        file_name=call.query.file_name,
        media_type=media_type if 0 < len(media_type) <= MEDIA_TYPE_CHARS_MAX else None,
        asset_type=call.query.asset_type,
    )


def presigned(call: AnyCall, ticket: Ticket, method: str, public_url: str | None) -> PresignedUrl:
    """Return the address that a ticket is good at: the storage's own, or ours."""
    base = public_url or str(call.request.base_url)
    url = ticket.direct_url or f"{base.rstrip('/')}/files/{ticket.ticket}"
    return PresignedUrl(method=method, url=url, expires_at=ticket.expires_at)


def _checksum[Q: Sent](call: Call[Incoming, Q]) -> str | None:
    header = call.header("repr-digest") or call.header("content-digest")
    found = _DIGEST.search(header) if header else None
    try:
        told = b64decode(found[1], validate=True).hex() if found else None
    except binascii.Error:
        told = ""
    if told is not None and (len(told) != 64 or call.query.sha256 not in (None, told)):
        detail = "is no SHA-256" if len(told) != 64 else "is another than sha256"
        raise errors.Invalid(errors=[{"field": "header.Repr-Digest", "detail": detail}])
    return told or call.query.sha256
