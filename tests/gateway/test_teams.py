"""Teams: made and named by their owners, and what they open to those who are in them."""

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
from libs.contracts.ids import new_id
from libs.postgres import Pool
from libs.postgres import connect as connect_pool
from libs.stack import Stack
from services.gateway.authority import Authority
from services.gateway.teams import TeamStore
from services.gateway.teams.changes import POLL_INTERVAL_S
from services.gateway.teams.model import TeamPlace
from tests.gateway.support import Json, Manuscript, Person, is_problem, some_id, until
from tests.gateway.test_authority import Nobody, identity_of

SOON_S = 1.0
DENIED = 4003
AUTH = 2
"""The y-protocols message that tells a client it may not write."""
STEP_1 = bytes((0, 0, 1, 0))
"""A client that has nothing asks for everything."""


@pytest.fixture(scope="module")
async def pool(stack: Stack) -> AsyncIterator[Pool]:
    """The gateways' own database, for what happens behind their backs."""
    opened = await connect_pool(stack.postgres_url("gateway", "gateway"), application="test")
    yield opened
    await opened.close()


@pytest.fixture
def store(pool: Pool) -> TeamStore:
    return TeamStore(pool)


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
    return await authority._open()  # pyright: ignore[reportPrivateUsage]


async def team_of(owner: Person, *members: Person, name: str = "Editors") -> Json:
    team = await owner.made("/api/teams", {"name": name})
    for each in members:
        await join(owner, team, each)
    return team


async def join(owner: Person, team: Json, person: Person, role: str = "MEMBER") -> None:
    path = f"/api/teams/{team['id']}/members/{person.id}"
    answer = await owner.ask("PUT", path, json={"role": role})
    assert answer.status_code == 200, answer.text


async def leave(owner: Person, team: Json, person: Person) -> httpx.Response:
    return await owner.ask("DELETE", f"/api/teams/{team['id']}/members/{person.id}")


async def grant(
    manuscript: Manuscript, team: Json, role: Role, by: Person | None = None
) -> httpx.Response:
    path = f"/api/projects/{manuscript.project['id']}/teams/{team['id']}"
    return await (by or manuscript.owner).ask("PUT", path, json={"role": role})


async def withdraw(manuscript: Manuscript, team: Json) -> httpx.Response:
    path = f"/api/projects/{manuscript.project['id']}/teams/{team['id']}"
    return await manuscript.owner.ask("DELETE", path)


async def delete(owner: Person, team: Json) -> httpx.Response:
    path = f"/api/teams/{team['id']}"
    return await owner.ask("DELETE", path, headers={"If-Match": "*"})


