"""Sockets are bounded before it is known whose they are, and by person after."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from services.gateway.access.limits import WINDOW_S
from services.gateway.live.json_socket import HELLO_BYTES_MAX
from services.gateway.live.socket_limits import SILENT_SOCKETS_MAX
from tests.gateway.support import Manuscript, Person, gateway_beside
from tests.support.waiting import until
from tools.stack import Stack

UNAUTHENTICATED = 4401
TOO_BIG = 1009
TRY_AGAIN = 1013
GUESSES = 5
PER_PERSON = 3
STEP_1 = bytes((0, 0, 1, 0))


@pytest.fixture(scope="module")
async def narrow(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A gateway with small limits, behind a proxy."""
    async with gateway_beside(
        stack,
        tmp_path_factory.mktemp("narrow"),
        limit_auth_per_minute=GUESSES,
        sockets_per_person_max=PER_PERSON,
        trusted_proxies="127.0.0.1",
    ) as url:
        yield url


@pytest.fixture
async def minute() -> None:
    """Enough of this minute is left for a test that counts within one."""
    left = WINDOW_S - time.time() % WINDOW_S
    if left < 15:
        await asyncio.sleep(left + 0.1)


def from_(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def opened(url: str, path: str, address: str = "192.0.2.1") -> ClientConnection:
    return await connect(
        url.replace("http", "ws", 1) + path, compression=None, additional_headers=from_(address)
    )


async def closed(socket: ClientConnection) -> tuple[int | None, list[str | bytes]]:
    """The code that a socket is closed with, and what came before."""
    said: list[str | bytes] = []
    with suppress(ConnectionClosed):
        while True:
            said.append(await asyncio.wait_for(socket.recv(), 15))
    return socket.close_code, said


def hello(who: Person) -> str:
    told = {"type": "client.hello", "userId": who.id, "token": who.access_token}
    return json.dumps(told | {"capabilities": []})


async def test_silent_sockets_of_one_address_are_bounded(narrow: str, mary: Person):
    """Those of others are not, and those that say who they are make room."""
    address, path = "192.0.2.2", "/ws"
    async with AsyncExitStack() as open_ones:
        sockets = [
            await open_ones.enter_async_context(await opened(narrow, path, address))
            for _ in range(SILENT_SOCKETS_MAX)
        ]
        with pytest.raises(InvalidStatus) as refused:
            await opened(narrow, path, address)
        assert refused.value.response.status_code == 429
        assert int(refused.value.response.headers["Retry-After"]) > 0
        await (await opened(narrow, path, "192.0.2.3")).close()

        await sockets[0].send(hello(mary))
        assert json.loads(await sockets[0].recv())["type"] == "server.ready"
        await (await opened(narrow, path, address)).close()
        await sockets[1].close()

    async def room() -> bool:
        with suppress(InvalidStatus):
            await (await opened(narrow, path, address)).close()
            return True
        return False

    await until(room, 5)


async def test_nobody_stays_unknown(stack: Stack):
    """Neither by silence nor by talking of something else."""
    silent = await opened(stack.url, "/ws")
    talking = await opened(stack.url, "/ws")

    async def talk() -> None:
        with suppress(ConnectionClosed):
            while True:
                await talking.send(json.dumps({"type": "presence.update"}))
                await asyncio.sleep(1)

    talk_task = asyncio.create_task(talk())
    codes = await asyncio.gather(closed(silent), closed(talking))
    await talk_task

    assert [code for code, _ in codes] == [UNAUTHENTICATED] * 2


async def test_a_client_that_is_unknown_says_little(stack: Stack):
    socket = await opened(stack.url, "/ws")
    await socket.send(json.dumps({"type": "client.hello", "x": "x" * HELLO_BYTES_MAX}))
    code, said = await closed(socket)

    assert code == TOO_BIG
    assert json.loads(said[0])["code"] == "TOO_LARGE"


@pytest.mark.usefixtures("minute")
async def test_wrong_tokens_are_counted(narrow: str, manuscript: Manuscript):
    """By address, on both sockets together; a good token goes on being good there."""
    scene, address = manuscript.scene["id"], "192.0.2.4"
    codes: list[int | None] = []
    for number in range(GUESSES + 2):
        if number % 2:
            socket = await opened(narrow, f"/collab/{scene}?token=scp_{number}", address)
        else:
            socket = await opened(narrow, "/ws", address)
            wrong = Person(manuscript.owner.http, manuscript.owner.id, "", f"scp_{number}", "")
            await socket.send(hello(wrong))
        codes.append((await closed(socket))[0])

    assert codes == [UNAUTHENTICATED] * GUESSES + [TRY_AGAIN] * 2
    token = manuscript.owner.access_token
    good = await opened(narrow, f"/collab/{scene}?token={token}", address)
    await good.send(STEP_1)
    assert await asyncio.wait_for(good.recv(), 5)
    await good.close()
    async with httpx.AsyncClient(base_url=narrow) as http:
        body = {"email": "nobody@example.org", "password": "wrong"}
        login = await http.post("/api/auth/login", json=body, headers=from_(address))
    assert login.status_code == 401, "logins have an allowance of their own"


async def test_a_person_has_so_many_sockets(narrow: str, manuscript: Manuscript, percy: Person):
    """Of either kind; others are not concerned, and one that is closed makes room."""
    mary, scene = manuscript.owner, manuscript.scene["id"]
    path = f"/collab/{scene}?token={mary.access_token}"
    async with AsyncExitStack() as open_ones:
        sockets = [
            await open_ones.enter_async_context(await opened(narrow, path))
            for _ in range(PER_PERSON)
        ]
        for socket in sockets:
            await socket.send(STEP_1)
            await asyncio.wait_for(socket.recv(), 5)
        assert (await closed(await opened(narrow, path)))[0] == TRY_AGAIN
        one_more = await opened(narrow, "/ws")
        await one_more.send(hello(mary))
        code, said = await closed(one_more)
        assert (code, json.loads(said[0])["code"]) == (TRY_AGAIN, "RATE_LIMITED")
        other = await open_ones.enter_async_context(await opened(narrow, "/ws"))
        await other.send(hello(percy))
        assert json.loads(await other.recv())["type"] == "server.ready"
        await sockets[0].close()

        async def room() -> bool:
            socket = await opened(narrow, path)
            await socket.send(STEP_1)
            try:
                return bool(await asyncio.wait_for(socket.recv(), 5))
            except ConnectionClosed:
                return False
            finally:
                await socket.close()

        await until(room, 5)
