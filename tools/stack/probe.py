"""Asking a part whether it is ready, without any client library."""

import asyncio
import json
import struct
from typing import Any

from tools.stack.ports import LOOPBACK

PROBE_S_MAX = 5.0
ANSWER_BYTES_MAX = 1 << 20
_PROTOCOL_3 = 196_608
_AUTHENTICATION = b"R"


async def http_ok(port: int, path: str) -> bool:
    """Return whether GET *path* on the loopback *port* answers 200."""
    status = await _ask(port, _get(path, "1.1"), len("HTTP/1.1 200"))
    return status.startswith(b"HTTP/1.") and status.endswith(b" 200")


async def http_json(port: int, path: str) -> Any:
    """Return what GET *path* on the loopback *port* answers; None when it is no JSON, or late."""
    answer = await _ask(port, _get(path, "1.0"), ANSWER_BYTES_MAX)
    try:
        return json.loads(answer.partition(b"\r\n\r\n")[2])
    except ValueError:
        return None


def _get(path: str, version: str) -> bytes:
    head = f"GET {path} HTTP/{version}\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n"
    return head.encode()


async def postgres_ok(port: int) -> bool:
    """Return whether the PostgreSQL server on *port* accepts clients.

    It asks for a password only once it has recovered; before, it answers with an error.
    """
    words = b"user\0postgres\0database\0postgres\0\0"
    hello = struct.pack("!ii", 8 + len(words), _PROTOCOL_3) + words
    return await _ask(port, hello, 1) == _AUTHENTICATION


async def _ask(port: int, question: bytes, answer_bytes: int) -> bytes:
    """Return the first *answer_bytes* of the answer, or all of one that ends before."""
    try:
        async with asyncio.timeout(PROBE_S_MAX):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(question)
                return await reader.readexactly(answer_bytes)
            except asyncio.IncompleteReadError as ended:
                return ended.partial
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, EOFError):
        return b""
