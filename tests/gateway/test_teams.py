"""Teams: made and named by their owners, within limits."""

import asyncio
from uuid import UUID

import httpx
import pytest

from libs import errors
from libs.contracts.actor import Role
from libs.contracts.events.teams import TEAMS_UNASKED_MAX
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.gateway.accounts.teams import TeamStore
from services.gateway.accounts.teams.model import TeamPlace
from tests.gateway.support import Manuscript, Person, is_problem, some_id
from tests.gateway.teams import grant, join, leave, team_of
from tests.support.waiting import until


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
        monkeypatch.setattr("services.gateway.accounts.teams.store.TEAM_MEMBERS_MAX", 1)
        with pytest.raises(errors.LimitReached):
            await store.put_member(team, me, him, TeamPlace.MEMBER)
        monkeypatch.setattr("services.gateway.accounts.teams.store.TEAM_MEMBERS_MAX", 500)
        monkeypatch.setattr("services.gateway.accounts.teams.store.TEAMS_ACCEPTED_MAX", 1)
        await store.put_member(team, me, him, TeamPlace.MEMBER)
        await store.accept(team, him)

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


class TestConsent:
    """What others do to somebody takes nothing of what they may choose, and can be left."""

    async def test_teams_that_one_did_not_choose_do_not_count(
        self, mary: Person, percy: Person, store: TeamStore, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("services.gateway.accounts.teams.store.TEAMS_ACCEPTED_MAX", 1)
        him = UUID(percy.id)
        asked = UUID((await team_of(mary, percy))["id"])
        for _ in range(3):
            await join(mary, await team_of(mary), percy, "OWNER")

        mine = await store.create(new_id(), him, "Mine")
        with pytest.raises(errors.LimitReached):
            await store.accept(asked, him)
        await store.delete(mine.id, him, None)
        assert (await store.accept(asked, him)).accepted

    async def test_only_the_first_open_something_before_they_are_accepted(
        self, mary: Person, percy: Person, store: TeamStore, monkeypatch: pytest.MonkeyPatch
    ):
        """Whoever floods somebody's teams takes nothing away, and hides what comes later only."""
        monkeypatch.setattr("services.gateway.accounts.teams.store.TEAMS_UNASKED_MAX", 2)
        him = UUID(percy.id)
        own = UUID((await team_of(percy))["id"])
        teams = [UUID((await team_of(mary, percy))["id"]) for _ in range(4)]
        assert set((await store.teams_of(him)).ids) == {own, *teams[:2]}

        before = (await store.teams_of(him)).version
        accepted = await percy.post(f"/api/teams/{teams[3]}/accept")
        again = await percy.post(f"/api/teams/{teams[3]}/accept")

        assert (accepted.status_code, accepted.json()["accepted"]) == (200, True)
        assert again.json() == accepted.json()
        found = await store.teams_of(him)
        assert set(found.ids) == {own, *teams[:2], teams[3]}
        assert found.version == before + 1
        await store.remove_member(teams[0], him, him)
        assert set((await store.teams_of(him)).ids) == {own, teams[1], teams[2], teams[3]}

    async def test_one_sees_what_one_has_chosen_and_leaves_the_rest(
        self, mary: Person, percy: Person, http: httpx.AsyncClient
    ):
        team = await team_of(mary, percy)
        own = await team_of(percy)
        listed = (await percy.get("/api/teams")).json()["items"]
        assert {each["id"]: each["accepted"] for each in listed} == {
            team["id"]: False,
            own["id"]: True,
        }
        members = (await mary.get(f"/api/teams/{team['id']}/members")).json()["items"]
        assert {each["userId"]: each["accepted"] for each in members} == {
            mary.id: True,
            percy.id: False,
        }
        stranger = await Person.register(http, "Stranger")
        refused = await stranger.post(f"/api/teams/{team['id']}/accept")
        assert is_problem(refused, 404, "NOT_FOUND")
        reader = await percy.with_scopes("read")
        refused = await reader.post(f"/api/teams/{team['id']}/accept")
        assert is_problem(refused, 403, "FORBIDDEN")
        assert (await leave(percy, team, percy)).status_code == 204
        assert len((await percy.get("/api/teams")).json()["items"]) == 1

    async def test_a_waiting_team_opens_its_projects_when_it_is_accepted(
        self, manuscript: Manuscript, percy: Person, pool: Pool
    ):
        """At every gateway at once; what was decided before does not linger."""
        mary = manuscript.owner
        for number in range(TEAMS_UNASKED_MAX):
            await pool.execute(
                "WITH t AS (INSERT INTO teams (id, name) VALUES ($1, $2) RETURNING id)"
                " INSERT INTO team_members (team_id, user_id, role) SELECT id, $3, 'MEMBER' FROM t",
                new_id(),
                f"team {number}",
                UUID(percy.id),
            )
        team = await team_of(mary, percy)
        assert (await grant(manuscript, team, Role.READER)).status_code == 200
        project = f"/api/projects/{manuscript.project['id']}"
        assert is_problem(await percy.get(project), 404, "NOT_FOUND")

        assert (await percy.post(f"/api/teams/{team['id']}/accept")).status_code == 200
        assert (await percy.get(project)).json()["role"] == "READER"
