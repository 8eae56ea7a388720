"""A stream from inside: what takes an hour outside, and what depends on its limits."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from libs import errors
from libs.bus import Caller, Client, connect_broker
from libs.contracts.actor import Role
from libs.postgres import connect
from libs.process.goodbyes import Goodbyes
from services.events.model.aggregates import AGGREGATES
from services.gateway.access import permissions
from services.gateway.access.authority import Authority
from services.gateway.access.permissions import Access
from services.gateway.accounts.identity.model import Identity
from services.gateway.accounts.teams import TeamStore
from services.gateway.streams import Streams, stream, streams, tail
from services.gateway.streams.position import StreamPosition
from services.gateway.streams.rights import action_of
from tests.gateway.following import Follower, announced
from tests.gateway.support import Manuscript, Person
from tools.stack import Stack


class NobodyAsks:
    """Tokens play no part here."""

    async def identify(self, token: str) -> Identity:
        raise errors.Unauthenticated(token)


@dataclass
class Inside:
    """Streams of this process, and somebody who follows over them."""

    streams: Streams
    client: Client
    identity: Identity
    access: Access

    async def open(self, after: int | None = None, *, wanted: bool = True) -> AsyncGenerator[bytes]:
        return await self.streams.open(
            self.identity,
            self.access,
            after=None if after is None else StreamPosition(after),
            wanted=lambda _: wanted,
        )


@pytest.fixture
async def inside(stack: Stack, manuscript: Manuscript) -> AsyncIterator[Inside]:
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="inside"
    )
    pool = await connect(stack.postgres_url("gateway", "gateway"), application="inside")
    caller = Caller(client)
    authority = Authority(
        client=client, caller=caller, identities=NobodyAsks(), teams=TeamStore(pool)
    )
    identity = Identity(UUID(manuscript.owner.id), "Mary", "mary@example.org")
    access = Access(UUID(manuscript.project["id"]), Role.OWNER)
    await announced(stack)
    yield Inside(Streams(client, caller, authority), client, identity, access)
    await broker.stop()
    await pool.close()


async def tags(manuscript: Manuscript, count: int) -> None:
    for number in range(count):
        await tag(manuscript, f"tag {number}")


async def tag(manuscript: Manuscript, name: str) -> None:
    path = f"/api/projects/{manuscript.project['id']}/tags"
    await manuscript.owner.made(path, {"name": name})


def take(follower: Follower, parts: bytes) -> None:
    for block in parts.decode().split("\n\n")[:-1]:
        follower.take(block.splitlines())


async def rest_of(source: AsyncGenerator[bytes], follower: Follower) -> None:
    async with asyncio.timeout(10):
        async for part in source:
            take(follower, part)


async def test_silence_is_filled_and_moves_on(
    inside: Inside, manuscript: Manuscript, monkeypatch: pytest.MonkeyPatch
):
    """Proxies see life; a client that wants none of what happens still comes back further on."""
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.2)
    follower = Follower()
    source = await inside.open(wanted=False)
    take(follower, await anext(source))
    began = follower.last_id
    await tags(manuscript, 3)
    await asyncio.sleep(0.3)
    for _ in range(2):
        take(follower, await anext(source))
    await source.aclose()

    assert len(follower.comments) == 2
    assert follower.events == []
    assert int(follower.last_id or 0) >= int(began or 0) + 3


async def test_who_fell_behind_reads_the_log_up_to_the_tail(
    inside: Inside, manuscript: Manuscript, monkeypatch: pytest.MonkeyPatch
):
    """From one to the other without a gap, whatever the tail has let go meanwhile."""
    monkeypatch.setattr(tail, "TAIL_EVENTS_MAX", 3)
    follower = Follower()
    source = await inside.open()
    take(follower, await anext(source))
    await tags(manuscript, 20)
    while len(follower.events) < 20:
        async with asyncio.timeout(5):
            take(follower, await anext(source))
    await source.aclose()

    names = [each["event"]["data"]["name"] for each in follower.events]
    assert names == [f"tag {number}" for number in range(20)]
    assert follower.positions == sorted(set(follower.positions))


async def test_a_token_that_ends_ends_the_stream(inside: Inside):
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    inside.identity = replace(inside.identity, expires_at=soon)
    follower = Follower()
    await rest_of(await inside.open(), follower)

    assert follower.comments == ["your token has expired; come back with a fresh one"]
    assert datetime.now(UTC) >= soon


async def test_nobody_stays_for_ever(inside: Inside, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stream, "STREAM_S_MAX", 0.3)
    follower = Follower()
    await rest_of(await inside.open(), follower)

    assert follower.comments == ["come back and go on where you were"]


async def test_who_reads_too_slowly_is_told_to_come_back(
    inside: Inside, manuscript: Manuscript, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stream, "SLOW_S", 0.1)
    follower = Follower()
    source = await inside.open()
    take(follower, await anext(source))
    await tags(manuscript, 1)
    take(follower, await anext(source))
    await asyncio.sleep(0.3)
    await rest_of(source, follower)

    assert follower.comments == ["too slow; come back and go on where you were"]
    assert len(follower.events) == 1


async def test_places_are_limited_and_given_back(inside: Inside, monkeypatch: pytest.MonkeyPatch):
    """A stream that was never begun, one that was closed, one that could not be opened."""
    monkeypatch.setattr(streams, "STREAMS_MAX", 1)
    for begun in (True, False):
        source = await inside.open()
        if begun:
            await anext(source)
        with pytest.raises(errors.Unavailable):
            await inside.open()
        await source.aclose()
    for _ in range(2):
        with pytest.raises(errors.Gone):
            await inside.open(after=-5)
    source = await inside.open()
    await anext(source)
    await source.aclose()


async def test_a_full_stop_takes_nobody_new(inside: Inside):
    follower = Follower()
    source = await inside.open()
    take(follower, await anext(source))
    reading = asyncio.create_task(rest_of(source, follower))
    await inside.streams.drain(Goodbyes(per_s=100.0, within_s=1.0))
    await reading

    assert follower.comments[0].startswith("restarting")
    with pytest.raises(errors.Unavailable):
        await inside.open()


async def test_the_log_itself_says_who_is_removed(
    inside: Inside, manuscript: Manuscript, percy: Person
):
    """Nobody tells these streams about members: the place in the log alone decides."""
    await manuscript.welcome(percy, Role.READER)
    inside.identity = replace(inside.identity, user_id=UUID(percy.id))
    inside.access = replace(inside.access, role=Role.READER)
    follower = Follower()
    source = await inside.open()
    take(follower, await anext(source))
    await tags(manuscript, 2)
    while follower.types[-2:] != ["tag.created", "tag.created"]:
        take(follower, await anext(source))
    members = f"/api/projects/{manuscript.project['id']}/members"
    assert (await manuscript.owner.ask("DELETE", f"{members}/{percy.id}")).status_code == 204
    await tag(manuscript, "unseen")
    await rest_of(source, follower)

    assert follower.types[-2:] == ["tag.created", "tag.created"]
    assert "unseen" not in str(follower.events)
    assert follower.comments == ["you may no longer follow this project"]


async def test_rights_that_cannot_be_known_hold_events_back_and_end_nothing(
    inside: Inside, stack: Stack, manuscript: Manuscript
):
    """An outage of the authority is never taken for a removal, nor for a permission."""
    follower = Follower()
    source = await inside.open()
    take(follower, await anext(source))
    stack.kill("events-1")
    await stack.wait_ended("events-1")
    inside.streams.membership_changed(inside.access.project_id, inside.identity.user_id)
    waiting = asyncio.create_task(anext(source))
    await asyncio.sleep(1)
    still = not waiting.done()
    await stack.restart("events-1")
    await tags(manuscript, 1)
    async with asyncio.timeout(20):
        take(follower, await waiting)
    await source.aclose()

    assert still
    assert [each["event"]["eventType"] for each in follower.events] == ["tag.created"]


@pytest.mark.parametrize("kind", AGGREGATES)
def test_every_kind_of_event_has_its_permission(kind: str):
    """Whatever the matrix does not know is shown to nobody."""
    assert action_of(kind) in permissions.MATRIX
    assert permissions.MATRIX[action_of(kind)] >= {Role.OWNER}


async def test_kinds_that_a_role_may_not_read_are_left_out(
    inside: Inside, manuscript: Manuscript, monkeypatch: pytest.MonkeyPatch
):
    matrix = {**permissions.MATRIX, "tag.read": frozenset({Role.MAINTAINER})}
    monkeypatch.setattr(permissions, "MATRIX", matrix)
    follower = Follower()
    source = await inside.open()
    take(follower, await anext(source))
    await tags(manuscript, 2)
    path = f"/api/projects/{manuscript.project['id']}/books"
    await manuscript.owner.made(path, {"title": "Seen"})
    while not follower.events:
        async with asyncio.timeout(5):
            take(follower, await anext(source))
    await source.aclose()

    assert follower.types == ["book.created"]


async def test_the_document_is_served_and_the_page_links_to_it(
    manuscript: Manuscript,
):
    """Without a token, as the other document is."""
    http = manuscript.owner.http
    document = (await http.get("/api/asyncapi.json")).json()
    page = (await http.get("/api/docs")).text

    assert document["asyncapi"] == "3.0.0"
    assert "scene.created" in document["components"]["messages"]
    assert "/api/asyncapi.json" in page
