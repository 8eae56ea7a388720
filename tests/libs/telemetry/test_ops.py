"""The internal listener tells the truth about its process."""

import asyncio
import io
import json
import socket
import urllib.error
import urllib.request
from contextlib import redirect_stderr

import structlog

from libs.telemetry import Health, configure_logs, serve_ops


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def get(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    """Status and body."""

    def fetch() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    return await asyncio.to_thread(fetch)


async def test_ready_means_that_every_check_passes_and_nothing_drains() -> None:
    """A probe must send traffic away before the process goes."""
    broken = False

    async def check() -> None:
        if broken:
            raise ConnectionError("10.0.0.7 refused")

    health, port = Health(database=check), free_port()
    close = serve_ops(health, port=port)

    assert await get(port, "/readyz") == (200, "ok\n")
    broken = True
    assert await get(port, "/readyz") == (503, "database: ConnectionError\n")
    assert (await get(port, "/healthz"))[0] == (await get(port, "/livez"))[0] == 200
    broken, health.draining = False, True
    assert await get(port, "/readyz") == (503, "process: draining\n")
    assert (await get(port, "/metrics"))[0] == 200
    assert (await get(port, "/secrets"))[0] == 404
    close()


def test_logs_are_json_and_hide_what_looks_like_a_secret() -> None:
    """A stable sentence plus fields; a token in a field never reaches a disk."""
    out = io.StringIO()
    with redirect_stderr(out):
        configure_logs(service="test", replica="test-1", form="json")
        structlog.get_logger("test").info("someone came", refresh_token="s3cret", count=3)

    line = json.loads(out.getvalue())
    assert line["event"] == "someone came"
    assert line["refresh_token"] == "***"
    assert (line["service"], line["count"]) == ("test", 3)
    structlog.reset_defaults()


async def test_a_part_that_does_not_answer_makes_nobody_ready_and_nobody_dead() -> None:
    """A restart does not help while a database hangs, and probes must not pile questions up."""
    asked, answers = 0, asyncio.Event()

    async def hangs() -> None:
        nonlocal asked
        asked += 1
        await answers.wait()

    health, port = Health(database=hangs), free_port()
    close = serve_ops(health, port=port)

    probes = await asyncio.gather(*(get(port, "/readyz") for _ in range(4)))
    assert probes == [(503, "database: TimeoutError\n")] * 4
    assert asked == 1
    assert await get(port, "/healthz") == (200, "ok\n")
    answers.set()
    await asyncio.sleep(0)
    assert await get(port, "/readyz") == (200, "ok\n")
    close()


async def test_it_listens_where_probes_come_from() -> None:
    """Also over IPv6, as clusters have it."""
    port = free_port()
    close = serve_ops(Health(), port=port, host="::1")

    assert await get(port, "/readyz", host="[::1]") == (200, "ok\n")
    close()
