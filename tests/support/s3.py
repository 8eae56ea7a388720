"""S3 servers for tests: rclone's, MinIO in a container, and a door before rclone with manners."""

import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from enum import StrEnum
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services.blobs.storage import Credentials
from tools.stack.ports import LOOPBACK, choose_port

ACCESS, SECRET = "laptop-access", "a-secret-of-tests"
CREDENTIALS = Credentials(ACCESS, SECRET)
MINIO = "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z"
START_WAIT_S = 20.0
DOOR_WAIT_S = 60.0


def bucket_at(endpoint: str, prefix: str = "some/prefix") -> str:
    """Address of a bucket that is made when missing."""
    return f"s3://bucket/{prefix}?endpoint={endpoint}&create=true"


@contextmanager
def rclone(folder: Path) -> Generator[str]:
    """`rclone serve s3`: another's understanding of S3; ignores conditions. Yields its address."""
    program = shutil.which("rclone") or str(Path(sys.executable).with_name("rclone"))
    port = choose_port(set())
    process = subprocess.Popen(
        [program, "serve", "s3", str(folder), "--addr", f"{LOOPBACK}:{port}", "--config", ""],
        env={**os.environ, "RCLONE_AUTH_KEY": f'"{ACCESS},{SECRET}"'},
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_answers(f"http://{LOOPBACK}:{port}")
        yield f"http://{LOOPBACK}:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def minio() -> Generator[str]:
    """A server that is used in production, where an engine for containers answers."""
    import docker
    from docker.errors import DockerException
    from testcontainers.core.container import DockerContainer

    try:
        docker.from_env().close()
    except DockerException:
        pytest.skip("no engine for containers answers here")
    container = DockerContainer(MINIO).with_command("server /data").with_exposed_ports(9000)
    container.with_env("MINIO_ROOT_USER", ACCESS).with_env("MINIO_ROOT_PASSWORD", SECRET)
    try:
        container.start()
    except DockerException as error:
        pytest.skip(f"the image {MINIO} cannot be had here: {error}"[:200])
    try:
        address = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(9000)}"
        _wait_answers(f"{address}/minio/health/live")
        yield address
    finally:
        container.stop()


def _wait_answers(url: str) -> None:
    """Return when something answers at *url*, be it that it does not know us."""
    deadline = time.monotonic() + START_WAIT_S
    while True:
        with suppress(OSError):
            try:
                urllib.request.urlopen(url, timeout=1).close()
            except urllib.error.HTTPError:
                return
            else:
                return
        assert time.monotonic() < deadline, f"{url} does not answer"
        time.sleep(0.05)


class Manners(StrEnum):
    """What a server does when it is asked not to overwrite."""

    HEEDS = "heeds"
    HEEDS_WHOLE = "heeds it for whole objects only"
    REFUSES_400 = "refuses with 400"
    REFUSES_501 = "refuses with 501"


class Door:
    """A server before rclone's that has *manners*, counts what it saw, and can lose answers."""

    def __init__(self, endpoint: str, folder: Path, manners: Manners) -> None:
        self.manners = manners
        self.asked = 0
        """Requests with a condition."""
        self.classes: list[str] = []
        """Storage classes of objects, as they were asked for."""
        self.loses: Callable[[str], bool] = lambda _: False
        """Whether the answer to a request, by its method, is lost on its way."""
        self._behind = urlsplit(endpoint).netloc
        self._folder = folder
        self._turn = threading.Lock()

    def refusal(self, method: str, path: str) -> tuple[int, str] | None:
        """Say what a conditional request is refused with, if it is."""
        self.asked += 1
        match self.manners:
            case Manners.REFUSES_400:
                return 400, "InvalidArgument"
            case Manners.REFUSES_501:
                return 501, "NotImplemented"
            case Manners.HEEDS_WHOLE if method == "POST":
                return None
            case _:
                taken = (self._folder / path.lstrip("/")).exists()
                return (412, "PreconditionFailed") if taken else None

    def pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        conditional = "If-None-Match" in handler.headers
        if wanted := handler.headers.get("x-amz-storage-class"):
            self.classes.append(wanted)
        # One at a time, so that nobody comes between a look and a write.
        with self._turn:
            if conditional and (no := self.refusal(handler.command, urlsplit(handler.path).path)):
                text = f"<Error><Code>{no[1]}</Code><Message>no</Message></Error>".encode()
                _answer(handler, no[0], {"Content-Type": "application/xml"}, text)
                return
            behind = HTTPConnection(self._behind, timeout=DOOR_WAIT_S)
            behind.request(handler.command, handler.path, body, dict(handler.headers))
            response = behind.getresponse()
            said = response.read()
            headers = {name: value for name, value in response.getheaders() if name not in _HOPS}
            behind.close()
        if self.loses(handler.command):
            handler.close_connection = True
            return
        _answer(handler, response.status, headers, said)

    @contextmanager
    def open(self) -> Generator[str]:
        """Serve; yields the address."""
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name)
                """Say nothing."""

            def _pass_on(self) -> None:
                door.pass_on(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815

        server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{LOOPBACK}:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()


_HOPS = {"Connection", "Transfer-Encoding", "Keep-Alive"}


def _answer(
    handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes
) -> None:
    handler.send_response_only(status)
    if handler.command != "HEAD":
        headers = {**headers, "Content-Length": str(len(body))}
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)
