"""The bytes of a file come whole into an export, whatever breaks off between it and blobs."""

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from libs import errors
from libs.bus import Caller, connect_broker
from libs.contracts.actor import Actor
from libs.contracts.blobs.transfers import Ticket
from services.gateway.exchange import bytes_of
from services.gateway.exchange.bytes_of import BytesOf, Missing
from services.gateway.http.blob_tickets import Blobs
from services.gateway.http.forwarding import Bytes
from services.gateway.http.route import Answer
from tests.gateway.cutting import Cut, cutting_proxy
from tests.gateway.support import Manuscript, Person
from tools.stack import Stack

CONTENT = os.urandom(3 << 20)
CUT_BYTES = 1_200_000


@dataclass
class Detour:
    """Which way to blobs, and how many went it."""

    url: str
    asked: int = 0


class Roundabout(Bytes):
    """Reads by way of another address."""

    def __init__(self, detour: Detour) -> None:
        super().__init__()
        self._detour = detour

    async def read(
        self, ticket: Ticket, method: Literal["GET", "HEAD"], headers: Mapping[str, str]
    ) -> Answer:
        self._detour.asked += 1
        url = self._detour.url + urlsplit(ticket.url).path
        return await super().read(ticket.model_copy(update={"url": url}), method, headers)


@pytest.fixture(scope="module")
async def caller(stack: Stack) -> AsyncIterator[Caller]:
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="export"
    )
    yield Caller(client)
    await broker.stop()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytes_of, "TRY_DELAY_S", 0.01)


async def fetched(caller: Caller, manuscript: Manuscript, cuts: Iterator[Cut]) -> tuple[bytes, int]:
    """Store a file and read it as an export does, each connection cut; returns how often asked."""
    mary: Person = manuscript.owner
    path = f"/api/projects/{manuscript.project['id']}/blobs"
    stored = (await mary.ask("POST", path, content=CONTENT)).json()
    actor = Actor(user_id=UUID(mary.id), project_id=UUID(manuscript.project["id"]))
    _, ticket = await BytesOf(Blobs(caller, Bytes()), actor).find(stored["sha256"])
    port = urlsplit(ticket.url).port
    assert port
    cut: Callable[[], Cut] = lambda: next(cuts)  # noqa: E731 (an iterator is what says it best)
    async with cutting_proxy(port, cut) as url:
        detour = Detour(url)
        carrier = Roundabout(detour)
        reading = BytesOf(Blobs(caller, carrier), actor)
        blob, ticket = await reading.find(stored["sha256"])
        try:
            return b"".join([part async for part in reading.parts(blob, ticket)]), detour.asked
        finally:
            await carrier.close()


async def test_it_goes_on_where_a_connection_broke(caller: Caller, manuscript: Manuscript) -> None:
    """Any number of times, as long as something comes each time."""
    cuts = chain(repeat(Cut(received=CUT_BYTES), 2), repeat(Cut()))

    got, asked = await fetched(caller, manuscript, cuts)

    assert got == CONTENT
    assert asked == 3


async def test_it_is_given_up_when_nothing_comes(caller: Caller, manuscript: Manuscript) -> None:
    """The export is cut short then: its client must not take it for the whole."""
    with pytest.raises(errors.Unavailable):
        await fetched(caller, manuscript, repeat(Cut(received=0)))


async def test_what_never_was_there_is_missing(caller: Caller, manuscript: Manuscript) -> None:
    actor = Actor(user_id=UUID(manuscript.owner.id), project_id=UUID(manuscript.project["id"]))

    with pytest.raises(Missing, match="unknown"):
        await BytesOf(Blobs(caller, Bytes()), actor).find("0" * 64)
