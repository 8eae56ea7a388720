"""Following a project through restarts, deaths, and readers that do not read."""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.gateway.following import (
    Follower,
    announced,
    following,
    port_of,
)
from tests.gateway.support import Manuscript, Person, gateway_beside
from tests.support.waiting import until
from tools.stack import Stack

STALLED_S_MAX = 40
GUIDE_CHARS = 26_000


@pytest.fixture
async def project(stack: Stack, manuscript: Manuscript) -> str:
    await announced(stack)
    return str(manuscript.project["id"])


class TestOutages:
    async def test_a_restart_of_the_bus_is_not_noticed(
        self, stack: Stack, manuscript: Manuscript, project: str
    ):
        """The stream stays open, and what was written meanwhile comes."""
        mary = manuscript.owner
        async with following(stack.url, mary, project) as follower:
            await mary.made(f"/api/projects/{project}/tags", {"name": "before"})
            await follower.until(lambda each: each.events)
            await stack.restart("nats")

            async def written() -> bool:
                answer = await mary.post(f"/api/projects/{project}/tags", {"name": "after"})
                return answer.status_code == 201

            await until(written, 15)
            await follower.until(lambda each: len(each.events) >= 2, 15)
            assert not follower.ended.is_set()

        names = [each["event"]["data"]["name"] for each in follower.events]
        assert names == ["before", "after"]

    async def test_a_gateway_that_stops_sends_its_streams_elsewhere(
        self, stack: Stack, manuscript: Manuscript, project: str, tmp_path: Path
    ):
        mary = manuscript.owner
        follower = Follower()
        async with (
            gateway_beside(stack, tmp_path) as url,
            following(url, mary, project, follower),
        ):
            await mary.made(f"/api/projects/{project}/tags", {"name": "at the first"})
            await follower.until(lambda each: each.events)
            began = time.monotonic()
            _process_at(url).send_signal(signal.SIGTERM)
            async with asyncio.timeout(5):
                await follower.ended.wait()
            took = time.monotonic() - began
        await mary.made(f"/api/projects/{project}/tags", {"name": "at neither"})
        async with following(stack.gateways[1], mary, project, follower):
            await mary.made(f"/api/projects/{project}/tags", {"name": "at the second"})
            await follower.until(lambda each: len(each.events) >= 3)

        names = [each["event"]["data"]["name"] for each in follower.events]
        assert names == ["at the first", "at neither", "at the second"]
        assert follower.comments[-1].startswith("restarting")
        assert took < 3

    async def test_events_killed_and_back(self, stack: Stack, manuscript: Manuscript, project: str):
        """While nobody can read the log nothing is skipped, and streams stay open."""
        mary = manuscript.owner
        async with following(stack.gateways[1], mary, project) as follower:
            stack.kill("events-1")
            await stack.wait_ended("events-1")
            await asyncio.sleep(0.5)
            await stack.restart("events-1")

            async def written() -> bool:
                answer = await mary.post(f"/api/projects/{project}/tags", {"name": "after"})
                return answer.status_code == 201

            await until(written, 15)
            await follower.until(lambda each: each.events, 15)

        assert follower.types == ["tag.created"]

    async def test_who_does_not_read_is_cut_off_and_can_go_on(
        self, stack: Stack, manuscript: Manuscript, project: str
    ):
        """Others get everything at once meanwhile; nothing is kept for the sleeper."""
        mary = manuscript.owner
        path = f"/api/projects/{project}/style-guides"
        guide = await mary.made(path, {"name": "Long", "guide": {"text": ""}})
        await announced(stack)
        pids = [pid for pid in (stack.pid("gateway-1"),) if pid]
        async with (
            sleeping(stack.url, mary, project) as sleeper,
            following(stack.url, mary, project) as awake,
        ):
            before = psutil.Process(pids[0]).memory_info().rss
            # More than the buffers of both sockets hold.
            for turn in range(1, 201):
                changed = await mary.ask(
                    "PATCH",
                    f"/api/style-guides/{guide['id']}",
                    json={"guide": {"text": f"{turn}" + "x" * GUIDE_CHARS}},
                    headers={"If-Match": f'W/"style_guide-{guide["id"]}-v{turn}"'},
                )
                assert changed.status_code == 200, changed.text
            await awake.until(lambda each: len(each.events) >= 200)
            grown = psutil.Process(pids[0]).memory_info().rss - before
            await asyncio.sleep(16)
            rest = await asyncio.to_thread(_all_of, sleeper)
            assert not awake.ended.is_set()
        last = Follower()
        _take_whole_blocks(last, rest)
        async with following(stack.gateways[1], mary, project, last):
            await last.until(lambda each: len(each.events) >= 200)

        assert last.positions == awake.positions
        assert not rest.endswith(b"0\r\n\r\n")
        assert grown < 60 << 20

    async def test_metrics_tell_what_is_open_and_how_late_events_come(
        self, stack: Stack, manuscript: Manuscript, project: str
    ):
        mary = manuscript.owner
        async with following(stack.url, mary, project) as follower, httpx.AsyncClient() as http:
            await mary.made(f"/api/projects/{project}/tags", {"name": "counted"})
            await follower.until(lambda each: each.events)
            text = (await http.get(f"{stack.ops_url('gateway-1')}/metrics")).text

        assert "\nscriptorium_event_streams_open 1.0" in text
        assert "scriptorium_event_stream_delay_seconds_count" in text
        assert project not in text


def _process_at(url: str) -> psutil.Process:
    """The gateway of this test's own that listens there."""
    port = port_of(url)
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any(c.laddr.port == port for c in child.net_connections() if c.status == "LISTEN"):
                return child
    raise AssertionError(url)


@contextlib.asynccontextmanager
async def sleeping(url: str, person: Person, project: str) -> AsyncGenerator[socket.socket]:
    """A client that asks for a stream and does not read it, with a small buffer."""
    asked = (
        f"GET /api/projects/{project}/events HTTP/1.1\r\nHost: here\r\n"
        f"Authorization: Bearer {person.access_token}\r\n\r\n"
    )
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.to_thread(sock.connect, ("127.0.0.1", port_of(url)))
        await asyncio.to_thread(sock.sendall, asked.encode())
        await asyncio.sleep(0.5)
        yield sock


def _all_of(sock: socket.socket) -> bytes:
    """Read what is left until the other side has closed."""
    sock.settimeout(STALLED_S_MAX)
    found = bytearray()
    with contextlib.suppress(ConnectionError):
        while more := sock.recv(1 << 20):
            found += more
    return bytes(found)


def _take_whole_blocks(follower: Follower, raw: bytes) -> None:
    """Give *follower* what arrived whole of a chunked body."""
    body, rest = bytearray(), raw.partition(b"\r\n\r\n")[2]
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size or b"0", 16)
        body += rest[:length]
        rest = rest[length + 2 :]
    blocks = bytes(body).split(b"\n\n")
    for block in blocks[:-1]:
        follower.take(block.decode().splitlines())
