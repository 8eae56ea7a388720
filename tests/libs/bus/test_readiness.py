"""A process is ready while its bus answers, not while a connection to it stands."""

import psutil
from faststream.nats import NatsBroker
from nats.aio.client import Client

from libs.bus import is_connected
from libs.bus.broker import Disconnected
from tests.support.waiting import until
from tools.stack import Stack


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

    async def passes() -> bool:
        try:
            await check()
        except Disconnected:
            return False
        return True

    async def fails() -> bool:
        return not await passes()

    await until(passes)
    server = server_of(stack)
    server.suspend()
    try:
        # The signal only asks: a thread that runs may still answer what it has in hand.
        await until(fails)
        for _ in range(3):
            assert not await passes()
    finally:
        server.resume()

    await until(passes)
    await answering[1].flush()
