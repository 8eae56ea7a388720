"""Carries bytes between clients and the blobs service, as tickets allow; never holds many.

Both ways run at the pace of the slower side: what one does not take the other is not asked for.
"""

import json
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Literal, cast

import httpx
import structlog

from libs import errors
from libs.contracts.blobs.transfers import Ticket, Upload
from services.gateway.http.route import Answer, Cut, Streamed

log = structlog.get_logger(__name__)

CONNECTIONS_MAX = 512
"""Bytes under way through one gateway; whoever comes then is told to come again."""
LISTENERS_MAX = 16
"""How many are remembered."""
CONNECT_WAIT_S = 2.0
POOL_WAIT_S = 10.0
SILENCE_S_MAX = 60.0
"""How long either side may take or give nothing."""
STORING_S_MAX = 900.0
"""Until all of an upload is verified and stored, after its last byte."""
FAILURE_BYTES_MAX = 64 << 10

RANGES = ("range", "if-range")
READ_HEADERS = (*RANGES, "if-none-match")
_BY_STATUS: Mapping[int, type[errors.AppError]] = {
    400: errors.Invalid,
    403: errors.Forbidden,
    404: errors.NotFound,
    410: errors.BlobUnavailable,
    416: errors.RangeNotSatisfiable,
}
"""Errors for refusals of blobs that have no body."""
_PASSED = (
    "accept-ranges",
    "content-disposition",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
    "repr-digest",
    "retry-after",
)
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"
"""For bytes that anybody may have written: shown by a browser they can do nothing."""


class Bytes:
    """Speaks with the byte listeners of blobs."""

    def __init__(self, address: str | None = None) -> None:
        """Send a request with its own ticket to *address*, or to the replica named by an answer."""
        self._known = OrderedDict[str, None].fromkeys([address] if address else [])
        self._web = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=32),
            timeout=_timeout(SILENCE_S_MAX),
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """End all connections."""
        await self._web.aclose()

    def ticket(self, text: str) -> Ticket:
        """Return a ticket that a client brought.

        Raises:
            Unavailable: It is not known yet where to go with it.
        """
        if not self._known:
            raise errors.Unavailable("The blobs service is away.")
        # Nobody looks at its end but blobs.
        return Ticket(ticket=text, url=next(iter(self._known)), expires_at=datetime.now(UTC))

    async def put(
        self, ticket: Ticket, body: AsyncIterable[bytes], *, length: int | None
    ) -> Upload:
        """Send all bytes of an upload.

        Raises:
            AppError: What blobs refused it for, or what went wrong with *body*.
            Unavailable: Blobs is away; nothing was stored.
        """
        return await self._send("PUT", ticket, body, {}, length)

    async def patch(
        self,
        ticket: Ticket,
        body: AsyncIterable[bytes],
        *,
        offset: int,
        length: int | None,
        checksum: str | None = None,
        size: int | None = None,
    ) -> Upload:
        """Send the next bytes of a resumable upload, as `put` does; what arrived stays.

        With a *checksum*, an algorithm and base64, all of it or nothing does. With a *size* that is
        how many bytes the whole upload will have.

        Raises:
            UploadUnfinished: All bytes are there, and it takes longer to make them a blob.
            ContentMismatch: They do not have it; `checksum` is in its data.
        """
        headers = {"Upload-Offset": str(offset)}
        if checksum is not None:
            headers["Upload-Checksum"] = checksum
        if size is not None:
            headers["Upload-Length"] = str(size)
        return await self._send("PATCH", ticket, body, headers, length)

    async def read(
        self, ticket: Ticket, method: Literal["GET", "HEAD"], headers: Mapping[str, str]
    ) -> Answer:
        """Return an answer that streams a blob, or the range that *headers* ask for.

        Raises:
            AppError: What blobs refused it for.
            Unavailable: Blobs is away.
        """
        if method == "HEAD":
            # Only a GET has ranges (RFC 9110, 14.2).
            headers = {name: value for name, value in headers.items() if name not in RANGES}
        response = await self._ask(method, ticket, headers)
        try:
            await _require_good(response)
        except BaseException:
            await response.aclose()
            raise
        passed = {name: response.headers[name] for name in _PASSED if name in response.headers}
        passed["content-security-policy"] = SANDBOX
        media_type = passed.get("content-type", "application/octet-stream")
        if method == "HEAD" or response.status_code in (204, 304):
            await response.aclose()
            return Answer(response.status_code, media_type=media_type, headers=passed)
        stream = Streamed(_Download(response), None, SILENCE_S_MAX)
        return Answer(response.status_code, media_type=media_type, headers=passed, stream=stream)

    async def head(self, ticket: Ticket, length: int) -> bytes:
        """Return the first *length* bytes of a blob, or all when it is shorter.

        Raises:
            AppError: What blobs refused it for.
            Unavailable: Blobs is away.
        """
        wanted = {"range": f"bytes=0-{length - 1}"}
        answer = await self.read(ticket, "GET", wanted)
        assert answer.stream is not None
        found = bytearray()
        async with aclosing(answer.stream.source) as parts:
            try:
                async for part in parts:
                    found += part
                    if len(found) >= length:
                        break
            except Cut as error:
                raise errors.Unavailable("The blobs service is away.") from error
        return bytes(found[:length])

    async def _send(
        self,
        method: str,
        ticket: Ticket,
        body: AsyncIterable[bytes],
        headers: Mapping[str, str],
        length: int | None,
    ) -> Upload:
        framing = {} if length is None else {"Content-Length": str(length)}
        response = await self._ask(
            method, ticket, {**framing, **headers}, body=body, read_s=STORING_S_MAX
        )
        async with aclosing(response):
            await _require_good(response)
            return Upload.model_validate_json(await _small(response), extra="ignore")

    async def _ask(
        self,
        method: str,
        ticket: Ticket,
        headers: Mapping[str, str],
        *,
        body: AsyncIterable[bytes] | None = None,
        read_s: float = SILENCE_S_MAX,
    ) -> httpx.Response:
        """Send a request to the ticket's listener, or while that is away to another one."""
        self._known[ticket.url] = None
        while len(self._known) > LISTENERS_MAX:
            self._known.popitem(last=False)
        addresses = [ticket.url, *(each for each in self._known if each != ticket.url)]
        for address in addresses:
            request = self._web.build_request(
                method,
                address,
                headers={**_authorized(ticket), **headers},
                content=body,
                timeout=_timeout(read_s),
            )
            try:
                return await self._web.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                # Nothing was sent, and any listener believes any ticket.
                log.warning("a listener of blobs is away", reason=type(error).__name__)
            except httpx.TransportError as error:
                raise _away(error) from error
        raise errors.Unavailable("The blobs service is away.")


