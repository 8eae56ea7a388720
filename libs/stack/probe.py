"""Asking a part whether it is ready, without any client library."""

import asyncio
import struct

from libs.stack.ports import LOOPBACK

PROBE_S_MAX = 5.0
_PROTOCOL_3 = 196_608
_AUTHENTICATION = b"R"


async def http_ok(port: int, path: str) -> bool:
    """Whether GET *path* on the loopback *port* answers 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n"
    status = await _ask(port, request.encode(), len("HTTP/1.1 200"))
    return status.startswith(b"HTTP/1.") and status.endswith(b" 200")


async def postgres_ok(port: int) -> bool:
    """Whether the PostgreSQL server on *port* lets clients in.

    It asks for a password only once it has recovered; before, it answers with an error.
    """
    words = b"user\0postgres\0database\0postgres\0\0"
    hello = struct.pack("!ii", 8 + len(words), _PROTOCOL_3) + words
    return await _ask(port, hello, 1) == _AUTHENTICATION


async def _ask(port: int, question: bytes, answer_bytes: int) -> bytes:
    try:
        async with asyncio.timeout(PROBE_S_MAX):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(question)
                return await reader.readexactly(answer_bytes)
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, EOFError):
        return b""
