"""Bodies that come bit by bit, over real sockets: nothing is read for somebody who is not there."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx
import pytest
from litestar import Litestar, get

from libs.process.server import HttpServer
from services.gateway.http.route import Answer, Cut, Streamed
from services.gateway.http.streaming import StreamedResponse
from tools.stack.ports import choose_port

PART = b"x" * 65_536
PARTS = 2_000
"""More than the buffers of both sockets hold."""


@dataclass
class Source:
    """Counts what was read from it."""

    read: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def parts(self, limit: int = PARTS) -> AsyncGenerator[bytes]:
        try:
            for _ in range(limit):
                self.read += 1
                yield PART
                await asyncio.sleep(0)
        finally:
            self.closed.set()


@asynccontextmanager
async def serving(streamed: Streamed) -> AsyncGenerator[int]:
    """A public server with one streaming route."""

    @get("/")
    async def stream() -> StreamedResponse:
        answer = Answer(200, media_type="application/x-ndjson", stream=streamed)
        return StreamedResponse(answer, streamed)

    port = choose_port(set())
    app = Litestar([stream], openapi_config=None, logging_config=None)
    server = HttpServer(app, host="127.0.0.1", port=port, drain_wait_s=1)
    await server.start()
    try:
        yield port
    finally:
        await server.drain()


async def test_a_whole_body_arrives_and_the_source_is_closed():
    source = Source()
    async with serving(Streamed(source.parts(50), 30)) as port, httpx.AsyncClient() as http:
        answer = await http.get(f"http://127.0.0.1:{port}/")

        assert answer.content == PART * 50
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert answer.headers["transfer-encoding"] == "chunked"
        async with asyncio.timeout(5):
            await source.closed.wait()


async def test_reading_stops_when_the_client_leaves():
    source = Source()
    async with serving(Streamed(source.parts(), 30)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        await reader.readexactly(1000)
        writer.transport.abort()

        async with asyncio.timeout(5):
            await source.closed.wait()
    assert source.read < PARTS


async def test_no_more_is_read_than_the_client_takes_and_its_time_is_bounded():
    """A client that does not read holds some buffers, for as long as the deadline says."""
    source = Source()
    async with serving(Streamed(source.parts(), 1.0)) as port:
        began = asyncio.get_running_loop().time()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        async with asyncio.timeout(10):
            await source.closed.wait()
        took = asyncio.get_running_loop().time() - began
        rest = bytearray()
        with suppress(ConnectionError):
            while more := await reader.read(1 << 20):
                rest += more

        # A cut body lacks its end, so nobody takes it for the whole.
        assert not rest.endswith(b"0\r\n\r\n")
        assert source.read < PARTS
        assert 0.9 < took < 8
        writer.transport.abort()


async def test_who_does_not_take_a_part_in_time_is_cut_off():
    """Long before the deadline of a stream that may last for an hour."""
    source = Source()
    async with serving(Streamed(source.parts(), 60.0, idle_s=0.5)) as port:
        began = asyncio.get_running_loop().time()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        async with asyncio.timeout(10):
            await source.closed.wait()
        took = asyncio.get_running_loop().time() - began
        rest = bytearray()
        with suppress(ConnectionError):
            while more := await reader.read(1 << 20):
                rest += more
        writer.transport.abort()

    assert not rest.endswith(b"0\r\n\r\n")
    assert source.read < PARTS
    assert 0.4 < took < 8


async def test_a_client_that_takes_nothing_is_left_though_there_is_no_deadline():
    source = Source()
    async with serving(Streamed(source.parts(), None, idle_s=0.5)) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        async with asyncio.timeout(10):
            await source.closed.wait()
        writer.transport.abort()
    assert source.read < PARTS


async def test_a_source_that_breaks_off_cuts_the_answer_short():
    """Nobody takes what came for the whole."""

    async def parts() -> AsyncGenerator[bytes]:
        yield PART
        raise Cut

    async with serving(Streamed(parts(), 30)) as port, httpx.AsyncClient() as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(f"http://127.0.0.1:{port}/")
