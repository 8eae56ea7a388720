"""Teams that change: what they opened is closed at once, in every gateway, whoever dies."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from time import monotonic
from uuid import UUID

import httpx
import pytest
from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from libs import errors
from libs.bus import Caller, connect_broker
from libs.contracts.actor import Role
from libs.postgres import Pool
from libs.postgres import connect as connect_pool
from services.gateway.access.authority import Authority
from services.gateway.accounts.notifications import POLL_INTERVAL_S
from services.gateway.accounts.teams import TeamStore
from tests.gateway.support import Json, Manuscript, Person, is_problem
from tests.gateway.teams import delete, grant, join, leave, team_of, withdraw
from tests.gateway.test_authority import Nobody, identity_of
from tests.support.waiting import until
from tools.stack import Stack

SOON_S = 1.0
DENIED = 4003
AUTH = 2
"""The y-protocols message that tells a client it may not write."""
STEP_1 = bytes((0, 0, 1, 0))
"""A client that has nothing asks for everything."""


@pytest.fixture(scope="module")
async def authority(stack: Stack, pool: Pool) -> AsyncIterator[Authority]:
    """One that hears of nothing by itself."""
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="teams"
    )
    yield Authority(
        client=client, caller=Caller(client), identities=Nobody(), teams=TeamStore(pool)
    )
    await broker.stop()


@pytest.fixture
async def bucket(authority: Authority) -> KeyValue:
    return await authority._cache._open()  # pyright: ignore[reportPrivateUsage]


type Way = Callable[[Manuscript, Json, Person], Awaitable[httpx.Response]]

WAYS: dict[str, Way] = {
    "put out of the team": lambda m, team, who: leave(m.owner, team, who),
    "the team loses its role": lambda m, team, _: withdraw(m, team),
    "the team is deleted": lambda m, team, _: delete(m.owner, team),
}


async def opened(
    stack: Stack, gateway: int, manuscript: Manuscript, who: Person
) -> ClientConnection:
    url = stack.gateways[gateway].replace("http", "ws", 1)
    path = f"/collab/{manuscript.scene['id']}?token={who.access_token}"
    socket = await connect(url + path, compression=None)
    await socket.send(STEP_1)
    await asyncio.wait_for(socket.recv(), 5)
    return socket


async def closed(socket: ClientConnection) -> int | None:
    """The code that a socket is closed with."""
    with suppress(ConnectionClosed):
        while True:
            await socket.recv()
    return socket.close_code


class TestAtOnce:
    @pytest.mark.parametrize("way", WAYS)
    async def test_what_a_team_opened_is_closed_in_every_gateway(
        self, manuscript: Manuscript, percy: Person, http2: httpx.AsyncClient, way: str
    ):
        """Decisions are cached, but not longer than they are true."""
        team = await team_of(manuscript.owner, percy)
        await grant(manuscript, team, Role.WRITER)
        scene = f"/api/scenes/{manuscript.scene['id']}"
        twin = Person(http2, percy.id, "", percy.access_token, "")
        for each in (percy, twin, percy, twin):
            assert (await each.get(scene)).status_code == 200

        assert (await WAYS[way](manuscript, team, percy)).status_code == 204

        for each in (twin, percy):
            assert is_problem(await each.get(scene), 404, "NOT_FOUND")
            assert (await each.get("/api/projects")).json()["items"] == []

    @pytest.mark.parametrize("way", WAYS)
    async def test_open_sockets_of_the_other_gateway_follow_within_a_second(
        self, stack: Stack, manuscript: Manuscript, percy: Person, way: str
    ):
        team = await team_of(manuscript.owner, percy)
        await grant(manuscript, team, Role.WRITER)
        theirs = await opened(stack, 1, manuscript, percy)
        owners = await opened(stack, 1, manuscript, manuscript.owner)

        began = monotonic()
        assert (await WAYS[way](manuscript, team, percy)).status_code == 204
        code = await asyncio.wait_for(closed(theirs), 5)

        assert code == DENIED
        assert monotonic() - began < SOON_S
        assert owners.close_code is None, "nobody else goes"
        await owners.close()

    async def test_a_role_that_goes_down_is_told_to_an_open_socket(
        self, stack: Stack, manuscript: Manuscript, percy: Person
    ):
        """One's own role stays: they read on, and are told that they write no more."""
        team = await team_of(manuscript.owner, percy)
        await manuscript.welcome(percy, Role.READER)
        await grant(manuscript, team, Role.WRITER)
        socket = await opened(stack, 1, manuscript, percy)

        await leave(manuscript.owner, team, percy)

        async with asyncio.timeout(SOON_S):
            while True:
                message = await socket.recv()
                if isinstance(message, bytes) and message[0] == AUTH:
                    break
        assert socket.close_code is None
        await socket.close()

    async def test_coming_into_a_team_counts_at_once(
        self, manuscript: Manuscript, percy: Person, http2: httpx.AsyncClient
    ):
        team = await team_of(manuscript.owner)
        await manuscript.welcome(percy, Role.READER)
        await grant(manuscript, team, Role.MAINTAINER)
        path = f"/api/projects/{manuscript.project['id']}"
        twin = Person(http2, percy.id, "", percy.access_token, "")
        for each in (percy, twin, percy, twin):
            assert (await each.get(path)).json()["role"] == "READER"

        await join(manuscript.owner, team, percy)

        for each in (twin, percy):
            assert (await each.get(path)).json()["role"] == "MAINTAINER"

    async def test_coming_back_after_the_role_has_changed(
        self, manuscript: Manuscript, percy: Person
    ):
        """What was cached in an earlier time in the team is of that time."""
        team = await team_of(manuscript.owner, percy)
        path = f"/api/projects/{manuscript.project['id']}"
        await grant(manuscript, team, Role.WRITER)
        for _ in range(2):
            assert (await percy.get(path)).json()["role"] == "WRITER"
        await leave(manuscript.owner, team, percy)
        await grant(manuscript, team, Role.READER)

        await join(manuscript.owner, team, percy)

        assert (await percy.get(path)).json()["role"] == "READER"