class TestTeams:
    async def test_a_team_is_made_renamed_and_deleted(self, mary: Person):
        made = await mary.post("/api/teams", {"name": "Editors"})
        team, path = made.json(), made.headers["location"]
        assert made.status_code == 201
        assert (team["name"], team["version"], team["role"]) == ("Editors", 1, "OWNER")

        tag = made.headers["etag"]
        known = await mary.get(path, headers={"If-None-Match": tag})
        renamed = await mary.ask("PATCH", path, json={"name": "Readers"}, headers={"If-Match": tag})
        late = await mary.ask("PATCH", path, json={"name": "X"}, headers={"If-Match": tag})
        older = await mary.ask("PATCH", path, json={"name": "X", "baseVersion": 1})
        blind = await mary.ask("PATCH", path, json={"name": "X"})

        assert known.status_code == 304
        assert (renamed.json()["name"], renamed.json()["version"]) == ("Readers", 2)
        assert is_problem(late, 412, "PRECONDITION_FAILED")
        assert is_problem(older, 412, "PRECONDITION_FAILED")
        assert is_problem(blind, 428, "PRECONDITION_REQUIRED")
        assert is_problem(await mary.ask("DELETE", path), 428, "PRECONDITION_REQUIRED")
        gone = await mary.ask("DELETE", path, params={"baseVersion": 2})
        assert gone.status_code == 204
        assert is_problem(await mary.get(path), 404, "NOT_FOUND")
        assert (await mary.get("/api/teams")).json()["items"] == []

    async def test_a_retried_post_makes_one_team(self, mary: Person):
        headers = {"Idempotency-Key": "make my team"}
        first = await mary.post("/api/teams", {"name": "Editors"}, headers=headers)
        again = await mary.post("/api/teams", {"name": "Editors"}, headers=headers)

        assert first.json() == again.json()
        assert len((await mary.get("/api/teams")).json()["items"]) == 1

    async def test_a_post_that_was_cut_off_is_finished_by_its_retry(
        self, mary: Person, store: TeamStore
    ):
        """The same id comes again; another person's team of that id stays theirs."""
        team_id = new_id()
        first = await store.create(team_id, UUID(mary.id), "Editors")

        assert await store.create(team_id, UUID(mary.id), "Editors") == first
        with pytest.raises(errors.NotFound):
            await store.create(team_id, some_id(), "Mine")

    async def test_lists_are_paged_and_ones_own(self, mary: Person, percy: Person):
        mine = [(await team_of(mary, name=f"Team {n}"))["id"] for n in range(3)]
        await team_of(percy)
        seen: list[str] = []
        cursor = ""
        for _ in range(5):
            more = {"cursor": cursor} if cursor else {}
            page = (await mary.get("/api/teams", params={"limit": 2, **more})).json()
            seen += [each["id"] for each in page["items"]]
            cursor = page["nextCursor"]
            if not cursor:
                break

        assert seen == mine
        odd = await mary.get("/api/teams", params={"cursor": "nonsense"})
        assert is_problem(odd, 400, "VALIDATION_FAILED")

    async def test_members_are_seen_by_members_and_changed_by_owners(
        self, mary: Person, percy: Person, http: httpx.AsyncClient
    ):
        team = await team_of(mary, percy)
        path, stranger = f"/api/teams/{team['id']}", await Person.register(http, "Stranger")
        asked = [
            ("PATCH", path, {"name": "X", "baseVersion": 1}),
            ("DELETE", f"{path}?baseVersion=1", None),
            ("PUT", f"{path}/members/{stranger.id}", {"role": "MEMBER"}),
            ("PUT", f"{path}/members/{percy.id}", {"role": "OWNER"}),
            ("DELETE", f"{path}/members/{mary.id}", None),
        ]

        for method, where, body in asked:
            assert is_problem(await percy.ask(method, where, json=body), 403, "FORBIDDEN")
        asked += [("GET", path, None), ("GET", f"{path}/members", None)]
        for method, where, body in asked:
            assert is_problem(await stranger.ask(method, where, json=body), 404, "NOT_FOUND")
        items = (await percy.get(f"{path}/members")).json()["items"]
        shown = {(each["displayName"], each["role"]) for each in items}
        assert shown == {("Mary", "OWNER"), ("Percy", "MEMBER")}

    async def test_who_was_put_out_knows_the_team_no_more(self, mary: Person, percy: Person):
        team = await team_of(mary, percy)
        assert (await leave(mary, team, percy)).status_code == 204

        assert is_problem(await percy.get(f"/api/teams/{team['id']}"), 404, "NOT_FOUND")
        assert is_problem(await leave(mary, team, percy), 404, "NOT_FOUND")

    async def test_there_is_always_an_owner(self, mary: Person, percy: Person):
        team = await team_of(mary, percy)
        path = f"/api/teams/{team['id']}/members/{mary.id}"

        assert is_problem(await mary.ask("DELETE", path), 409, "LAST_OWNER")
        down = await mary.ask("PUT", path, json={"role": "MEMBER"})
        assert is_problem(down, 409, "LAST_OWNER")
        await join(mary, team, percy, "OWNER")
        assert (await mary.ask("DELETE", path)).status_code == 204
        assert is_problem(await leave(percy, team, percy), 409, "LAST_OWNER")

    async def test_owners_who_leave_at_once_leave_one(
        self, mary: Person, http: httpx.AsyncClient, http2: httpx.AsyncClient
    ):
        team = await team_of(mary)
        owners = [mary]
        for number in range(3):
            other = await Person.register((http, http2)[number % 2], "Owner")
            await join(mary, team, other, "OWNER")
            owners.append(other)

        answers = await asyncio.gather(*(leave(each, team, each) for each in owners))

        assert sorted(each.status_code for each in answers) == [204, 204, 204, 409]

    async def test_owners_who_put_each_other_out_at_once(
        self, mary: Person, percy: Person, store: TeamStore, pool: Pool
    ):
        """Whoever comes second is no longer in the team, and decides nothing."""
        team = await team_of(mary)
        await join(mary, team, percy, "OWNER")
        team_id, one, other = UUID(team["id"]), UUID(mary.id), UUID(percy.id)

        async def both_wait() -> bool:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            return await pool.fetchval(waiting) == 2

        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT FROM teams WHERE id = $1 FOR UPDATE", team_id)
            attempts = asyncio.gather(
                store.remove_member(team_id, one, other),
                store.remove_member(team_id, other, one),
                return_exceptions=True,
            )
            await until(both_wait, 5)
        answers = await attempts

        assert sorted(type(each).__name__ for each in answers) == ["NoneType", "NotFound"]

    async def test_nobody_unknown_comes_in(self, mary: Person):
        team = await team_of(mary)
        path = f"/api/teams/{team['id']}/members/{some_id()}"

        assert is_problem(await mary.ask("PUT", path, json={}), 404, "NOT_FOUND")
        odd = await mary.ask("PUT", path, json={"role": "READER"})
        assert is_problem(odd, 400, "VALIDATION_FAILED")

    async def test_there_are_limits(
        self, mary: Person, percy: Person, store: TeamStore, monkeypatch: pytest.MonkeyPatch
    ):
        team, me, him = UUID((await team_of(mary))["id"]), UUID(mary.id), UUID(percy.id)
        monkeypatch.setattr("services.gateway.teams.store.TEAM_MEMBERS_MAX", 1)
        with pytest.raises(errors.LimitReached):
            await store.put_member(team, me, him, TeamPlace.MEMBER)
        monkeypatch.setattr("services.gateway.teams.store.TEAM_MEMBERS_MAX", 500)
        monkeypatch.setattr("services.gateway.teams.store.TEAMS_PER_PERSON_MAX", 1)
        await store.put_member(team, me, him, TeamPlace.MEMBER)

        refused = new_id()
        made = await asyncio.gather(
            *(store.create(each, him, "Mine") for each in (refused, new_id())),
            return_exceptions=True,
        )

        assert [type(each).__name__ for each in made] == ["LimitReached"] * 2
        with pytest.raises(errors.NotFound):
            await store.read(refused, him)

    async def test_what_tokens_may(self, mary: Person, percy: Person):
        team = await team_of(mary)
        reader, writer = await mary.with_scopes("read"), await mary.with_scopes("write")
        path = f"/api/teams/{team['id']}/members/{percy.id}"

        assert (await reader.get("/api/teams")).status_code == 200
        assert is_problem(await reader.post("/api/teams", {"name": "X"}), 403, "FORBIDDEN")
        assert (await writer.post("/api/teams", {"name": "X"})).status_code == 201
        assert is_problem(await writer.ask("PUT", path, json={}), 403, "FORBIDDEN")


