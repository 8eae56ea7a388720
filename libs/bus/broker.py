"""How a process connects to NATS: patiently, under its own user, with its own inboxes."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from faststream.middlewares import AckPolicy
from faststream.nats import NatsBroker
from nats.aio.client import Client

from libs.contracts import subjects

log = structlog.get_logger(__name__)

RECONNECT_WAIT_S = 0.1
PING_INTERVAL_S = 5
SYNC_WAIT_S = 5.0
PING_ANSWER_S = 0.8
"""How long a server may take to answer the PING of a readiness check."""
PONG_WAIT_S = 24 * 3600
"""How long an unanswered PING is kept; nats-py drops the connection after some of them."""
PENDING_BYTES_MAX = 32 << 20
"""What a client may buffer while the server is away; past it a publish waits."""

type Callback = Callable[[], Awaitable[None]]


class Disconnected(Exception):
    """The NATS server cannot be reached at the moment."""


def is_connected(client: Client) -> Callable[[], Awaitable[None]]:
    """Return a readiness check of *client*: it passes when the server answers a PING.

    A connection alone says little: it stands while the server hangs.
    """
    asked: tuple[int, asyncio.Task[None]] | None = None

    async def check() -> None:
        nonlocal asked
        if not client.is_connected:
            raise Disconnected
        connection: int = client.stats["reconnects"]
        if asked is None or asked[0] != connection or asked[1].done():
            # nats-py forgets unanswered PINGs when it reconnects. They must not be given up
            # earlier: its reader fails on a PONG whose PING was cancelled.
            if asked:
                asked[1].cancel()
            asked = connection, asyncio.create_task(client.flush(PONG_WAIT_S))
        task = asked[1]
        done, _ = await asyncio.wait({task}, timeout=PING_ANSWER_S)
        if not done or task.cancelled() or task.exception():
            raise Disconnected

    return check


async def synced(client: Client) -> None:
    """Return when the server has processed everything sent so far, subscriptions above all.

    nats-py's own flush does not promise that (2.16): it writes its PING at once, ahead of commands
    that its flusher has yet to write, so the PONG may come before the SUB is seen.

    Raises:
        nats.errors.TimeoutError, TimeoutError: The server did not answer in HEARD_WAIT_S.
    """
    async with asyncio.timeout(SYNC_WAIT_S):
        while client.pending_data_size:  # noqa: ASYNC110  (nats-py offers nothing to wait for)
            await asyncio.sleep(0.0005)
        await client.flush()


async def connect_broker(
    url: str, *, service: str, replica: str, on_reconnect: Callback | None = None
) -> tuple[NatsBroker, Client]:
    """Connect, and return the broker for handlers and the raw client for frames.

    The client reconnects for ever: a server that is away is a state to wait out, reported by
    /readyz, not a reason to die. *on_reconnect* runs after each reconnection, for what may have
    been missed meanwhile.

    Raises:
        nats.errors.NoServersError: No server answered the first connection.
    """

    async def failed(error: Exception) -> None:
        log.warning("bus error", reason=type(error).__name__, detail=str(error)[:200])

    async def lost() -> None:
        log.warning("bus connection lost")

    async def back() -> None:
        log.info("bus connection restored")
        if on_reconnect:
            await on_reconnect()

    broker = NatsBroker(
        url,
        name=replica,
        inbox_prefix=subjects.inbox(service).encode(),
        reconnect_time_wait=RECONNECT_WAIT_S,  # pyright: ignore[reportArgumentType]  # a float works
        max_reconnect_attempts=-1,
        ping_interval=PING_INTERVAL_S,
        pending_size=PENDING_BYTES_MAX,
        error_cb=failed,
        disconnected_cb=lost,
        reconnected_cb=back,
        # FastStream's default drops a message whose handler raised; nothing here relies on it.
        ack_policy=AckPolicy.NACK_ON_ERROR,
        logger=None,
        # Handlers take the message itself. Injecting it costs a hop to another thread each time.
        apply_types=False,
    )
    return broker, await broker.connect()
