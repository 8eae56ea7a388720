"""Words for tests of teams: made, joined, and given roles in projects."""

import httpx

from libs.contracts.actor import Role
from tests.gateway.support import Json, Manuscript, Person


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