class TestRoles:
    async def test_a_team_opens_a_project_to_its_members(
        self, manuscript: Manuscript, percy: Person
    ):
        team = await team_of(manuscript.owner, percy)
        project, scene = manuscript.project["id"], f"/api/scenes/{manuscript.scene['id']}"
        assert is_problem(await percy.get(scene), 404, "NOT_FOUND")

        granted = await grant(manuscript, team, Role.WRITER)

        assert granted.status_code == 200, granted.text
        assert (granted.json()["teamName"], granted.json()["role"]) == ("Editors", "WRITER")
        assert (await percy.get(f"/api/projects/{project}")).json()["role"] == "WRITER"
        mine = (await percy.get("/api/projects")).json()["items"]
        assert [(each["id"], each["role"]) for each in mine] == [(project, "WRITER")]
        change = {"title": "Snow", "baseVersion": 1}
        assert (await percy.ask("PATCH", scene, json=change)).status_code == 200
        refused = await percy.ask("PUT", f"/api/projects/{project}/members/{percy.id}", json={})
        assert is_problem(refused, 403, "FORBIDDEN")
        shown = (await percy.get(f"/api/projects/{project}/teams")).json()["items"]
        assert [(each["teamId"], each["role"]) for each in shown] == [(team["id"], "WRITER")]

    @pytest.mark.parametrize(
        ("own", "team_s", "strongest"),
        [
            (Role.READER, Role.WRITER, "WRITER"),
            (Role.WRITER, Role.READER, "WRITER"),
            (Role.MAINTAINER, Role.READER, "MAINTAINER"),
            (Role.READER, Role.MAINTAINER, "MAINTAINER"),
        ],
    )
    async def test_the_strongest_role_counts_and_the_other_stays(
        self, manuscript: Manuscript, percy: Person, own: Role, team_s: Role, strongest: str
    ):
        team = await team_of(manuscript.owner, percy)
        path = f"/api/projects/{manuscript.project['id']}"
        await manuscript.welcome(percy, own)
        await grant(manuscript, team, team_s)

        assert (await percy.get(path)).json()["role"] == strongest
        await leave(manuscript.owner, team, percy)
        assert (await percy.get(path)).json()["role"] == own

    async def test_who_may_give_teams_which_roles(
        self, manuscript: Manuscript, percy: Person, http: httpx.AsyncClient
    ):
        """As for people: nobody lifts above himself, and no team is OWNER."""
        team = await team_of(manuscript.owner, percy)
        other = await team_of(percy)
        assert is_problem(await grant(manuscript, team, Role.OWNER), 400, "VALIDATION_FAILED")
        await manuscript.welcome(percy, Role.MAINTAINER)
        for role in (Role.WRITER, Role.READER):
            assert (await grant(manuscript, other, role, percy)).status_code == 200
        up = await grant(manuscript, other, Role.MAINTAINER, percy)
        assert is_problem(up, 403, "FORBIDDEN")
        await grant(manuscript, team, Role.MAINTAINER)
        for answer in (
            await grant(manuscript, team, Role.READER, percy),
            await percy.ask(
                "DELETE", f"/api/projects/{manuscript.project['id']}/teams/{team['id']}"
            ),
        ):
            assert is_problem(answer, 403, "FORBIDDEN")
        stranger = await Person.register(http, "Stranger")
        assert is_problem(await grant(manuscript, other, Role.READER, stranger), 404, "NOT_FOUND")

    async def test_a_team_that_one_is_not_in_is_given_nothing(
        self, manuscript: Manuscript, percy: Person
    ):
        """Nor is its name told: it is as if there were none."""
        theirs = await team_of(percy, name="Secret")

        refused = await grant(manuscript, theirs, Role.READER)

        assert is_problem(refused, 404, "NOT_FOUND")
        assert "Secret" not in refused.text
        assert is_problem(await grant(manuscript, {"id": some_id()}, Role.READER), 404, "NOT_FOUND")

    async def test_who_sees_whom_a_team_lets_in(self, manuscript: Manuscript, percy: Person):
        """Those who decide about its role; and only of teams that have one."""
        team, other = await team_of(percy), await team_of(percy)
        mary = manuscript.owner
        path = f"/api/projects/{manuscript.project['id']}/teams"
        await join(percy, team, mary)
        await grant(manuscript, team, Role.WRITER)
        await leave(mary, team, mary)

        items = (await mary.get(f"{path}/{team['id']}/members")).json()["items"]
        assert [each["displayName"] for each in items] == ["Percy"]
        refused = await percy.get(f"{path}/{team['id']}/members")
        assert is_problem(refused, 403, "FORBIDDEN"), "a WRITER asks at the team"
        for unknown in (other["id"], some_id()):
            answer = await mary.get(f"{path}/{unknown}/members")
            assert is_problem(answer, 404, "NOT_FOUND")
        assert is_problem(await mary.get(f"/api/teams/{team['id']}/members"), 404, "NOT_FOUND")

    async def test_other_projects_grants_are_not_ours(self, manuscript: Manuscript, percy: Person):
        team = await team_of(manuscript.owner, percy)
        other = await Manuscript.begin(manuscript.owner)
        await grant(manuscript, team, Role.READER)

        assert is_problem(await withdraw(other, team), 404, "NOT_FOUND")
        answer = await percy.get(f"/api/projects/{other.project['id']}")
        assert is_problem(answer, 404, "NOT_FOUND")


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
