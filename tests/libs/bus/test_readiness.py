"""A process is ready while its bus answers, not while a connection to it stands."""

import asyncio
import time

import psutil
import pytest
from faststream.nats import NatsBroker
from nats.aio.client import Client

from libs.bus import is_connected
from libs.bus.broker import Disconnected
from tools.stack import Stack

PATIENCE_S = 20.0


def server_of(stack: Stack) -> psutil.Process:
    port = int(stack.nats_url("events").rsplit(":", 1)[1])
    for child in psutil.Process().children(recursive=True):
        if any(c.laddr.port == port for c in child.net_connections() if c.status == "LISTEN"):
            return child
    raise LookupError(port)


async def test_a_server_that_hangs_makes_nobody_ready(
    stack: Stack, answering: tuple[NatsBroker, Client]
) -> None:
    """Its connections stand; the check sees that nothing comes back, and when it does again."""
    check = is_connected(answering[1])
    await check()
    server = server_of(stack)
    server.suspend()
    try:
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(Disconnected):
                await check()
            assert time.monotonic() - began < 1.5
    finally:
        server.resume()

    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await check()
            except Disconnected:
                await asyncio.sleep(0.1)
            else:
                break
    await answering[1].flush()
