"""The routes of a scene's past: who may, who may not, and what is refused how."""

from typing import Any

import pytest

from libs.contracts.actor import Role
from tests.gateway.support import Manuscript, Person, is_problem, some_id

WRITES = {
    "/restore-version": {"at": "seq:1"},
    "/snapshots": {"name": "A name"},
    "/branches": {"name": "A name"},
}
READS = ("/history", "/diff?from=seq:1", "/replay", "/snapshots", "/branches", "/content?at=seq:1")


@pytest.fixture
async def path(manuscript: Manuscript, mary: Person) -> str:
    """A scene in which something is written."""
    found = f"/api/scenes/{manuscript.scene['id']}"
    answer = await mary.ask("PUT", f"{found}/content", json={"format": "text", "content": "one"})
    assert answer.status_code == 200, answer.text
    return found


async def test_strangers_see_nothing_and_readers_change_nothing(
    path: str, manuscript: Manuscript, mary: Person, percy: Person
):
    for read in READS:
        assert is_problem(await percy.get(path + read), 404, "NOT_FOUND")
    for write, body in WRITES.items():
        assert is_problem(await percy.post(path + write, body), 404, "NOT_FOUND")
    branch = await mary.made(f"{path}/branches", {"name": "Mary's"})
    snapshot = await mary.made(f"{path}/snapshots", {"name": "Mary's"})
    await manuscript.welcome(percy, Role.READER)

    for read in READS:
        assert (await percy.get(path + read)).status_code == 200, read
    for write, body in WRITES.items():
        assert is_problem(await percy.post(path + write, body), 403, "FORBIDDEN")
    assert (await percy.get(f"{path}/content?branch={branch['id']}")).text == "one"
    one, kept = f"{path}/branches/{branch['id']}", f"{path}/snapshots/{snapshot['id']}"
    put = {"format": "text", "content": "x"}
    refused = [
        await percy.post(f"{one}/merge", {}),
        await percy.ask("DELETE", one),
        await percy.ask("PATCH", kept, json={"name": "x"}),
        await percy.ask("DELETE", kept),
        await percy.ask("PUT", f"{path}/content?branch={branch['id']}", json=put),
    ]
    assert all(is_problem(answer, 403, "FORBIDDEN") for answer in refused)


async def test_nothing_of_one_project_opens_in_another(path: str, mary: Person, percy: Person):
    """Ids of snapshots and branches are no keys: only together with their scene."""
    branch = await mary.made(f"{path}/branches", {"name": "Mary's"})
    snapshot = await mary.made(f"{path}/snapshots", {"name": "Mary's"})
    theirs = await Manuscript.begin(percy)
    own = f"/api/scenes/{theirs.scene['id']}"

    answers = [
        await percy.get(f"{own}/content?at=snapshot:{snapshot['id']}"),
        await percy.get(f"{own}/diff?from=snapshot:{snapshot['id']}"),
        await percy.post(f"{own}/restore-version", {"at": f"snapshot:{snapshot['id']}"}),
        await percy.get(f"{own}/snapshots/{snapshot['id']}"),
        await percy.ask("DELETE", f"{own}/snapshots/{snapshot['id']}"),
        await percy.get(f"{own}/content?branch={branch['id']}"),
        await percy.post(f"{own}/branches/{branch['id']}/merge", {}),
        await percy.ask("DELETE", f"{own}/branches/{branch['id']}"),
    ]

    assert all(is_problem(answer, 404, "NOT_FOUND") for answer in answers)


async def test_a_deleted_scene_has_no_past(path: str, mary: Person):
    assert (await mary.ask("DELETE", path, params={"baseVersion": 1})).status_code == 204
    for read in READS:
        assert is_problem(await mary.get(path + read), 404, "NOT_FOUND")
    for write, body in WRITES.items():
        assert is_problem(await mary.post(path + write, body), 404, "NOT_FOUND")


@pytest.mark.parametrize("form", ["yjs", "docx"])
async def test_formats_that_cannot_be_compared_are_415(path: str, mary: Person, form: str):
    answer = await mary.get(f"{path}/diff?from=seq:1&format={form}")

    assert is_problem(answer, 415, "UNSUPPORTED_FORMAT")
    assert answer.json()["formats"] == ["text", "markdown", "blocks"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("/diff", "query.from"),
        ("/diff?from=yesterday", "from"),
        ("/diff?from=seq:1&to=tomorrow", "to"),
        ("/content?at=seq:x", "at"),
        ("/content?branch=main", "query.branch"),
        ("/replay?step=0", "query.step"),
        ("/history?limit=0", "query.limit"),
    ],
)
async def test_what_cannot_be_understood_is_named(path: str, mary: Person, query: str, field: str):
    answer = await mary.get(path + query)

    assert is_problem(answer, 400, "VALIDATION_FAILED")
    fields: list[dict[str, Any]] = answer.json()["errors"]
    assert any(each["field"].startswith(field) for each in fields), fields


async def test_what_is_not_there_is_said(path: str, mary: Person):
    assert is_problem(await mary.get(f"{path}/content?at=seq:9"), 404, "NOT_FOUND")
    missing = await mary.get(f"{path}/content?at=snapshot:{some_id()}")
    assert is_problem(missing, 404, "NOT_FOUND")
    backwards = await mary.get(f"{path}/replay?from=seq:1&to=seq:0")
    assert is_problem(backwards, 400, "VALIDATION_FAILED")


async def test_a_known_version_is_not_sent_again(path: str, mary: Person):
    tag = (await mary.get(f"{path}/content?at=seq:1")).headers["etag"]

    again = await mary.get(f"{path}/content?at=seq:1", headers={"If-None-Match": tag})
    older = await mary.get(f"{path}/content?at=seq:0", headers={"If-None-Match": tag})

    assert (again.status_code, again.content) == (304, b"")
    assert (older.status_code, older.text) == (200, "")


async def test_tokens_for_reading_cannot_go_back(path: str, mary: Person):
    """Restoring, branching and merging need the scope to write."""
    reader = await mary.with_scopes("read")

    assert (await reader.get(f"{path}/history")).status_code == 200
    for write, body in WRITES.items():
        assert is_problem(await reader.post(path + write, body), 403, "FORBIDDEN")
