"""Requests and answers of the listener for bytes, in ASGI's words."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import aclosing, suppress
from typing import Any

import structlog

from libs import errors
from services.blobs.model.checksums import Checksum

log = structlog.get_logger(__name__)

UNREAD_BYTES_MAX = 16 << 20
UNREAD_S_MAX = 2.0
"""Read and dropped of a body that is refused: a client that is cut off while it sends may never see
why."""
IDLE_S_MAX = 60.0
"""Time in which a client must send or take something."""
RETRY_AFTER_S = 1

type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]

_STATUS = {
    "VALIDATION_FAILED": 400,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "CONFLICT": 409,
    "CONCURRENCY_CONFLICT": 409,
    "LIMIT_REACHED": 409,
    "GONE": 410,
    "BLOB_UNAVAILABLE": 410,
    "TOO_LARGE": 413,
    "RANGE_NOT_SATISFIABLE": 416,
    "CONTENT_MISMATCH": 422,
    "UPLOAD_UNFINISHED": 423,
    "RATE_LIMITED": 429,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 503,
    "QUOTA_EXCEEDED": 507,
    "STORAGE_FULL": 507,
}


class Request:
    """One request and its body."""

    def __init__(self, scope: Message, receive: Receive) -> None:
        """Read what *scope* says; the body comes by *receive*."""
        self.is_head = scope["method"] == "HEAD"
        self._headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        self._receive = receive
        self._has_more = True

    def ticket(self) -> str:
        """Return the ticket; raises errors.Forbidden when there is none."""
        kind, _, ticket = self._headers.get("authorization", "").partition(" ")
        if kind.lower() != "ticket" or not ticket:
            raise errors.Forbidden("A ticket is needed here.")
        return ticket.strip()

    def offset(self) -> int:
        """Return `Upload-Offset`; raises errors.Invalid when it is no number."""
        offset = self._number("upload-offset")
        if offset is None:
            raise errors.Invalid(errors=[{"field": "Upload-Offset", "detail": "is required"}])
        return offset

    def length(self) -> int | None:
        """Return `Upload-Length`, if it is sent; raises errors.Invalid when it is no number."""
        return self._number("upload-length")

    def checksum(self) -> Checksum | None:
        """Return `Upload-Checksum`, if it is sent; raises errors.Invalid when it is none."""
        header = self._headers.get("upload-checksum")
        return None if header is None else Checksum(header)

    def knows(self, etag: str) -> bool:
        """Return whether the client has this already."""
        known = self._headers.get("if-none-match")
        if known is None:
            return False
        return known.strip() == "*" or etag in {
            each.strip().removeprefix("W/") for each in known.split(",")
        }

    def _number(self, name: str) -> int | None:
        text = self._headers.get(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) < 19):
            detail = "is no number of bytes"
            raise errors.Invalid(errors=[{"field": name.title(), "detail": detail}])
        return int(text)

    def range(self, etag: str) -> str | None:
        """Return the range that is asked for, unless it is one of something else."""
        if self._headers.get("if-range", etag) != etag:
            return None
        return self._headers.get("range")

    async def body(self) -> AsyncGenerator[bytes]:
        """Yield what comes.

        Raises:
            ConnectionError: It ended early, or the client sent nothing for IDLE_S_MAX.
        """
        while self._has_more:
            try:
                async with asyncio.timeout(IDLE_S_MAX):
                    message = await self._receive()
            except TimeoutError:
                raise ConnectionError from None
            if message["type"] == "http.disconnect":
                raise ConnectionError
            self._has_more = message.get("more_body", False)
            if chunk := message.get("body"):
                yield chunk

    async def drop_rest(self) -> None:
        """Read what is left of the body, within limits; never raises."""
        left = UNREAD_BYTES_MAX
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(UNREAD_S_MAX), aclosing(self.body()) as rest:
                async for chunk in rest:
                    left -= len(chunk)
                    if left < 0:
                        return


class Answer:
    """The answer to one request."""

    def __init__(self, send: Send) -> None:
        """Answer by *send*."""
        self._send = send
        self._started = False

    async def start(self, status: int, headers: dict[str, str]) -> None:
        """Send status and headers."""
        self._started = True
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def send(self, data: bytes) -> None:
        """Send *data*; raises TimeoutError when the client takes nothing for IDLE_S_MAX."""
        async with asyncio.timeout(IDLE_S_MAX):
            await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """Send the last of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def tell(
        self,
        status: int,
        what: Any,
        *,
        offset: int | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        """Answer with something of the contract."""
        headers = {"content-type": "application/json"}
        if retry_after_s is not None:
            headers["retry-after"] = str(retry_after_s)
        if offset is not None:
            headers["upload-offset"] = str(offset)
        await self._tell(status, what.to_wire(), headers)

    async def fail(self, failure: errors.AppError) -> None:
        """Tell of a failure; behind the first byte only the end of the connection can."""
        if self._started:
            log.warning("answer truncated", code=failure.code)
            return
        headers = {"content-type": "application/json", "connection": "close"}
        if failure.code in {"UNAVAILABLE", "RATE_LIMITED", "UPLOAD_UNFINISHED"}:
            headers["retry-after"] = str(failure.data.get("retryAfterS", RETRY_AFTER_S))
        if failure.code == "RANGE_NOT_SATISFIABLE":
            headers["content-range"] = f"bytes */{failure.data.get('size', '*')}"
        said = {"code": failure.code, "detail": failure.detail, "data": failure.data}
        body = json.dumps(said, default=str).encode()
        await self._tell(_STATUS.get(failure.code, 500), body, headers)

    async def _tell(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        await self.start(status, headers | {"content-length": str(len(body))})
        await self.end(body)
