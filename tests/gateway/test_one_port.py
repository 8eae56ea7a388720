"""HTTP and WebSocket on one public port, through one start and one stop."""

import asyncio
import signal
import time
from pathlib import Path

import httpx
import psutil
import pytest
import websockets

from tests.gateway.support import Manuscript, Person, gateway_beside
from tools.stack import Stack


def pid_of(url: str) -> int:
    port = int(url.rsplit(":", 1)[1])
    for child in psutil.Process().children():
        if any(c.laddr.port == port for c in child.net_connections() if c.status == "LISTEN"):
            return child.pid
    raise LookupError(url)


async def test_a_socket_and_requests_share_the_port(stack: Stack, manuscript: Manuscript):
    host = stack.url.removeprefix("http")
    address = f"ws{host}/collab/{manuscript.scene['id']}?token={manuscript.owner.access_token}"
    async with websockets.connect(address) as socket:
        answers = await asyncio.gather(*(manuscript.owner.get("/api/me") for _ in range(20)))
        await (await socket.ping())

    assert {answer.status_code for answer in answers} == {200}


async def test_an_upgrade_to_nowhere_is_refused(stack: Stack, mary: Person):
    host = stack.url.removeprefix("http")
    for path in ("/nowhere", "/api/me", "/collab"):
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(f"ws{host}{path}?token={mary.access_token}")

    assert (await mary.get("/api/me")).status_code == 200


async def test_a_stop_sends_sockets_elsewhere_and_ends_soon(
    stack: Stack, manuscript: Manuscript, tmp_path: Path
):
    """1012 tells clients to reconnect; an open socket must not hold up the stop."""
    async with gateway_beside(stack, tmp_path, drain_wait_s=20) as url:
        token, scene = manuscript.owner.access_token, manuscript.scene["id"]
        address = f"ws{url.removeprefix('http')}/collab/{scene}?token={token}"
        async with websockets.connect(address) as socket, httpx.AsyncClient() as http:
            assert (await http.get(f"{url}/healthz")).status_code == 200
            process = psutil.Process(pid_of(url))
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(socket.wait_closed(), 10)
            await asyncio.to_thread(_wait_gone, process)

    assert socket.close_code == 1012
    assert time.monotonic() - started < 8


async def test_sockets_are_closed_one_after_the_other_at_a_stop(
    stack: Stack, manuscript: Manuscript, tmp_path: Path
):
    """Twenty clients that are sent away at once would come back at once."""
    async with gateway_beside(stack, tmp_path, drain_wait_s=20, drain_closes_per_s=10) as url:
        token, scene = manuscript.owner.access_token, manuscript.scene["id"]
        address = f"ws{url.removeprefix('http')}/collab/{scene}?token={token}"
        sockets = await asyncio.gather(*(websockets.connect(address) for _ in range(20)))
        closed_at: list[float] = []

        async def leave(socket: websockets.ClientConnection) -> None:
            await socket.wait_closed()
            closed_at.append(time.monotonic())
            assert socket.close_code == 1012

        leaving = asyncio.gather(*map(leave, sockets))
        process = psutil.Process(pid_of(url))
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(leaving, 10)
        await asyncio.to_thread(_wait_gone, process)

    assert closed_at[-1] - closed_at[0] > 0.8
    for moment in closed_at:
        assert sum(moment <= other < moment + 0.2 for other in closed_at) < 15
    assert time.monotonic() - started < 8


def _wait_gone(process: psutil.Process) -> None:
    deadline = time.monotonic() + 15
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)
