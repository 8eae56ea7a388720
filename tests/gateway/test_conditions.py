"""If-Match: it holds when one of its tags is the thing's, for everything that can be changed."""

from typing import Any

import pytest

from libs.contracts.actor import Role
from services.gateway.http import etags
from tests.gateway.support import Json, Manuscript, Person, is_problem, some_id
from tests.gateway.teams import grant, team_of

FORMS = ["{tag}", '{tag}, "other"', '"other", {tag}', "{tag}, {tag}", "{newer}, {tag}", '"x",{tag}']
WRONG = ['"a"', '"a", "b"', "{newer}", '{newer}, "a"', "nonsense", ""]


def written(form: str, tag: str) -> str:
    head, _, version = tag.rpartition("-v")
    return form.format(tag=tag, newer=f'{head}-v{int(version.rstrip(chr(34))) + 7}"')


async def holds(person: Person, method: str, path: str, body: Json, *, read: str = "") -> None:
    """Each right form does it, each wrong one does nothing."""
    for form in WRONG:
        tag = (await person.get(read or path)).headers["ETag"]
        answer = await person.ask(method, path, json=body, headers={"If-Match": written(form, tag)})
        assert is_problem(answer, 412, "PRECONDITION_FAILED"), form
        assert (await person.get(read or path)).headers["ETag"] == tag
    for number, form in enumerate(FORMS):
        tag = (await person.get(read or path)).headers["ETag"]
        change = {name: value.format(number) for name, value in body.items()}
        answer = await person.ask(
            method, path, json=change, headers={"If-Match": written(form, tag)}
        )
        assert answer.status_code == 200, (form, answer.text)


async def test_a_thing(manuscript: Manuscript, mary: Person) -> None:
    await holds(mary, "PATCH", f"/api/scenes/{manuscript.scene['id']}", {"summary": "{0}"})
    await holds(mary, "PATCH", f"/api/projects/{manuscript.project['id']}", {"name": "P {0}"})


async def test_several_header_lines_are_one_list(manuscript: Manuscript, mary: Person) -> None:
    path = f"/api/scenes/{manuscript.scene['id']}"
    tag = (await mary.get(path)).headers["ETag"]
    lines = [
        ("If-Match", '"other"'),
        ("If-Match", tag),
        ("Authorization", f"Bearer {mary.access_token}"),
    ]

    answer = await mary.http.request("PATCH", path, json={"summary": "s"}, headers=lines)

    assert answer.status_code == 200, answer.text


async def test_deleting_moving_and_purging(manuscript: Manuscript, mary: Person) -> None:
    path = f"/api/chapters/{manuscript.chapter['id']}"
    tag = (await mary.get(path)).headers["ETag"]
    both = {"If-Match": written("{newer}, {tag}", tag)}
    moved = await mary.post(f"{path}/move", {"index": 0}, headers=both)
    assert moved.status_code == 200
    deleted = await mary.ask("DELETE", path, headers=both)
    assert deleted.status_code == 204
    purged = await mary.post(f"{path}/purge", headers={"If-Match": written('"a"', tag)})
    assert is_problem(purged, 412, "PRECONDITION_FAILED")
    now = (await mary.get(f"{path}?includeDeleted=true")).headers["ETag"]
    purged = await mary.post(f"{path}/purge", headers={"If-Match": written("{newer}, {tag}", now)})
    assert purged.status_code == 202


async def test_members_teams_and_grants(manuscript: Manuscript, percy: Person) -> None:
    mary, project = manuscript.owner, manuscript.project["id"]
    await manuscript.welcome(percy, Role.WRITER)
    await holds(mary, "PUT", f"/api/projects/{project}/members/{percy.id}", {"role": "READER"})
    team = await team_of(mary, percy)
    await holds(mary, "PATCH", f"/api/teams/{team['id']}", {"name": "T {0}"})
    await grant(manuscript, team, Role.WRITER)
    await holds(mary, "PUT", f"/api/projects/{project}/teams/{team['id']}", {"role": "READER"})