def _authorized(ticket: Ticket) -> dict[str, str]:
    return {"Authorization": f"Ticket {ticket.ticket}", "Accept-Encoding": "identity"}


def _timeout(read_s: float) -> httpx.Timeout:
    return httpx.Timeout(connect=CONNECT_WAIT_S, pool=POOL_WAIT_S, write=SILENCE_S_MAX, read=read_s)


def _away(error: httpx.TransportError) -> errors.Unavailable:
    log.warning("blobs did not answer", reason=type(error).__name__)
    return errors.Unavailable("The blobs service is away.")


class _Download(AsyncGenerator[bytes]):
    """The body of a response; closing it returns its connection, also before the first byte."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._parts = response.aiter_raw()

    async def asend(self, value: None) -> bytes:
        del value
        try:
            return await anext(self._parts)
        except httpx.TransportError as error:
            # Damage ends an answer, and so does a listener that dies: never the whole then.
            log.warning("a download broke off", reason=type(error).__name__)
            raise Cut from error

    async def athrow(self, *thrown: Any) -> bytes:
        await self.aclose()
        raise thrown[0]

    async def aclose(self) -> None:
        await self._response.aclose()


async def _require_good(response: httpx.Response) -> None:
    """Return unless blobs refused; raise what it said.

    Raises:
        AppError: What blobs raised.
    """
    if response.status_code < 400:
        return
    if response.request.method == "HEAD":
        failure = _BY_STATUS.get(response.status_code, errors.Unavailable)
        raise failure
    try:
        told = cast("dict[str, Any]", json.loads(await _small(response)))
        failure = errors.from_code(told["code"], told["detail"], told.get("data") or {})
    except (ValueError, KeyError, TypeError, httpx.TransportError):
        log.warning("blobs answered what is no answer", status=response.status_code)
        raise errors.Unavailable("The blobs service is away.") from None
    raise failure


async def _small(response: httpx.Response) -> bytes:
    body = bytearray()
    try:
        async for part in response.aiter_raw():
            body += part
            if len(body) > FAILURE_BYTES_MAX:
                raise ValueError("an answer of blobs is too long")
    except httpx.TransportError as error:
        raise _away(error) from error
    return bytes(body)
