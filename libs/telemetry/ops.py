"""The internal HTTP listener of a process: /healthz, /readyz, /metrics.

It runs in a thread of its own, so that a busy event loop still answers a probe and a stuck one
is noticed: /healthz asks the loop for a sign of life.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import TimeoutError as FutureTimeoutError
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

PROBE_WAIT_S = 2.0
SHUTDOWN_POLL_S = 30.0

type Check = Callable[[], Awaitable[None]]


class Health:
    """What readiness means for one process: every check passes and it is not draining."""

    def __init__(self, **checks: Check) -> None:
        """Keep the checks; each raises when its part is not usable."""
        self._checks = checks
        self.draining = False

    async def failures(self) -> dict[str, str]:
        """Return what is wrong, by name of the check; empty means ready."""
        if self.draining:
            return {"process": "draining"}
        wrong: dict[str, str] = {}
        for name, check in self._checks.items():
            try:
                async with asyncio.timeout(PROBE_WAIT_S / 2):
                    await check()
            except Exception as error:
                # The type alone: messages of drivers may hold addresses and names.
                wrong[name] = type(error).__name__
        return wrong


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Probes are not worth a line."""


def _answer(path: str, health: Health, loop: asyncio.AbstractEventLoop) -> tuple[str, str, bytes]:
    text = "text/plain; charset=utf-8"
    if path == "/metrics":
        return "200 OK", CONTENT_TYPE_LATEST, generate_latest(REGISTRY)
    if path not in ("/healthz", "/readyz"):
        return "404 Not Found", text, b"not found\n"
    try:
        wrong = asyncio.run_coroutine_threadsafe(health.failures(), loop).result(PROBE_WAIT_S)
    except (FutureTimeoutError, RuntimeError):
        return "503 Service Unavailable", text, b"the event loop does not answer\n"
    if path == "/healthz" or not wrong:
        return "200 OK", text, b"ok\n"
    report = "".join(f"{name}: {reason}\n" for name, reason in wrong.items())
    return "503 Service Unavailable", text, report.encode()


def serve_ops(health: Health, *, port: int, host: str = "127.0.0.1") -> Callable[[], None]:
    """Start the listener on *port* from inside the running loop; returns what stops it.

    Raises:
        OSError: The port is taken.
    """
    loop = asyncio.get_running_loop()

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        status, kind, body = _answer(environ["PATH_INFO"], health, loop)
        start(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    server = make_server(host, port, app, server_class=_Server, handler_class=_Quiet)
    threading.Thread(
        # The poll only notices a shutdown; requests wake it anyway.
        target=lambda: server.serve_forever(poll_interval=SHUTDOWN_POLL_S),
        name="ops",
        daemon=True,
    ).start()
    return server.server_close
