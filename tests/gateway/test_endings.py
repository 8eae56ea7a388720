"""A token that is gone ends what it opened, at every gateway, whatever it is gone by."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from libs.postgres import Pool
from services.gateway.accounts.identity import Identity
from services.gateway.accounts.identity.endings import Endings
from services.gateway.accounts.identity.store import IdentityStore
from tests.gateway.following import following
from tests.gateway.support import PASSWORD, Manuscript, Person, is_problem, some_id
from tests.support.waiting import until
from tools.stack import Stack

UNAUTHENTICATED = 4401
SOON_S = 4.0
"""Sooner than what nobody told is looked for."""
STEP_1 = bytes((0, 0, 1, 0))
ACKNOWLEDGED = 100
UPDATE = bytes((0, 2, 17, 1, 1, 1, 0, 4, 1, 7, *b"content", 1, 98, 0))
"""A client called 1 writes one letter."""


@dataclass
class Credential:
    """A token, and how it is taken back."""

    person: Person
    take_back: Callable[[], Awaitable[httpx.Response]]


async def session(mary: Person) -> Person:
    """Log in once more."""
    login = {"email": mary.email, "password": PASSWORD}
    said = (await mary.http.post("/api/auth/login", json=login)).json()
    return Person(mary.http, mary.id, mary.email, said["accessToken"], said["refreshToken"])


async def personal(by: Person, *scopes: str) -> tuple[Person, str]:
    """A personal token, and its id."""
    made = await by.made("/api/tokens", {"name": "t", "scopes": list(scopes)})
    return Person(by.http, by.id, by.email, made["token"], ""), made["id"]


async def deleted(mary: Person) -> Credential:
    token, token_id = await personal(mary, "write")
    return Credential(token, lambda: mary.ask("DELETE", f"/api/tokens/{token_id}"))


async def made_by_a_deleted_one(mary: Person) -> Credential:
    maker, maker_id = await personal(mary, "admin")
    middle, _ = await personal(maker, "admin")
    token, _ = await personal(middle, "write")
    return Credential(token, lambda: mary.ask("DELETE", f"/api/tokens/{maker_id}"))


async def logged_out(mary: Person) -> Credential:
    one = await session(mary)
    body = {"refreshToken": one.refresh_token}
    return Credential(one, lambda: one.post("/api/auth/logout", body))


async def logged_out_everywhere(mary: Person) -> Credential:
    one, other = await session(mary), await session(mary)
    body = {"refreshToken": other.refresh_token, "everywhere": True}
    return Credential(one, lambda: one.post("/api/auth/logout", body))


async def stolen(mary: Person) -> Credential:
    """Spent, its successor spent, and spent again."""
    one = await session(mary)
    body = {"refreshToken": one.refresh_token}
    heir = (await one.post("/api/auth/refresh", body)).json()["refreshToken"]
    await one.post("/api/auth/refresh", {"refreshToken": heir})
    return Credential(one, lambda: one.post("/api/auth/refresh", body))


type Way = Callable[[Person], Awaitable[Credential]]

WAYS: dict[str, Way] = {
    "deleted": deleted,
    "made by a deleted one": made_by_a_deleted_one,
    "logged out": logged_out,
    "logged out everywhere": logged_out_everywhere,
    "stolen": stolen,
}


async def collab(url: str, who: Person, scene: str) -> ClientConnection:
    socket = await connect(
        f"{url.replace('http', 'ws', 1)}/collab/{scene}?token={who.access_token}&acks=1",
        compression=None,
    )
    await socket.send(STEP_1)
    await asyncio.wait_for(socket.recv(), 5)
    return socket


async def application(url: str, who: Person) -> ClientConnection:
    socket = await connect(f"{url.replace('http', 'ws', 1)}/ws", compression=None)
    hello = {"type": "client.hello", "userId": who.id, "token": who.access_token}
    hello |= {"capabilities": []}
    await socket.send(json.dumps(hello))
    assert json.loads(await asyncio.wait_for(socket.recv(), 5))["type"] == "server.ready"
    return socket


async def closed(socket: ClientConnection) -> int | None:
    """The code that a socket is closed with."""
    with suppress(ConnectionClosed):
        while True:
            await socket.recv()
    return socket.close_code


@pytest.mark.parametrize("way", WAYS)
async def test_what_a_token_opened_ends_with_it_at_every_gateway(
    stack: Stack, manuscript: Manuscript, http2: httpx.AsyncClient, way: str
):
    """Sockets and event streams do not wait until they would be looked at again."""
    mary, scene = manuscript.owner, manuscript.scene["id"]
    bystander = await session(mary) if way != "logged out everywhere" else None
    gone = await WAYS[way](mary)
    twin = Person(http2, mary.id, "", gone.person.access_token, "")
    for each in (gone.person, twin):
        assert (await each.get("/api/me")).status_code == 200
    here, there = stack.gateways
    sockets = [
        await collab(here, gone.person, scene),
        await collab(there, gone.person, scene),
        await application(here, gone.person),
        await application(there, gone.person),
    ]
    async with (
        following(here, gone.person, manuscript.project["id"]) as one,
        following(there, gone.person, manuscript.project["id"]) as two,
    ):
        kept = await collab(there, bystander, scene) if bystander else None

        await gone.take_back()

        async with asyncio.timeout(SOON_S):
            codes = await asyncio.gather(*(closed(each) for each in sockets))
            await one.ended.wait()
            await two.ended.wait()
    assert codes == [UNAUTHENTICATED] * 4
    for follower in (one, two):
        assert follower.comments[-1] == "your session or token has ended; log in again"
    for each in (gone.person, twin):
        assert is_problem(await each.get("/api/me"), 401, "UNAUTHENTICATED")
    if kept:
        await kept.send(UPDATE)
        assert (await asyncio.wait_for(acknowledged(kept), 5))[0] == ACKNOWLEDGED
        await kept.close()


@pytest.mark.parametrize("way", ["deleted", "logged out"])
async def test_an_upload_under_way_ends_with_its_token(
    stack: Stack, manuscript: Manuscript, http2: httpx.AsyncClient, way: str
):
    """A token is looked at once; a file of gigabytes comes for hours."""
    mary, part = manuscript.owner, b"x" * 20_000
    gone = await WAYS[way](mary)
    slow = Person(http2, mary.id, "", gone.person.access_token, "")
    tus = {"Tus-Resumable": "1.0.0"}
    path = f"/api/projects/{manuscript.project['id']}/uploads"
    length = {"Upload-Length": str(len(part) * 3)}
    url = (await slow.ask("POST", path, headers=tus | length)).headers["location"]
    socket = await application(stack.gateways[1], gone.person)

    async def coming() -> AsyncGenerator[bytes]:
        yield part
        await gone.take_back()
        assert await closed(socket) == UNAUTHENTICATED
        yield part
        yield part

    given = tus | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    answer = await slow.ask("PATCH", url, content=coming(), headers=given)

    assert is_problem(answer, 401, "UNAUTHENTICATED")
    shown = await (await session(mary)).ask("GET", url, headers=tus)
    assert shown.json()["offset"] <= len(part)


async def test_a_download_under_way_ends_with_its_token(
    stack: Stack, manuscript: Manuscript, mary: Person
):
    """Also at the gateway that did not take it back; it is not taken for the whole file."""
    body = os.urandom(48 << 20)
    path = f"/api/projects/{manuscript.project['id']}/blobs"
    stored = await mary.ask("POST", path, content=body, timeout=60)
    gone = await deleted(mary)
    url = f"{stack.gateways[1]}{path}/{stored.json()['sha256']}"
    headers = {"Authorization": f"Bearer {gone.person.access_token}"}

    async with httpx.AsyncClient() as http, http.stream("GET", url, headers=headers) as answer:
        assert answer.status_code == 200
        coming, got = answer.aiter_raw(), 0
        got += len(await anext(coming))
        await gone.take_back()
        await asyncio.sleep(1)
        with pytest.raises(httpx.RemoteProtocolError):
            async for part in coming:
                got += len(part)
    assert got < len(body)


async def acknowledged(socket: ClientConnection) -> bytes:
    """The next message that says how far edits are durable."""
    while True:
        message = await socket.recv()
        assert isinstance(message, bytes)
        if message[0] == ACKNOWLEDGED:
            return message


async def test_nothing_more_is_taken_through_a_closed_socket(stack: Stack, manuscript: Manuscript):
    """What comes between the notice and the client's own close changes nothing."""
    token, token_id = await personal(manuscript.owner, "write")
    socket = await collab(stack.gateways[1], token, manuscript.scene["id"])
    assert (await manuscript.owner.ask("DELETE", f"/api/tokens/{token_id}")).is_success
    socket.transport.pause_reading()
    await asyncio.sleep(0.5)
    with suppress(ConnectionClosed):
        for _ in range(10):
            await socket.send(UPDATE)
    socket.transport.resume_reading()

    assert await asyncio.wait_for(closed(socket), SOON_S) == UNAUTHENTICATED
    text = await manuscript.owner.get(f"/api/scenes/{manuscript.scene['id']}/content")
    assert text.text == ""


