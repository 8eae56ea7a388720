"""The internal HTTP listener of a process: /healthz, /readyz, /metrics.

The listener runs in a thread of its own, so that a busy event loop still answers a probe and a
stuck one is noticed: /healthz asks the loop for a sign of life and for nothing else, because a
restart does not help a process whose database is away.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import TimeoutError as FutureTimeoutError
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

PROBE_WAIT_S = 2.0
"""Time that a probe waits for the event loop."""
CHECK_WAIT_S = 1.0
"""Time that a dependency may take to answer; after it the process is not ready."""
REQUEST_WAIT_S = 5.0
"""Time that a client of this listener may take to send its request."""
SHUTDOWN_POLL_S = 30.0

type Check = Callable[[], Awaitable[None]]


class Health:
    """Readiness of one process: every check passes and it is not draining."""

    def __init__(self, **checks: Check) -> None:
        """Keep the checks; each raises when its part is not usable."""
        self._checks = checks
        self._running: dict[str, asyncio.Task[None]] = {}
        self.draining = False

    async def failures(self) -> dict[str, str]:
        """Return what is wrong, by name of the check; empty means ready.

        A check that does not answer is neither cancelled nor begun a second time: however many
        probes come, a part that hangs is asked one question.
        """
        if self.draining:
            return {"process": "draining"}
        tasks = {name: self._task(name) for name in self._checks}
        if tasks:
            await asyncio.wait(tasks.values(), timeout=CHECK_WAIT_S)
        wrong: dict[str, str] = {}
        for name, task in tasks.items():
            # The type alone: messages of drivers may hold addresses and names.
            if not task.done():
                wrong[name] = TimeoutError.__name__
            elif task.cancelled():
                wrong[name] = asyncio.CancelledError.__name__
            elif error := task.exception():
                wrong[name] = type(error).__name__
        return wrong

    def _task(self, name: str) -> asyncio.Task[None]:
        known = self._running.get(name)
        if known is None or known.done():
            known = asyncio.create_task(_run(self._checks[name]), name=f"check {name}")
            self._running[name] = known
        return known


async def _run(check: Check) -> None:
    await check()


async def _sign_of_life() -> dict[str, str]:
    return {}


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without looking the address up: a name server that is away must not delay us."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    timeout = REQUEST_WAIT_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Probes are not worth a line."""


def _answer(path: str, health: Health, loop: asyncio.AbstractEventLoop) -> tuple[str, str, bytes]:
    text = "text/plain; charset=utf-8"
    if path == "/metrics":
        return "200 OK", CONTENT_TYPE_LATEST, generate_latest(REGISTRY)
    if path not in ("/livez", "/healthz", "/readyz"):
        return "404 Not Found", text, b"not found\n"
    question: Coroutine[Any, Any, dict[str, str]]
    question = health.failures() if path == "/readyz" else _sign_of_life()
    try:
        wrong = asyncio.run_coroutine_threadsafe(question, loop).result(PROBE_WAIT_S)
    except (FutureTimeoutError, RuntimeError):
        return "503 Service Unavailable", text, b"the event loop does not answer\n"
    if not wrong:
        return "200 OK", text, b"ok\n"
    report = "".join(f"{name}: {reason}\n" for name, reason in wrong.items())
    return "503 Service Unavailable", text, report.encode()


def serve_ops(health: Health, *, port: int, host: str = "127.0.0.1") -> Callable[[], None]:
    """Start the listener on *port* from inside the running loop; returns what stops it.

    *host* is an address of this machine, IPv4 or IPv6; 0.0.0.0 or :: listens on all of them.

    Raises:
        OSError: The port is taken.
    """
    loop = asyncio.get_running_loop()

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        status, kind, body = _answer(environ["PATH_INFO"], health, loop)
        start(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    server_class = _Server6 if ":" in host else _Server
    server = make_server(host, port, app, server_class=server_class, handler_class=_Quiet)
    threading.Thread(
        # The poll only notices a shutdown; requests wake it anyway.
        target=lambda: server.serve_forever(poll_interval=SHUTDOWN_POLL_S),
        name="ops",
        daemon=True,
    ).start()
    return server.server_close
