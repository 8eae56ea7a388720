"""The schema of a team rules all that is rendered, and a change of it is never taken for damage."""

import io
import zipfile
from typing import Any
from uuid import UUID

import pytest

from tests.collab.snapshots.support import Desk
from tests.support.waiting import until

DEFINITION: dict[str, Any] = {
    "kind": "prosemirror",
    "root": "default",
    "nodes": {
        "doc": {"content": "(title | line)+"},
        "title": {"content": "text*"},
        "line": {"content": "text*"},
    },
    "marks": {"loud": {}},
    "blocks": [{"block": "heading", "type": "title"}, {"block": "paragraph", "type": "line"}],
    "markNames": [{"mark": "bold", "type": "loud"}],
}
RENAMED = DEFINITION | {
    "blocks": [{"block": "scene-heading", "type": "title"}, {"block": "paragraph", "type": "line"}]
}
HEADING = {"type": "heading", "children": [{"text": "One"}]}
LINE = {"type": "paragraph", "children": [{"text": "It was "}, {"text": "dreary", "bold": True}]}
BLOCKS = [HEADING, LINE]


class House:
    """A project whose scenes are written with an editor of its own."""

    def __init__(self, desk: Desk, project: str, book: str, chapter: str, editor: str) -> None:
        self.desk, self.project, self.book = desk, project, book
        self._chapter, self._editor = chapter, editor

    @classmethod
    async def build(cls, desk: Desk) -> "House":
        ask = desk.person.ask
        project = await desk.person.project("House")
        made = await ask(
            "POST", f"/api/projects/{project}/editors", name="Own", definition=DEFINITION
        )
        books = f"/api/projects/{project}/books"
        book = await ask("POST", books, title="A book", kind="novel", editor="Own")
        chapter = await ask("POST", f"/api/books/{book['id']}/chapters", title="I")
        return cls(desk, project, book["id"], chapter["id"], made["id"])

    async def scene(self) -> UUID:
        path = f"/api/chapters/{self._chapter}/scenes"
        scene = UUID((await self.desk.person.ask("POST", path, title="A scene"))["id"])
        await self.write(scene)
        return scene

    async def write(self, scene: UUID, *more: Any) -> None:
        body = {"format": "blocks", "content": [*BLOCKS, *more]}
        answer = await self.desk.person.http.put(f"/api/scenes/{scene}/content", json=body)
        assert answer.status_code == 200, answer.text

    async def define(self, definition: dict[str, Any]) -> None:
        await self.change(f"/api/editors/{self._editor}", definition=definition)

    async def change(self, path: str, **fields: Any) -> None:
        http = self.desk.person.http
        headers = {"If-Match": (await http.get(path)).headers["etag"]}
        (await http.patch(path, json=fields, headers=headers)).raise_for_status()

    async def diff(self, scene: UUID, form: str) -> list[dict[str, Any]]:
        path = f"/api/scenes/{scene}/diff"
        answer = await self.desk.person.http.get(path, params={"from": "seq:0", "format": form})
        answer.raise_for_status()
        return answer.json()["changes"]

    async def listed(self) -> dict[str, Any]:
        answer = await self.desk.person.http.get(f"/api/scripts/{self.book}/scenes")
        answer.raise_for_status()
        return answer.json()["scenes"][0]

    async def exported(self) -> str:
        answer = await self.desk.person.http.get(f"/api/projects/{self.project}/export")
        answer.raise_for_status()
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            [name] = [each for each in archive.namelist() if each.endswith(".md")]
            return archive.read(name).decode()


@pytest.fixture
async def house(desk: Desk) -> House:
    return await House.build(desk)


async def test_differences_are_told_in_the_words_of_the_formats(house: House):
    """A title of the team's is a heading in every difference, as it is in the content."""
    scene = await house.scene()
    blocks = await house.diff(scene, "blocks")
    [markdown] = await house.diff(scene, "markdown")

    assert [(each["op"], each["block"]) for each in blocks] == [("added", b) for b in BLOCKS]
    assert markdown["text"] == "# One\n\nIt was **dreary**\n"


async def test_listings_copies_and_snapshots_show_the_same(house: House):
    """What is rendered without a request about one scene is rendered as such a request is."""
    scene = await house.scene()
    assert (await house.desk.snap(scene, validate=True)).json()["validation"]["passed"]

    assert (await house.listed())["content"]["blocks"] == BLOCKS
    assert await house.desk.blocks(scene) == BLOCKS
    assert "# One\n\nIt was **dreary**" in await house.exported()


async def test_a_change_of_the_editor_is_no_damage(house: House):
    """A snapshot of the definition before is not compared; the next one is of the new one."""
    desk, scene = house.desk, await house.scene()
    await desk.snap(scene)
    before = await desk.check(scene)
    await house.define(RENAMED)
    after = await desk.check(scene, repair=True)
    await desk.snap(scene, force=True)
    renewed = await desk.check(scene)

    assert (before.compared, before.diverged) == (True, False)
    assert (after.compared, after.diverged, after.repaired) == (False, False, False)
    assert (renewed.compared, renewed.diverged) == (True, False)
    assert (await desk.blocks(scene))[0] == HEADING | {"type": "scene-heading"}
    assert (await house.listed())["slugline"] == "One"
    assert await desk.repairs(scene) == []


async def test_damage_is_found_under_an_editor_of_ones_own(house: House):
    """Being of the right editor does not make a snapshot right."""
    desk, scene = house.desk, await house.scene()
    await desk.snap(scene)
    await desk.rewrite(scene, [HEADING])
    report = await desk.check(scene, repair=True)

    assert (report.compared, report.diverged, report.repaired) == (True, True, True)
    assert await desk.blocks(scene) == BLOCKS


async def test_snapshots_follow_the_editor_by_themselves(busy: Desk):
    """Nobody writes in the scene: the walk over all scenes finds that its editor changed."""
    house = await House.build(busy)
    scene = await house.scene()

    async def shows(kind: str) -> bool:
        known = await busy.snapshot(scene)
        return bool(known) and (await busy.blocks(scene))[0]["type"] == kind

    await until(lambda: shows("heading"))
    await house.define(RENAMED)
    await until(lambda: shows("scene-heading"))
    await house.change(f"/api/scenes/{scene}", editor="tiptap")
    await until(lambda: shows("title"))

    assert await busy.repairs(scene) == []


async def test_snapshots_are_taken_while_events_is_away(busy: Desk):
    """They do not wait for it. Once it can say what the editor is, they are rendered for it."""
    house = await House.build(busy)
    scene = await house.scene()

    async def shows(kind: str) -> bool:
        known = await busy.snapshot(scene)
        return bool(known) and (await busy.blocks(scene))[0]["type"] == kind

    await until(lambda: shows("heading"))
    busy.stack.kill("events-1")
    await busy.stack.wait_ended("events-1")
    await house.write(scene, LINE)
    await until(lambda: shows("title"))
    await busy.stack.restart("events-1")
    await until(lambda: shows("heading"))

    assert await busy.repairs(scene) == []