@dataclass
class Held:
    """Connections that only note what happens to them."""

    open: list[Identity] = field(default_factory=list[Identity])

    def identities(self) -> Iterable[Identity]:
        return list(self.open)

    def close_ended(self, ended: Collection[UUID], now: datetime) -> None:
        self.open = [each for each in self.open if not each.is_over(ended, now)]


class TestWhatNobodyTold:
    @pytest.fixture
    def people(self, pool: Pool) -> IdentityStore:
        return IdentityStore(pool)

    @pytest.fixture
    def held(self) -> Held:
        return Held()

    @pytest.fixture
    def endings(self, people: IdentityStore, held: Held) -> Endings:
        endings = Endings(people, access_token_life_s=900)
        endings.watch(held)
        return endings

    async def opened(self, people: IdentityStore, mary: Person, life_s: int = 60) -> UUID:
        return await people.open_session(
            UUID(mary.id), str(some_id()), life_s=life_s, token_s=60, opened_from=bytes(32)
        )

    async def test_a_socket_outlives_its_access_token_and_not_its_session(
        self, endings: Endings, held: Held, people: IdentityStore, mary: Person, pool: Pool
    ):
        """An editor that is left open is not cut off from a session that is alive."""
        session_id = await self.opened(people, mary)
        past = datetime.now(UTC) - timedelta(minutes=5)
        held.open = [Identity(UUID(mary.id), "", "", expires_at=past, session_id=session_id)]
        await endings.look()
        assert held.open

        await pool.execute("UPDATE sessions SET expires_at = now() WHERE id = $1", session_id)
        await endings.look()
        assert not held.open

    async def test_an_ended_session_is_found_by_looking(
        self, endings: Endings, held: Held, people: IdentityStore, mary: Person, pool: Pool
    ):
        """A notice that was lost costs seconds; a session that was forgotten is over, too."""
        ended, forgotten, alive = [await self.opened(people, mary) for _ in range(3)]
        identities = [
            Identity(UUID(mary.id), "", "", session_id=each) for each in (ended, forgotten, alive)
        ]
        held.open = list(identities)
        await pool.execute("UPDATE sessions SET revoked_at = now() WHERE id = $1", ended)
        await pool.execute("DELETE FROM sessions WHERE id = $1", forgotten)
        await endings.look()

        assert held.open == [identities[2]]
        assert [endings.includes(each) for each in identities] == [True, True, False]

    async def test_who_was_let_in_while_it_was_heard_goes_with_the_next_look(
        self, endings: Endings, held: Held, people: IdentityStore, mary: Person, pool: Pool
    ):
        """Their token was good when it was looked at, and is known to have ended since."""
        session_id = await self.opened(people, mary)
        await pool.execute("UPDATE sessions SET revoked_at = now() WHERE id = $1", session_id)
        endings.note([session_id])
        held.open = [Identity(UUID(mary.id), "", "", session_id=session_id)]

        await endings.look()

        assert held.open == []

    async def test_a_session_that_ended_before_a_start_is_known_after_it(
        self, people: IdentityStore, mary: Person, pool: Pool
    ):
        """Its access token was given out before, and is good for minutes by itself."""
        session_id = await self.opened(people, mary)
        await pool.execute(
            "UPDATE sessions SET revoked_at = now() - interval '14 minutes' WHERE id = $1",
            session_id,
        )
        endings = Endings(people, access_token_life_s=900)
        await endings.look()

        assert endings.includes(Identity(UUID(mary.id), "", "", session_id=session_id))

    async def test_tokens_end_at_their_time(self, endings: Endings, held: Held, mary: Person):
        """Personal ones, and those of an external issuer, of whom nothing else is known."""
        soon = (datetime.now(UTC) + timedelta(seconds=0.5)).isoformat()
        body = {"name": "t", "scopes": ["read"], "expiresAt": soon}
        made = await mary.made("/api/tokens", body)
        now = datetime.now(UTC)
        person, past = UUID(mary.id), now - timedelta(seconds=1)
        future = now + timedelta(hours=1)
        expiring = Identity(person, "", "", expires_at=future, token_id=UUID(made["id"]))
        lasting = Identity(person, "", "", expires_at=future)
        held.open = [expiring, Identity(person, "", "", expires_at=past), lasting]
        await endings.look()
        assert held.open == [expiring, lasting]
        await asyncio.sleep(0.6)
        await endings.look()

        assert held.open == [lasting]


