"""Answers whose body comes bit by bit: no more is read than the client takes.

The source is closed as soon as the client leaves, is too slow, or has everything.
"""

import asyncio
from typing import Any

import structlog
from litestar import Request, Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Send

from services.gateway.http.route import Answer, Cut, Streamed

log = structlog.get_logger(__name__)


class StreamedResponse(Response[bytes]):
    """An answer for Litestar that sends a `Streamed` body."""

    def __init__(self, answer: Answer, body: Streamed) -> None:
        """Send *answer*, whose body is *body*."""
        self._streamed = body
        super().__init__(
            b"",
            status_code=answer.status,
            media_type=answer.media_type,
            headers=dict(answer.headers),
        )

    def to_asgi_response(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, app: Any, request: Request[Any, Any, Any], **more: Any
    ) -> ASGIResponse:
        """Return what Litestar calls; the arguments are its own."""
        del app, request
        return _Sending(
            self._streamed,
            status_code=self.status_code or more.get("status_code") or 200,
            media_type=self.media_type,
            headers=self.headers,
        )


class _Sending(ASGIResponse):
    """Writes a stream to one client."""

    __slots__ = ("_streamed",)
    _should_set_content_length = False

    def __init__(self, streamed: Streamed, **more: Any) -> None:
        super().__init__(**more)
        self._streamed = streamed

    async def send_body(self, send: Send, receive: Receive) -> None:
        """Send until the end, the deadline, or until the client is gone."""
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait(
                {sending, leaving},
                timeout=self._streamed.deadline_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            # A body that is cut short lacks its last chunk, which the client notices.
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await self._streamed.source.aclose()
        if not sending.cancelled() and (error := sending.exception()):
            raise error

    async def _send(self, send: Send) -> None:
        try:
            async for part in self._streamed.source:
                async with asyncio.timeout(self._streamed.idle_s):
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        except TimeoutError:
            log.warning("client does not read, stream is cut")
            return
        except Cut:
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
