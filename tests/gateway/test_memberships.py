"""One member, and one team's role, by themselves: read, and changed only as they are known."""

import pytest

from libs.contracts.actor import Role
from tests.gateway.support import Manuscript, Person, is_problem, some_id
from tests.gateway.teams import grant, team_of

KINDS = ["member", "team_grant"]


async def given(kind: str, manuscript: Manuscript, percy: Person) -> str:
    """Give a READER, or a team of readers, to a project; returns the address of that."""
    project = f"/api/projects/{manuscript.project['id']}"
    if kind == "member":
        await manuscript.welcome(percy, Role.READER)
        return f"{project}/members/{percy.id}"
    team = await team_of(manuscript.owner, percy)
    await grant(manuscript, team, Role.READER)
    return f"{project}/teams/{team['id']}"


@pytest.mark.parametrize("kind", KINDS)
async def test_one_is_read_with_its_version(manuscript: Manuscript, percy: Person, kind: str):
    owner, path = manuscript.owner, await given(kind, manuscript, percy)

    shown = await owner.get(path)

    assert shown.json()["role"] == "READER"
    assert shown.headers["ETag"] == f'W/"{kind}-{shown.json()["id"]}-v1"'
    again = await owner.get(path, headers={"If-None-Match": shown.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    listed = (await owner.get(path.rpartition("/")[0])).json()["items"]
    assert shown.json() in listed
    nobody = f"{path.rpartition('/')[0]}/{some_id()}"
    assert is_problem(await owner.get(nobody), 404, "NOT_FOUND")


@pytest.mark.parametrize("kind", KINDS)
async def test_role_changes_only_as_it_is_known(manuscript: Manuscript, percy: Person, kind: str):
    owner, path = manuscript.owner, await given(kind, manuscript, percy)
    first = {"If-Match": (await owner.get(path)).headers["ETag"]}

    changed = await owner.ask("PUT", path, json={"role": "WRITER"}, headers=first)

    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    for method, more in (("PUT", {"json": {"role": "READER"}}), ("DELETE", {})):
        stale = await owner.ask(method, path, headers=first, **more)
        assert is_problem(stale, 412, "PRECONDITION_FAILED")
    assert (await owner.get(path)).json()["role"] == "WRITER"
    known = {"If-Match": changed.headers["ETag"]}
    assert (await owner.ask("DELETE", path, headers=known)).status_code == 204
    # What was known is gone, so it is not made anew.
    gone = await owner.ask("PUT", path, json={"role": "READER"}, headers=known)
    assert is_problem(gone, 412, "PRECONDITION_FAILED")
    assert is_problem(await owner.get(path), 404, "NOT_FOUND")
