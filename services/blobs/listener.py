"""The listener for bytes: one address, which believes tickets alone.

    PUT   all bytes of an upload                                     -> 200 Upload
    PATCH the next bytes from `Upload-Offset`                        -> 200 Upload
    GET   a blob or a range of it                                    -> 200, 206, 304, 416
    HEAD  the headers of GET for the whole blob                      -> 200, 304

Failures are `{"code", "detail", "data"}`, as on the bus; a 202 says that the blob is on its way
from the cold tier, and when to retry. A failure after the first byte ends the connection.
"""

from contextlib import aclosing
from uuid import UUID

import structlog

from libs import errors
from libs.contracts.blobs.transfers import BlobState
from libs.postgres import is_full
from services.blobs import metrics
from services.blobs.messages import Answer, Message, Receive, Request, Send
from services.blobs.model.media import content_type, disposition, is_inline
from services.blobs.model.ranges import parse_range
from services.blobs.model.tickets import Grant, Op
from services.blobs.reading import RETURN_S, Reading
from services.blobs.store import Row, Store, blob_of, require_bytes
from services.blobs.tickets import Tickets
from services.blobs.uploads import Uploads

log = structlog.get_logger(__name__)

PATH = "/bytes"
TRANSFERS_MAX = 256
"""Transfers of a process at once; each holds a few frames."""
_METHODS = {"PUT": Op.PUT, "PATCH": Op.PATCH, "GET": Op.GET, "HEAD": Op.GET}


class Listener:
    """An ASGI application."""

    def __init__(self, store: Store, uploads: Uploads, reading: Reading, tickets: Tickets) -> None:
        """Move bytes as *tickets* allow."""
        self._store = store
        self._uploads = uploads
        self._reading = reading
        self._tickets = tickets
        self._under_way = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        answer = Answer(send)
        op = _METHODS.get(scope["method"])
        if scope["path"] != PATH or op is None:
            await answer.fail(errors.NotFound("There is no such address."))
            return
        if self._under_way >= TRANSFERS_MAX:
            await answer.fail(errors.Unavailable("Too many transfers are under way; try again."))
            return
        self._under_way += 1
        request = Request(scope, receive)
        try:
            with metrics.transfers.labels(op).track_inprogress():
                await self._move(op, request, answer)
        except errors.AppError as failure:
            await request.drop_rest()
            await answer.fail(errors.StorageFull() if is_full(failure) else failure)
        except (ConnectionError, TimeoutError):
            # The client is gone or stalled, so no answer can be sent.
            log.info("transfer broken off", op=op)
        except Exception as error:
            if is_full(error):
                log.warning("the disk of the database is full", op=op)
                await answer.fail(errors.StorageFull())
            else:
                log.exception("transfer failed", op=op)
                await answer.fail(errors.Internal())
        finally:
            self._under_way -= 1

    async def _move(self, op: Op, request: "Request", answer: "Answer") -> None:
        grant = await self._tickets.read(request.ticket())
        if grant.op is not op:
            raise errors.Forbidden("This ticket is for another operation.")
        if op is Op.GET:
            await self._get(grant, request, answer)
            return
        async with aclosing(request.body()) as body:
            subject = UUID(grant.subject)
            if op is Op.PUT:
                upload = await self._uploads.put(grant.project_id, subject, body)
            else:
                upload = await self._uploads.patch(
                    grant.project_id,
                    subject,
                    request.offset(),
                    body,
                    checksum=request.checksum(),
                    size=request.length(),
                )
        await answer.tell(200, upload, offset=upload.offset)

    async def _get(self, grant: Grant, request: "Request", answer: "Answer") -> None:
        row = require_bytes(await self._store.blob(grant.project_id, grant.subject))
        if row["state"] in {BlobState.ARCHIVED, BlobState.RESTORING}:
            await self._store.ask_return(grant.project_id, grant.subject)
            await answer.tell(202, blob_of(row), retry_after_s=RETURN_S)
            return
        headers = _headers(row, grant)
        if request.knows(headers["etag"]):
            await answer.start(304, headers)
            await answer.end()
            return
        # Only a GET has ranges (RFC 9110, 14.2).
        asked = None if request.is_head else request.range(headers["etag"])
        wanted = parse_range(asked, row["size"])
        start, length = wanted or (0, row["size"])
        headers["content-length"] = str(length)
        if wanted:
            headers["content-range"] = f"bytes {start}-{start + length - 1}/{row['size']}"
        status = 206 if wanted else 200
        if request.is_head:
            await answer.start(status, headers)
            await answer.end()
            return
        async with aclosing(self._reading.frames(row, start, length)) as frames:
            # Headers only when the first frame is there and verified: until then we can still say.
            first = await anext(frames, b"")
            await answer.start(status, headers)
            await answer.send(first)
            async for plain in frames:
                await answer.send(plain)
        await answer.end()


def _headers(row: Row, grant: Grant) -> dict[str, str]:
    media_type = row["media_type"]
    inline = grant.inline and is_inline(media_type)
    return {
        "etag": f'"{row["sha256"]}"',
        "content-type": content_type(media_type, row["charset"]),
        "content-disposition": disposition(grant.file_name, inline=inline),
        "accept-ranges": "bytes",
        # Kept by the client alone, and asked about each time, for rights may change.
        "cache-control": "private, no-cache",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "cross-origin-resource-policy": "same-site",
    }
