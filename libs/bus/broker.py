"""The connection of a process to NATS, under its own user and with its own inboxes."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from faststream.middlewares import AckPolicy
from faststream.nats import NatsBroker
from nats.aio.client import Client
from prometheus_client import Counter

from libs.contracts import subjects

_reconnects = Counter(
    "scriptorium_bus_reconnects_total", "Connections to NATS that were made again after a loss."
)

log = structlog.get_logger(__name__)

RECONNECT_WAIT_S = 0.1
PING_INTERVAL_S = 5
SYNC_WAIT_S = 5.0
PING_ANSWER_S = 0.8
"""Time that the server has to answer the PING of a readiness check."""
PONG_WAIT_S = 24 * 3600
"""Time that an unanswered PING is kept; nats-py drops the connection after a few of them."""
PENDING_BYTES_MAX = 32 << 20
"""Size of the client's buffer while the server is away; when it is full, a publish waits."""

type Callback = Callable[[], Awaitable[None]]


class Disconnected(Exception):
    """The NATS server cannot be reached at the moment."""


def is_connected(client: Client) -> Callable[[], Awaitable[None]]:
    """Return a readiness check of *client*: it passes when the server answers a PING.

    An open connection is no proof: it stays open while the server hangs.
    """
    asked: tuple[int, asyncio.Task[None]] | None = None

    async def check() -> None:
        nonlocal asked
        if not client.is_connected:
            raise Disconnected
        connection: int = client.stats["reconnects"]
        if asked is None or asked[0] != connection or asked[1].done():
            # nats-py forgets unanswered PINGs when it reconnects. They must not be cancelled
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
    """Return when the server has processed everything that the client sent so far.

    The flush of nats-py (2.16) does not promise that: it writes its PING at once, ahead of commands
    that its flusher has yet to write, so the PONG may come before the server has seen a SUB.

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

    The client reconnects for ever. While the server is away the process waits and says so in
    /readyz; it does not end. *on_reconnect* runs after each reconnection, so that the caller can
    catch up with messages that were lost in between.

    Raises:
        nats.errors.NoServersError: No server answered the first connection.
    """

    async def failed(error: Exception) -> None:
        log.warning("bus error", reason=type(error).__name__, detail=str(error)[:200])

    async def lost() -> None:
        log.warning("bus connection lost")

    async def back() -> None:
        _reconnects.inc()
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
        # FastStream's default would drop a message whose handler raised.
        ack_policy=AckPolicy.NACK_ON_ERROR,
        logger=None,
        # Handlers take the message itself. FastStream's injection costs a hop to another thread.
        apply_types=False,
    )
    return broker, await broker.connect()