async def test_an_expired_token_ends_its_socket_within_seconds(
    stack: Stack, manuscript: Manuscript
):
    soon = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()
    body = {"name": "t", "scopes": ["write"], "expiresAt": soon}
    made = await manuscript.owner.made("/api/tokens", body)
    token = Person(manuscript.owner.http, manuscript.owner.id, "", made["token"], "")
    socket = await collab(stack.url, token, manuscript.scene["id"])

    assert await asyncio.wait_for(closed(socket), 10) == UNAUTHENTICATED


async def test_the_access_token_of_an_ended_session_is_refused_at_once_without_a_notice(
    http: httpx.AsyncClient, http2: httpx.AsyncClient, mary: Person
):
    """At the gateway that ended it before the answer, at the others a moment later."""
    one, other = await session(mary), await session(mary)
    twin = Person(http2, mary.id, "", other.access_token, "")
    assert (await twin.get("/api/me")).status_code == 200
    body = {"refreshToken": one.refresh_token, "everywhere": True}

    assert (await http.post("/api/auth/logout", json=body)).status_code == 204

    for each in (mary, one, other):
        assert is_problem(await each.get("/api/me"), 401, "UNAUTHENTICATED")

    async def refused() -> bool:
        return (await twin.get("/api/me")).status_code == 401

    await until(refused, 1)
    assert (await (await session(mary)).get("/api/me")).status_code == 200
