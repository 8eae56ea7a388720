"""What anybody may send before they are known is bounded: in length, in number and in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from typing import Any, cast

import pytest

from libs.process import protocol
from libs.process.server import HttpServer
from tools.stack.ports import choose_port

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with how many headers came, after the time that the path names."""
    del receive
    await asyncio.sleep(float(scope["path"].strip("/") or 0))
    body = str(len(scope["headers"])).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(protocol, "HEAD_WAIT_S", 1.0)
    chosen = choose_port(set())
    server = HttpServer(app, host="127.0.0.1", port=chosen, drain_wait_s=1)
    await server.start()
    yield chosen
    await server.drain()


class TakesOver(asyncio.Protocol):
    """Takes upgraded connections over, says so, and ends them."""

    def __init__(self, **_: Any) -> None:
        """Begin as uvicorn wants it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(b"taken over")
        transport.close()

    def data_received(self, data: bytes) -> None:
        """Ignore the head that is passed on."""


@pytest.fixture
async def upgrading() -> AsyncIterator[int]:
    """A listener whose upgraded connections go elsewhere."""
    chosen = choose_port(set())
    server = HttpServer(
        app, host="127.0.0.1", port=chosen, drain_wait_s=1, upgrade_protocol=TakesOver
    )
    await server.start()
    yield chosen
    await server.drain()


async def exchange(port: int, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """Send in parts, and return all that comes until the connection ends or is silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    with closing(writer), suppress(ConnectionError, TimeoutError):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)
        async with asyncio.timeout(4):
            while more := await reader.read(65536):
                received += more
    return received


CLOSE = b"Connection: close\r\n\r\n"


class TestLength:
    async def test_a_head_of_the_largest_length_is_taken(self, port: int):
        """The bound is the head's: a line as long as that is fine, in however many parts."""
        room = protocol.HEAD_BYTES_MAX - 200
        whole = GET + b"X-Long: " + b"a" * room + b"\r\n" + CLOSE

        assert (await exchange(port, whole)).startswith(b"HTTP/1.1 200")
        parts = [whole[at : at + 9000] for at in range(0, len(whole), 9000)]
        assert (await exchange(port, *parts)).startswith(b"HTTP/1.1 200")

    @pytest.mark.parametrize(
        "head",
        [
            GET + b"X-Long: " + b"a" * protocol.HEAD_BYTES_MAX + b"\r\n",
            b"GET /?" + b"a" * protocol.HEAD_BYTES_MAX + b" HTTP/1.1\r\nHost: x\r\n",
            GET + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(70)),
            GET + b"".join(b"X-%d: 1\r\n" % n for n in range(protocol.HEADERS_MAX + 1)),
        ],
        ids=["header", "address", "headers", "number"],
    )
    async def test_a_longer_one_is_refused_whole_or_in_parts(self, port: int, head: bytes):
        whole = head + b"\r\n"

        assert (await exchange(port, whole)).startswith(b"HTTP/1.1 431 ")
        parts = [whole[at : at + 5000] for at in range(0, len(whole), 5000)]
        assert (await exchange(port, *parts)).startswith(b"HTTP/1.1 431 ")

    async def test_an_upgrade_is_refused_with_a_reason(self, upgrading: int):
        """Whoever takes it over would cut it off without a word."""
        upgrade = GET + b"Upgrade: websocket\r\nConnection: Upgrade\r\nX-Long: %s\r\n\r\n"
        taken = await exchange(upgrading, upgrade % (b"a" * 14_000))
        refused = await exchange(upgrading, upgrade % (b"a" * protocol.UPGRADE_BYTES_MAX))

        assert taken == b"taken over"
        assert refused.startswith(b"HTTP/1.1 431 ")

    async def test_a_head_without_an_end_is_cut_off(self, port: int):
        """Nothing waits for the end of what is too long already."""
        got = await exchange(port, GET, b"X-Long: ", *([b"a" * 65536] * 4))

        assert got.startswith(b"HTTP/1.1 431 ")

    async def test_bodies_and_further_requests_count_for_themselves(self, port: int):
        """Only heads are bounded here, and each is its own."""
        body = b"b" * 300_000
        post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        gets = (GET + b"X-Some: " + b"a" * 1000 + b"\r\n\r\n") * 100
        got = await exchange(port, post + body + gets + GET + CLOSE)

        assert got.count(b"HTTP/1.1 200") == 102
        assert b"431" not in got


class TestTime:
    async def test_a_head_that_is_never_finished_is_cut_off(self, port: int):
        """Many such connections would otherwise cost a client nothing, and us our sockets."""
        assert (await exchange(port, GET)).startswith(b"HTTP/1.1 408 ")
        drop_by_drop = [GET, *(b"X-%d: 1\r\n" % n for n in range(15))]
        assert (await exchange(port, *drop_by_drop, pause_s=0.1)).startswith(b"HTTP/1.1 408 ")

    async def test_a_connection_without_a_request_ends_without_a_word(self, port: int):
        assert await exchange(port) == b""

    async def test_a_connection_that_was_used_may_rest(self, port: int):
        """It is kept for its next request, which has the time of a first one."""
        got = await exchange(port, GET + b"\r\n", GET + CLOSE, pause_s=1.5)

        assert got.count(b"HTTP/1.1 200") == 2

    async def test_the_later_head_has_its_time_too(self, port: int):
        got = await exchange(port, GET + b"\r\n", GET, pause_s=0.2)

        assert got.count(b"HTTP/1.1 200") == 1
        assert got.count(b"HTTP/1.1 408") == 1

    async def test_an_answer_that_takes_longer_is_finished(self, port: int):
        """Half a request behind it, or a stray end of line, does not take its answer away."""
        slow = b"GET /1.6 HTTP/1.1\r\nHost: x\r\n\r\n"

        assert (await exchange(port, slow, b"\r\n", GET)).startswith(b"HTTP/1.1 200")
        got = await exchange(port, slow, b"\r\n", GET + CLOSE, pause_s=0.1)
        assert got.count(b"HTTP/1.1 200") == 2
