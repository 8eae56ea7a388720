"""Too much, too slow, and never reading."""

import asyncio
import json
import socket
import time
from contextlib import suppress
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from libs.contracts.collab.yprotocol import STEP1, sync_message
from services.gateway.live.socket import CLOSE_WAIT_S
from tests.hostile.bystanders import undisturbed
from tests.support.breakable import BreakableStack
from tests.support.scenery import Scenery
from tests.support.yclient import YClient

pytestmark = pytest.mark.alone

INVALID, TRY_AGAIN = 1007, 1013
SYNC_REQUESTS = 10_000
SLOW_SOCKETS = 200
SLOW_FOR_S = 4.0
LARGE_CHARS = 20_000
LARGE_EDITS = 400
LET_GO_S = 2 * CLOSE_WAIT_S


async def test_flood_of_sync_requests(scenery: Scenery):
    """Each asks for the whole scene; a client that asks again and again is sent away."""
    async with undisturbed(scenery) as calm:
        address = scenery.address(calm.scene)
        async with connect(address(), compression=None, max_size=None) as flooder:
            code = None
            try:
                for _ in range(SYNC_REQUESTS):
                    await flooder.send(sync_message(STEP1, b"\x00"))
                while True:
                    await flooder.recv()
            except ConnectionClosed as end:
                code = end.rcvd and end.rcvd.code

    assert code == INVALID


async def test_slow_upgrades(scenery: Scenery):
    """Hundreds of connections that never finish their request hold up nobody."""
    url = urlsplit(scenery.stack.url)
    async with undisturbed(scenery) as calm:
        path = urlsplit(scenery.address(calm.scene)()).path
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nX-Slow: ".encode()
        slow = [await asyncio.open_connection(url.hostname, url.port) for _ in range(SLOW_SOCKETS)]
        until = time.monotonic() + SLOW_FOR_S
        for byte in request * 100:
            for _, writer in slow:
                with suppress(OSError):
                    writer.write(bytes((byte,)))
            await asyncio.sleep(0.05)
            if time.monotonic() > until:
                break
        for _, writer in slow:
            writer.transport.abort()


@pytest.mark.parametrize("way", [pytest.param("collab", marks=pytest.mark.long), "ws"])
async def test_client_that_never_reads(way: str, stack: BreakableStack, scenery: Scenery):
    """It is closed with 1013 and let go, and whoever writes much to it is not held up."""
    async with undisturbed(scenery) as calm:
        before = await _closed(stack, TRY_AGAIN)
        deaf = await _deaf(scenery, calm.scene, way)
        async with YClient(scenery.address(calm.scene)) as writer:
            for number in range(1, LARGE_EDITS + 1):
                writer.type("x" * LARGE_CHARS, at=0)
                await asyncio.sleep(0.005)
                if number % 25 == 0 and await _closed(stack, TRY_AGAIN) > before:
                    break
            assert await _closed(stack, TRY_AGAIN) == before + 1
            # Our side of it is still open and unread; the server must not wait for that.
            await asyncio.sleep(LET_GO_S)
            assert not _held(stack, deaf.getsockname()[1])
        deaf.close()


async def _deaf(scenery: Scenery, scene: UUID, way: str) -> socket.socket:
    """Join a scene, and never read again."""
    url = urlsplit(scenery.address(scene)())
    path = url.path if way == "collab" else "/ws"
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, (url.hostname, url.port))
    request = (
        f"GET {path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await loop.sock_sendall(deaf, request.encode())
    assert b"101" in await loop.sock_recv(deaf, 64)
    if way == "collab":
        await loop.sock_sendall(deaf, _frame(0x82, sync_message(STEP1, b"\x00")))
        return deaf
    hello = {"type": "client.hello", "userId": scenery.person.id}
    for event in (hello, {"type": "join.scene", "sceneId": str(scene)}):
        await loop.sock_sendall(deaf, _frame(0x81, json.dumps(event).encode()))
    return deaf


def _frame(head: int, message: bytes) -> bytes:
    """A short WebSocket frame as clients send it, under a mask of zeros."""
    assert len(message) < 126
    return bytes((head, 0x80 | len(message))) + bytes(4) + message


async def _closed(stack: BreakableStack, code: int) -> float:
    async with httpx.AsyncClient() as http:
        page = (await http.get(f"{stack.ops_url('gateway-1')}/metrics")).text
    wanted = f'scriptorium_live_closed_total{{code="{code}"}}'
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(wanted))


def _held(stack: BreakableStack, port: int) -> bool:
    """Whether the gateway still holds its end of the connection from *port*."""
    import psutil

    pid = stack.pid("gateway-1")
    assert pid
    return any(
        connection.raddr and connection.raddr[1] == port
        for connection in psutil.Process(pid).net_connections("tcp")
    )