async def test_a_path_of_a_file(manuscript: Manuscript, mary: Person) -> None:
    project = manuscript.project["id"]
    upload = await mary.ask(
        "POST",
        f"/api/projects/{project}/blobs",
        content=b"bytes",
        headers={"Content-Type": "text/plain"},
    )
    assert upload.status_code in (200, 201), upload.text
    path = f"/api/projects/{project}/path?path=users/{mary.id}/notes/a.md"
    body = {"sha256": upload.json()["sha256"]}
    first = await mary.ask("PUT", path, json=body)
    assert first.status_code == 200, first.text
    tag = first.headers["ETag"]
    for form, status in (('"a", "b"', 412), ("{newer}, {tag}", 200)):
        answer = await mary.ask("PUT", path, json=body, headers={"If-Match": written(form, tag)})
        assert answer.status_code == status, (form, answer.text)


class TestContent:
    """What a GET in any format gives as ETag is what a PUT means."""

    async def test_a_stale_tag_writes_nothing(self, manuscript: Manuscript, mary: Person) -> None:
        path = f"/api/scenes/{manuscript.scene['id']}/content"

        async def put(words: str, **more: Any) -> Any:
            body = {"format": "text", "content": words}
            return await mary.ask("PUT", path, json=body, **more)

        assert (await put("one")).status_code == 200
        stale = (await mary.get(path)).headers["ETag"]
        assert (await put("one two")).status_code == 200
        for wrong in (stale, f'{stale}, "x"', '"x"', "nonsense"):
            refused = await put("mine", headers={"If-Match": wrong})
            assert is_problem(refused, 412, "PRECONDITION_FAILED"), wrong
            assert (await mary.get(path)).text == "one two"
        markdown = (await mary.get(f"{path}?format=markdown")).headers["ETag"]
        for right in (markdown, "*", None):
            headers = {"If-Match": right} if right else {}
            assert (await put(f"good {right == '*'}", headers=headers)).status_code == 200
        fresh = (await mary.get(path)).headers["ETag"]
        assert (await put("both", headers={"If-Match": f"{stale}, {fresh}"})).status_code == 200

    async def test_another_documents_tag_is_none(
        self, manuscript: Manuscript, mary: Person
    ) -> None:
        path = f"/api/scenes/{manuscript.scene['id']}/content"
        await mary.ask("PUT", path, json={"format": "text", "content": "one"})
        tag = (await mary.get(path)).headers["ETag"].replace(manuscript.scene["id"], str(some_id()))

        answer = await mary.ask(
            "PUT", path, content="two", headers={"If-Match": tag, "Content-Type": "text/plain"}
        )

        assert is_problem(answer, 412, "PRECONDITION_FAILED")


@pytest.mark.parametrize("count", [1, 300])
def test_a_long_list_is_read_to_its_end(count: int) -> None:
    thing = some_id()
    tag = f'W/"scene-{thing}-v3"'
    others = ", ".join(f'"other-{number}"' for number in range(count))

    assert etags.expected_version(f"{others}, {tag}", "scene", thing) == 3


async def test_the_file_of_an_entity_by_either_tag(manuscript: Manuscript, mary: Person) -> None:
    project = f"/api/projects/{manuscript.project['id']}"
    made = await mary.made(f"{project}/entities", {"type": "character", "name": "Victor"})
    entity = f"/api/entities/{made['id']}"
    place = f"{entity}/file"

    async def given(tags: str, body: bytes) -> int:
        headers = {"If-Match": tags}
        return (await mary.ask("PUT", place, content=body, headers=headers)).status_code

    def versions(tag: str) -> str:
        return f"{written('{newer}', tag)}, {tag}"

    assert await given(versions((await mary.get(entity)).headers["ETag"]), b"one") == 200
    first = (await mary.get(place)).headers["ETag"]
    assert await given(f'"other", {first}', b"two") == 200
    assert await given(first, b"three") == 412
    second = (await mary.get(place)).headers["ETag"]
    chosen = {"sha256": first.strip('"')}
    stale, fresh = {"If-Match": first}, {"If-Match": f'"other", {second}'}
    assert is_problem(await mary.post(place, chosen, headers=stale), 412, "PRECONDITION_FAILED")
    assert (await mary.post(place, chosen, headers=fresh)).status_code == 200
    assert is_problem(await mary.ask("DELETE", place, headers=fresh), 412, "PRECONDITION_FAILED")
    assert (await mary.ask("DELETE", place, headers=stale)).status_code == 200
    assert is_problem(await mary.ask("DELETE", place, headers=stale), 412, "PRECONDITION_FAILED")
