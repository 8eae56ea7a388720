"""A client of an event stream: reads what the standard says, comes back where it was."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

import asyncpg
import httpx

from tests.gateway.support import Json, Person
from tests.support.waiting import until
from tools.stack import Stack

QUIET_S = 0.5
"""Long enough for an event to come that must not come."""
CONNECT_S = 10.0
ANNOUNCED_S_MAX = 10.0


async def announced(stack: Stack) -> None:
    """Wait until all that is committed was announced: "from now on" begins behind that."""
    connection = await asyncpg.connect(stack.postgres_url("events", "events"))
    none = "SELECT NOT EXISTS (SELECT FROM outbox WHERE published_at IS NULL)"
    try:
        await until(lambda: connection.fetchval(none), ANNOUNCED_S_MAX)
    finally:
        await connection.close()


@dataclass
class Follower:
    """What came over one stream, or over several one after the other."""

    events: list[Json] = field(default_factory=list[Json])
    comments: list[str] = field(default_factory=list[str])
    last_id: str | None = None
    retry_ms: int | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def positions(self) -> list[int]:
        return [each["position"] for each in self.events]

    @property
    def types(self) -> list[str]:
        return [each["event"]["eventType"] for each in self.events]

    async def until(self, holds: Callable[[Self], object], timeout_s: float = 10) -> None:
        """Wait until *holds* of what came so far."""
        await until(lambda: holds(self), timeout_s)

    async def quiet(self) -> None:
        """Wait for what must not come."""
        await asyncio.sleep(QUIET_S)

    def take(self, block: list[str]) -> None:
        """Take one block of lines, as WHATWG HTML 9.2.6 says."""
        data: list[str] = []
        for line in block:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            match name:
                case "":
                    self.comments.append(value)
                case "id":
                    self.last_id = value
                case "retry":
                    self.retry_ms = int(value)
                case "data":
                    data.append(value)
                case _:
                    raise AssertionError(line)
        if data:
            said = json.loads("\n".join(data))
            # The id is a place in the log of events and in the facts of collab.
            assert str(said["position"]) in str(self.last_id).split("-")
            self.events.append(said)

    async def read(self, answer: httpx.Response) -> None:
        """Read a stream to its end."""
        block: list[str] = []
        try:
            async for line in answer.aiter_lines():
                if line:
                    block.append(line)
                else:
                    self.take(block)
                    block = []
        finally:
            self.ended.set()


@asynccontextmanager
async def answered(
    url: str,
    token: str,
    project_id: str,
    *,
    headers: Mapping[str, str] | None = None,
    **query: str,
) -> AsyncGenerator[httpx.Response]:
    """Ask for a stream at a gateway."""
    given = {"Authorization": f"Bearer {token}", **(headers or {})}
    timeout = httpx.Timeout(CONNECT_S, read=None)
    async with (
        httpx.AsyncClient(base_url=url, timeout=timeout) as http,
        http.stream(
            "GET", f"/api/projects/{project_id}/events", headers=given, params=query
        ) as answer,
    ):
        yield answer


@asynccontextmanager
async def following(
    url: str,
    person: Person,
    project_id: str,
    follower: Follower | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    **query: str,
) -> AsyncGenerator[Follower]:
    """Follow a project; from where *follower* is, if it was somewhere."""
    follower = follower or Follower()
    follower.ended.clear()
    known = {"Last-Event-ID": follower.last_id} if follower.last_id is not None else {}
    async with answered(
        url, person.access_token, project_id, headers={**known, **(headers or {})}, **query
    ) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        reading = asyncio.create_task(follower.read(answer))
        try:
            # The stream has its place in the log when it says so.
            await follower.until(lambda each: each.last_id is not None)
            yield follower
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError, httpx.HTTPError):
                await reading


async def refused(url: str, token: str, project_id: str, **more: Any) -> httpx.Response:
    """Ask for a stream that is not to be had; returns the answer."""
    async with answered(url, token, project_id, **more) as answer:
        assert answer.status_code != 200
        await answer.aread()
        return answer


async def pulled(person: Person, project_id: str) -> list[Json]:
    """All of a project's events, from the log itself."""
    found: list[Json] = []
    after = ""
    while True:
        query = f"?after={after}" if after else ""
        answer = (await person.get(f"/api/projects/{project_id}/sync/pull{query}")).json()
        found += answer["items"]
        after = answer["next"]
        if not answer["more"]:
            return found


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port
    return port
