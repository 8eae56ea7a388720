"""Carrying bytes to and from listeners that fail in all ways they can, over real sockets."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from libs import errors
from libs.contracts.blobs.transfers import Ticket
from services.gateway.http import forwarding as carrying
from services.gateway.http.forwarding import Bytes
from services.gateway.http.route import Cut
from tools.stack.ports import choose_port

type Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def ticket(port: int) -> Ticket:
    url = f"http://127.0.0.1:{port}/bytes"
    return Ticket(ticket="a.b", url=url, expires_at=datetime.now(UTC))


@asynccontextmanager
async def listener(serve: Serve) -> AsyncGenerator[int]:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def carrier() -> AsyncGenerator[Bytes]:
    made = Bytes()
    yield made
    await made.close()


def answering(status: int, body: bytes, declared: int | None = None) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        length = len(body) if declared is None else declared
        writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n".encode() + body)
        await writer.drain()

    return serve


async def nothing() -> AsyncGenerator[bytes]:
    yield b"x"


async def test_less_than_was_said_is_never_taken_for_the_whole(carrier: Bytes):
    async with listener(answering(200, b"x" * 10, declared=100)) as port:
        answer = await carrier.read(ticket(port), "GET", {})
        assert answer.stream

        with pytest.raises(Cut):
            async for _ in answer.stream.source:
                pass


async def test_what_is_left_before_it_began_gives_its_connection_back(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(carrying, "CONNECTIONS_MAX", 2)
    monkeypatch.setattr(carrying, "POOL_WAIT_S", 0.5)
    carrier = Bytes()
    async with listener(answering(200, b"x" * 1000)) as port:
        for _ in range(5):
            answer = await carrier.read(ticket(port), "GET", {})
            assert answer.stream
            await answer.stream.source.aclose()
    await carrier.close()


async def test_another_listener_is_asked_while_one_is_away(carrier: Bytes):
    """Whatever one believes, all believe; nothing was sent yet."""
    async with listener(answering(200, b"hello")) as port:
        await carrier.head(ticket(port), 5)

        assert await carrier.head(ticket(choose_port(set())), 5) == b"hello"


async def test_when_all_are_away_that_is_said(carrier: Bytes):
    with pytest.raises(errors.Unavailable):
        carrier.ticket("a.b")
    for attempt in (
        carrier.read(ticket(choose_port(set())), "GET", {}),
        carrier.put(ticket(choose_port(set())), nothing(), length=1),
    ):
        with pytest.raises(errors.Unavailable):
            await attempt


async def test_what_blobs_refuses_is_raised_as_it_was_there(carrier: Bytes):
    said = {"code": "QUOTA_EXCEEDED", "detail": "No room.", "data": {"quotaBytes": 5}}
    async with listener(answering(507, json.dumps(said).encode())) as port:
        with pytest.raises(errors.QuotaExceeded) as refusal:
            await carrier.put(ticket(port), nothing(), length=1)

    assert (refusal.value.detail, refusal.value.data) == ("No room.", {"quotaBytes": 5})


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"code":1}', b"x" * (carrying.FAILURE_BYTES_MAX + 1)]
)
async def test_what_is_no_answer_of_blobs_is_its_absence(carrier: Bytes, body: bytes):
    for status in (404, 500):
        async with listener(answering(status, body)) as port:
            with pytest.raises(errors.Unavailable):
                await carrier.read(ticket(port), "GET", {})


async def test_a_broken_body_breaks_off_the_request(carrier: Bytes):
    """The listener sees the end of the connection and not the end of a body."""
    seen = asyncio.Queue[bytes]()

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await seen.put(await reader.read())

    async def broken() -> AsyncGenerator[bytes]:
        yield b"first"
        raise errors.Invalid("The request ended before its body.")

    async with listener(serve) as port:
        with pytest.raises(errors.Invalid):
            await carrier.put(ticket(port), broken(), length=None)
        async with asyncio.timeout(5):
            got = await seen.get()

    assert b"first" in got
    assert not got.endswith(b"0\r\n\r\n")
