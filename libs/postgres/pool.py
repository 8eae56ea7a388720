"""Connections: one pool per service, patient while the server starts or recovers."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import asyncpg.pgproto.pgproto
import structlog
from prometheus_client import Histogram

log = structlog.get_logger(__name__)

type Pool = asyncpg.Pool[asyncpg.Record]
type Connection = (
    asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
)

CONNECT_WAIT_S_MAX = 60.0
RETRY_DELAY_S = 0.1
QUERIES_MAX = 100_000_000
"""A connection is never replaced for its age in queries: a commit would wait for its successor."""
STATEMENT_TIMEOUT_S_DEFAULT = 30.0
IDLE_S_MAX = 300.0
"""Time after which a connection above the smallest number that nobody used is closed."""

_wait = Histogram(
    "scriptorium_postgres_pool_wait_seconds",
    "Time from asking the pool for a connection to having it.",
    buckets=(0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)

# Only these mean "not yet": the server is starting or recovering, or is not listening at all.
NOT_YET = (OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError)

UNREACHABLE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    # Raised by asyncpg between the server's last message and the end of the connection.
    asyncpg.InternalClientError,
    TimeoutError,
    # No database that is away, but waited out like one; see `is_full`.
    asyncpg.DiskFullError,
)
"""Raised by a query when the database went away during it; the outcome is unknown."""


def is_full(error: BaseException | None) -> bool:
    """Return whether *error* or its cause says that the database's disk has no space left.

    Services translate every failure in `UNREACHABLE` to `errors.Unavailable`. The doors where an
    error leaves a service (`libs.bus.rpc`, the gateway's routes, the listener for bytes) ask this,
    and answer `errors.StorageFull`: such a statement had no effect.
    """
    while error is not None and not isinstance(error, asyncpg.DiskFullError):
        error = error.__cause__
    return error is not None


_ENCODER = json.JSONEncoder(separators=(",", ":"))
_DECODER = json.JSONDecoder()


# jsonb's binary form is one version byte before the text.
def _encode_jsonb(value: Any) -> bytes:
    return b"\x01" + _ENCODER.encode(value).encode()


def _decode_jsonb(data: bytes) -> Any:
    return _DECODER.decode(str(data[1:], "utf-8"))


async def _set_up(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb",
        encoder=_encode_jsonb,
        decoder=_decode_jsonb,
        schema="pg_catalog",
        format="binary",
    )


async def _keep(_connection: Any) -> None:
    """Nothing: asyncpg has ended the transaction and listeners, and we leave no session state.

    Its own default sends a query each time a connection goes back to the pool, which would double
    the round trips of a commit. The holder of a session-level lock releases it.
    """


if TYPE_CHECKING:
    _PoolClass = asyncpg.Pool[asyncpg.Record]
else:
    _PoolClass = asyncpg.Pool  # generic in its type stubs alone


class _MeasuredPool(_PoolClass):
    """A pool that tells how long its users wait."""

    async def _acquire(self, timeout: float | None) -> Any:  # asyncpg's own hook
        began = time.perf_counter()
        connection = await super()._acquire(timeout)  # pyright: ignore[reportUnknownVariableType, reportAttributeAccessIssue]
        _wait.observe(time.perf_counter() - began)
        return connection  # pyright: ignore[reportUnknownVariableType]


async def connect(
    url: str,
    *,
    application: str,
    size_min: int = 1,
    size_max: int = 10,
    statement_timeout_s: float = STATEMENT_TIMEOUT_S_DEFAULT,
) -> Pool:
    """Open a pool, waiting while the server starts.

    `jsonb` values are Python objects both ways.

    Raises:
        OSError, asyncpg.CannotConnectNowError: The server did not come up in CONNECT_WAIT_S_MAX.
        asyncpg.PostgresError: It refused for another reason, such as a wrong password.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + CONNECT_WAIT_S_MAX
    while True:
        try:
            return await _MeasuredPool(
                url,
                connection_class=asyncpg.Connection,
                record_class=asyncpg.Record,
                loop=None,
                max_inactive_connection_lifetime=IDLE_S_MAX,
                min_size=size_min,
                max_size=size_max,
                init=_set_up,
                reset=_keep,
                max_queries=QUERIES_MAX,
                command_timeout=statement_timeout_s,
                server_settings={
                    "application_name": application,
                    # A stalled client must not hold locks against everyone else.
                    "idle_in_transaction_session_timeout": f"{int(statement_timeout_s * 1000)}",
                },
            )
        except NOT_YET as error:
            if loop.time() > deadline:
                raise
            log.info("waiting for the database", reason=type(error).__name__)
            await asyncio.sleep(RETRY_DELAY_S)


def own_id(given: uuid.UUID | str) -> uuid.UUID:
    """Return the driver's own form of an id: equal, hashed and written without Python code.

    For ids that are looked up again and again: rows from the database have it already.

    Raises:
        ValueError: A text is none.
    """
    own = asyncpg.pgproto.pgproto.UUID
    return own(given) if isinstance(given, str) else own(given.bytes)


@asynccontextmanager
async def snapshot_transaction(pool: Pool) -> AsyncGenerator[Connection]:
    """Several reads that see one moment: repeatable read, read only."""
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection
