"""A proxy before a server that cuts connections: each after so many bytes, in one direction."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

READ_BYTES = 4096


@dataclass(frozen=True)
class Cut:
    """Where to cut: after how many bytes of what the client sends, or of what it receives."""

    sent: int | None = None
    received: int | None = None


@asynccontextmanager
async def cutting_proxy(target: int, cut: Callable[[], Cut]) -> AsyncGenerator[str]:
    """Serve on a port of its own; *cut* says for each new connection where it ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        where = cut()
        there, back = await asyncio.open_connection("127.0.0.1", target)

        def end() -> None:
            for each in (writer, back):
                each.transport.abort()

        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(
                _pass(reader, back, where.sent, end), _pass(there, writer, where.received, end)
            )
        end()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()


async def _pass(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    limit: int | None,
    end: Callable[[], None],
) -> None:
    passed = 0
    while data := await reader.read(READ_BYTES):
        left = len(data) if limit is None else limit - passed
        writer.write(data[:left])
        await writer.drain()
        passed += len(data)
        if limit is not None and passed >= limit:
            end()
            return
    end()