class TestBehindTheGateways:
    """A gateway that dies after its commit leaves the rest to others."""

    async def reached(self, manuscript: Manuscript, percy: Person) -> Json:
        team = await team_of(manuscript.owner, percy)
        await grant(manuscript, team, Role.WRITER)
        for _ in range(3):
            assert (await percy.get(f"/api/scenes/{manuscript.scene['id']}")).status_code == 200
        return team

    async def is_out(self, manuscript: Manuscript, percy: Person) -> bool:
        answer = await percy.get(f"/api/scenes/{manuscript.scene['id']}")
        return answer.status_code == 404

    async def test_a_change_is_heard_from_the_database(
        self, manuscript: Manuscript, percy: Person, store: TeamStore, pool: Pool
    ):
        team = await self.reached(manuscript, percy)

        mary = UUID(manuscript.owner.id)
        await store.remove_member(UUID(team["id"]), mary, UUID(percy.id))

        await until(lambda: self.is_out(manuscript, percy), SOON_S)

        async def settled() -> bool:
            return not await pool.fetchval(
                "SELECT count(*) FROM stale_teams WHERE user_id = $1", UUID(percy.id)
            )

        await until(settled, SOON_S)

    async def test_listeners_that_were_cut_off_come_back(
        self, stack: Stack, manuscript: Manuscript, percy: Person, store: TeamStore
    ):
        """A change while nobody listened is found when they listen again."""
        team = await self.reached(manuscript, percy)
        socket = await opened(stack, 1, manuscript, percy)
        admin = await connect_pool(stack.postgres_url("gateway", "postgres"), application="admin")
        cut = await admin.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = 'gateway' AND application_name LIKE 'gateway%'"
            " AND (query LIKE 'LISTEN%' OR query LIKE '%FROM stale%')"
        )
        await admin.close()
        assert len(cut) >= 2, "both gateways listened"

        mary = UUID(manuscript.owner.id)
        await store.remove_member(UUID(team["id"]), mary, UUID(percy.id))

        assert await asyncio.wait_for(closed(socket), 10) == DENIED
        await until(lambda: self.is_out(manuscript, percy), 1)

    async def test_an_answer_from_before_a_change_never_counts_after_it(
        self,
        manuscript: Manuscript,
        percy: Person,
        store: TeamStore,
        authority: Authority,
        monkeypatch: pytest.MonkeyPatch,
    ):
        """Asked with the old teams, answered, and written back when they have changed."""
        team = await self.reached(manuscript, percy)
        me, scene = identity_of(percy), UUID(manuscript.scene["id"])
        await authority.access(me, "scene", scene)
        await authority.forget_role(UUID(manuscript.project["id"]), me.user_id)
        asked = authority._standing  # pyright: ignore[reportPrivateUsage]

        async def overtaken(*question: object) -> object:
            answer = await asked(*question)  # pyright: ignore[reportArgumentType]
            await store.remove_member(UUID(team["id"]), UUID(manuscript.owner.id), me.user_id)
            await authority.forget_teams(me.user_id)
            return answer

        monkeypatch.setattr(authority, "_standing", overtaken)
        await authority.access(me, "scene", scene)
        monkeypatch.undo()

        with pytest.raises(errors.NotFound):
            await authority.access(me, "scene", scene)

    async def test_what_nobody_told_is_found_and_dropped(
        self, percy: Person, pool: Pool, authority: Authority, bucket: KeyValue
    ):
        """The note of whose teams are stale outlives whoever wrote it."""
        me = UUID(percy.id)
        await authority.teams_of(me)
        assert (await bucket.get(f"teams.{me.hex}")).value

        await pool.execute("INSERT INTO stale_teams (user_id, version) VALUES ($1, 0)", me)

        async def settled() -> bool:
            noted = "SELECT count(*) FROM stale_teams WHERE user_id = $1"
            return not await pool.fetchval(noted, me)

        await until(settled, POLL_INTERVAL_S + 2)
        with pytest.raises(KeyNotFoundError):
            await bucket.get(f"teams.{me.hex}")


async def test_a_team_s_role_outlives_the_authority_and_nobody_is_refused(
    stack: Stack, manuscript: Manuscript, percy: Person
):
    """Not knowing is not a "no": cached goes on, unknown is 503."""
    team = await team_of(manuscript.owner, percy)
    await grant(manuscript, team, Role.READER)
    scene = f"/api/scenes/{manuscript.scene['id']}/content"
    for _ in range(2):
        assert (await percy.get(scene)).status_code == 200
    stack.kill("events-1")
    await stack.wait_ended("events-1")
    try:
        known = await percy.get(scene)
        unknown = await percy.get(f"/api/books/{manuscript.book['id']}")
        left = await leave(manuscript.owner, team, percy)
        after = await percy.get(scene)
    finally:
        await stack.restart("events-1")

    assert known.status_code == 200
    assert unknown.status_code == 503
    assert left.status_code == 204, "teams are the gateway's own"
    assert after.status_code == 503, "what was decided by the team counts no more"

    async def refused() -> bool:
        return (await percy.get(scene)).status_code == 404

    await until(refused, 10)
