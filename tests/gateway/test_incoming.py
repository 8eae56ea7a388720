"""Bodies that are read while they come, over real sockets: bounded in size, time and memory."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from litestar import Litestar, Request, Response, post

from libs.process.server import HttpServer
from services.gateway.http import incoming
from services.gateway.http.incoming import Incoming
from services.gateway.http.problems import answer_failure
from tools.stack.ports import choose_port

SIZE_MAX = 100_000


class Reader:
    """Reads a body at the pace it is told."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.parts: list[bytes] = []

    async def read(self, body: Incoming) -> None:
        async for part in body.parts():
            self.parts.append(part)
            await self.go_on.wait()


@asynccontextmanager
async def serving(reader: Reader) -> AsyncGenerator[int]:
    @post("/")
    async def take(request: Request) -> Response[str]:  # pyright: ignore[reportMissingTypeArgument, reportUnknownParameterType]
        await reader.read(Incoming(request, SIZE_MAX))  # pyright: ignore[reportUnknownArgumentType]
        return Response(str(sum(map(len, reader.parts))))

    port = choose_port(set())
    app = Litestar(
        [take],
        openapi_config=None,
        logging_config=None,
        exception_handlers={Exception: answer_failure},
    )
    server = HttpServer(app, host="127.0.0.1", port=port, drain_wait_s=1)
    await server.start()
    try:
        yield port
    finally:
        reader.go_on.set()
        await server.drain()


@asynccontextmanager
async def sending(
    port: int, length: int | None
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    streams = await asyncio.open_connection("127.0.0.1", port)
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    streams[1].write(f"POST / HTTP/1.1\r\nHost: here\r\n{framing}\r\n\r\n".encode())
    yield streams
    streams[1].transport.abort()


async def answer(reader: asyncio.StreamReader) -> str:
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        return head + (await reader.read(10_000)).decode()


async def test_no_more_is_taken_than_is_read():
    """The rest stays with the client: memory is bounded by what the reader asked for."""
    reader = Reader()
    async with serving(reader) as port, sending(port, SIZE_MAX) as (came, writer):
        writer.write(b"x" * SIZE_MAX)
        await asyncio.sleep(0.3)
        assert len(reader.parts) == 1
        reader.go_on.set()

        assert f"\r\n\r\n{SIZE_MAX}" in await answer(came)


async def test_a_declared_length_is_refused_before_a_byte():
    reader = Reader()
    async with serving(reader) as port, sending(port, SIZE_MAX + 1) as (came, _):
        assert "413" in (await answer(came)).splitlines()[0]
    assert reader.parts == []


async def test_an_undeclared_length_is_refused_when_it_is_too_long():
    reader = Reader()
    reader.go_on.set()
    async with serving(reader) as port, sending(port, None) as (came, writer):
        for _ in range(11):
            writer.write(b"%x\r\n" % 10_000 + b"x" * 10_000 + b"\r\n")
        assert "413" in (await answer(came)).splitlines()[0]
    assert sum(map(len, reader.parts)) <= SIZE_MAX


@pytest.mark.parametrize("drip", [b"", b"x"])
async def test_a_client_that_sends_too_little_is_left(monkeypatch: pytest.MonkeyPatch, drip: bytes):
    """Also one that always sends a little: each period must bring its share."""
    monkeypatch.setattr(incoming, "PERIOD_S", 0.6)
    reader = Reader()
    reader.go_on.set()
    async with serving(reader) as port, sending(port, 50_000) as (came, writer):
        began = asyncio.get_running_loop().time()
        waiting = asyncio.create_task(answer(came))
        while not waiting.done():
            writer.write(drip)
            await asyncio.wait([waiting], timeout=0.05)

        assert "400" in (await waiting).splitlines()[0]
        assert 0.5 < asyncio.get_running_loop().time() - began < 5


async def test_a_slow_reader_is_not_the_clients_fault(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(incoming, "PERIOD_S", 0.3)
    reader = Reader()
    async with serving(reader) as port, sending(port, SIZE_MAX) as (came, writer):
        writer.write(b"x" * SIZE_MAX)
        await asyncio.sleep(1)
        reader.go_on.set()

        assert "201" in (await answer(came)).splitlines()[0]


async def test_a_client_that_takes_its_time_but_sends_enough_is_served(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(incoming, "PERIOD_S", 0.5)
    reader = Reader()
    reader.go_on.set()
    async with serving(reader) as port, sending(port, 80_000) as (came, writer):
        for _ in range(4):
            writer.write(b"x" * 20_000)
            await asyncio.sleep(0.3)

        assert "201" in (await answer(came)).splitlines()[0]
