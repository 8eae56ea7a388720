"""The file of an entity is found where its `path` says."""

import pytest

from libs.contracts.actor import Role
from tests.gateway.support import Json, Manuscript, Person, is_problem
from tests.support.waiting import until

WAIT_S = 10.0
ONE, TWO = b"# One\n", b"# Two\n"
MARKDOWN = {"Content-Type": "text/markdown"}


@pytest.fixture
def project(manuscript: Manuscript) -> str:
    return f"/api/projects/{manuscript.project['id']}"


async def test_the_path_of_a_note_is_listed_read_and_has_a_history(
    manuscript: Manuscript, mary: Person, percy: Person, project: str
):
    """A moment after the entity says so; to its owner, as all that is below `users/`."""
    note = await mary.made(f"{project}/entities", {"type": "note", "name": "A", "content": "# One"})
    path: str = note["file"]["path"]
    where = {"path": path}

    async def shows(checksum: str | None) -> bool:
        shown = await mary.get(f"{project}/path", params=where)
        return (shown.json().get("sha256") if shown.status_code == 200 else None) == checksum

    async def put(person: Person, body: bytes) -> Json:
        place = f"/api/entities/{note['id']}/file"
        return (await person.ask("PUT", place, content=body, headers=MARKDOWN)).json()["file"]

    await until(lambda: shows(note["file"]["checksum"]), WAIT_S)
    items = (
        await mary.get(f"{project}/paths", params={"prefix": f"users/{mary.id}/notes/"})
    ).json()
    assert [each["path"] for each in items["items"]] == [path]
    await manuscript.welcome(percy, Role.WRITER)
    changed = await put(percy, TWO)
    assert changed["path"] == path
    await until(lambda: shows(changed["checksum"]), WAIT_S)
    assert (await mary.get(f"{project}/path/content", params=where)).content == TWO
    told = (await mary.get(f"{project}/path/history", params=where)).json()["items"]
    assert [(each["version"], each["updatedBy"]) for each in told] == [(2, percy.id), (1, mary.id)]
    assert is_problem(await percy.get(f"{project}/path", params=where), 404, "NOT_FOUND")

    by_hand = {"sha256": note["file"]["checksum"]}
    moved = await mary.ask("PUT", f"{project}/path", params=where, json=by_hand)
    assert is_problem(moved, 409, "CONFLICT")
    assert moved.json()["entityId"] == note["id"]
    assert (await mary.ask("DELETE", f"{project}/path", params=where)).status_code == 409
    assert (await mary.ask("DELETE", f"/api/entities/{note['id']}/file")).status_code == 200
    await until(lambda: shows(None), WAIT_S)
