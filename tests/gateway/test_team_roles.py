"""What teams open to those who are in them."""

import httpx
import pytest

from libs.contracts.actor import Role
from tests.gateway.support import Manuscript, Person, is_problem, some_id
from tests.gateway.teams import grant, join, leave, team_of, withdraw


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


class TestAssigning:
    """Tasks go to whoever is in the project, in their own right or by a team."""

    async def assigned(
        self, manuscript: Manuscript, to: Person, by: Person | None = None
    ) -> httpx.Response:
        body = {"type": "task", "name": "Ask", "task": {"assigneeId": to.id}}
        path = f"/api/projects/{manuscript.project['id']}/entities"
        return await (by or manuscript.owner).post(path, body)

    async def test_somebody_who_is_in_by_a_team(self, manuscript: Manuscript, percy: Person):
        """When it is made, changed, in a bundle, undone and done again."""
        mary, project = manuscript.owner, manuscript.project["id"]
        team = await team_of(mary, percy)
        await grant(manuscript, team, Role.READER)

        made = await self.assigned(manuscript, percy)

        assert made.status_code == 201, made.text
        assert made.json()["task"]["assigneeId"] == percy.id
        path = f"/api/entities/{made.json()['id']}"
        change = {"task": {"assigneeId": mary.id}, "baseVersion": 1}
        assert (await mary.ask("PATCH", path, json=change)).status_code == 200
        operation = {
            "op": "set",
            "aggregate": {"kind": "entity", "id": made.json()["id"]},
            "path": "task.assigneeId",
            "value": percy.id,
        }
        bundles = f"/api/projects/{project}/bundles"
        done = await mary.post(bundles, {"operations": [operation]})
        assert done.status_code == 200, done.text
        undo = f"/api/bundles/{done.json()['bundle']['id']}"
        for deed, whom in (("undo", mary), ("redo", percy)):
            answer = await mary.post(f"{undo}/{deed}", {})
            assert answer.status_code == 200, answer.text
            assert (await mary.get(path)).json()["task"]["assigneeId"] == whom.id

    async def test_somebody_who_is_not_in(self, manuscript: Manuscript, percy: Person):
        """A stranger; one in a team that has no role here; one who left the team."""
        mary = manuscript.owner
        team, elsewhere = await team_of(mary, percy), await team_of(mary, percy)
        other = await Manuscript.begin(mary)
        await grant(other, elsewhere, Role.WRITER)

        assert is_problem(await self.assigned(manuscript, percy), 400, "VALIDATION_FAILED")
        await grant(manuscript, team, Role.WRITER)
        assert (await self.assigned(manuscript, percy)).status_code == 201
        await leave(mary, team, percy)
        refused = await self.assigned(manuscript, percy)
        assert is_problem(refused, 400, "VALIDATION_FAILED")
        assert refused.json()["errors"][0]["field"] == "task.assigneeId"
