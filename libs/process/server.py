"""uvicorn, run by us: one port, no signal handlers of its own, a bounded drain."""

import asyncio
import contextlib
from collections.abc import Generator
from typing import Any

import uvicorn

from libs.process.protocol import BoundedProtocol

START_WAIT_S = 10.0
BACKLOG = 2048
KEEP_ALIVE_S = 75


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the process."""
        yield


class HttpServer:
    """A listener of a service."""

    def __init__(
        self,
        app: Any,
        *,
        host: str,
        port: int,
        drain_wait_s: float,
        upgrade_protocol: Any = "none",
    ) -> None:
        """Serve the ASGI application *app*; *upgrade_protocol* takes over upgraded connections."""
        self._server = _Server(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http=BoundedProtocol,
                ws=upgrade_protocol,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=max(1, int(drain_wait_s)),
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; returns when connections are accepted.

        Raises:
            OSError: The port is taken.
        """
        self._task = asyncio.create_task(self._serve(), name="http server")
        async with asyncio.timeout(START_WAIT_S):
            while not self._server.started:
                if self._task.done():
                    await self._task
                    raise OSError("the HTTP server ended at its start")
                await asyncio.sleep(0.005)

    async def wait_failed(self) -> None:
        """Return when the server ends by itself, which it should not."""
        if self._task:
            await asyncio.wait([self._task])

    async def drain(self) -> None:
        """Stop accepting, let requests in flight end within the bound, and return."""
        self._server.should_exit = True
        if self._task:
            await self._task

    async def _serve(self) -> None:
        try:
            await self._server.serve()
        except SystemExit:
            # uvicorn ends the process when it cannot listen; its reason was logged.
            raise OSError("the port cannot be listened on") from None
