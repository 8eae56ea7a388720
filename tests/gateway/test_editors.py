"""The editor of a scene over HTTP: named, defined, told to collab, and its schema gate."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest

from libs.contracts.actor import Role
from libs.contracts.collab.branches import MERGE_BRANCH
from libs.contracts.collab.content import CONVERT_SCENE, WRITE_CONTENT, WriteContent
from libs.contracts.collab.history import RESTORE_VERSION
from libs.contracts.editors import EditorDefinition, SceneEditor
from tests.gateway.support import Json, Manuscript, Person, is_problem
from tests.gateway.test_schema_gate import update_of
from tests.support.yclient import YClient
from tools.stack import Stack

DOCS = Path(__file__).parents[2] / "docs"
SOON_S = 1.0
DEFINITION: Json = {
    "kind": "prosemirror",
    "root": "default",
    "nodes": {
        "doc": {"content": "(paragraph | title)+"},
        "paragraph": {"content": "text*"},
        "title": {"content": "text*"},
    },
    "blocks": [{"block": "heading", "when": {"level": 1}, "type": "title"}],
}


async def patched(person: Person, path: str, **fields: Any) -> httpx.Response:
    """Change fields of whatever version of it there is."""
    tag = (await person.get(path)).headers["etag"]
    return await person.ask("PATCH", path, json=fields, headers={"If-Match": tag})


async def house(manuscript: Manuscript, **more: Any) -> str:
    """Define an editor in the manuscript's project; returns its path."""
    path = f"/api/projects/{manuscript.project['id']}/editors"
    body = {"name": "House", "definition": DEFINITION | more}
    return f"/api/editors/{(await manuscript.owner.made(path, body))['id']}"


@asynccontextmanager
async def overheard(stack: Stack, *subjects: str) -> AsyncGenerator[list[Json]]:
    """What services are asked, as it travels."""
    client = await nats.connect(stack.nats_url("admin"))
    heard: list[Json] = []

    async def on_message(message: Any) -> None:
        heard.append(json.loads(message.data))

    for subject in subjects:
        await client.subscribe(subject, cb=on_message)
    await client.flush()
    yield heard
    await client.flush()
    await client.close()


async def write(person: Person, scene: str, text: str) -> None:
    body = {"format": "text", "content": text}
    answer = await person.ask("PUT", f"{scene}/content", json=body)
    assert answer.status_code == 200, answer.text


async def test_everything_that_becomes_text_says_for_which_editor(
    stack: Stack, manuscript: Manuscript, mary: Person
):
    """The built-in ones by name, a team's own with its definition, and none as before."""
    scene = f"/api/scenes/{manuscript.scene['id']}"
    subjects = [each.subject for each in (WRITE_CONTENT, RESTORE_VERSION, MERGE_BRANCH)]
    async with overheard(stack, *subjects) as heard:
        await write(mary, scene, "One.")
        await patched(mary, f"/api/projects/{manuscript.project['id']}", editor="plain")
        await write(mary, scene, "Two.")
        own = await house(manuscript)
        await patched(mary, f"/api/books/{manuscript.book['id']}", editor="House")
        await write(mary, scene, "Three.")
        changed = DEFINITION | {"root": "content"}
        assert (await patched(mary, own, definition=changed)).status_code == 200
        await write(mary, scene, "Four.")
        await patched(mary, scene, editor="plain")
        answer = await mary.post(f"{scene}/restore-version", {"at": "seq:1"})
        assert answer.status_code == 200, answer.text
        branch = await mary.made(f"{scene}/branches", {"name": "B"})
        merged = await mary.post(f"{scene}/branches/{branch['id']}/merge", {})
        assert merged.status_code == 200, merged.text

    assert ["editor" in each for each in heard] == [False, True, True, True, True, True]
    said = [SceneEditor.model_validate(each["editor"]) for each in heard[1:]]
    assert [each.name for each in said] == ["plain", "House", "House", "plain", "plain"]
    roots = [each.definition.root if each.definition else None for each in said]
    assert roots == [None, "default", "content", None, None]
    assert WriteContent.model_validate(heard[0]).editor is None


async def test_the_other_gateway_follows(
    stack: Stack, manuscript: Manuscript, mary: Person, http2: httpx.AsyncClient
):
    """What one gateway was told is used by the others within a second, definitions too."""
    scene = f"/api/scenes/{manuscript.scene['id']}"
    elsewhere = Person(http2, mary.id, mary.email, mary.access_token, "")
    own = await house(manuscript)
    await patched(mary, scene, editor="House")
    await write(elsewhere, scene, "Before.")
    await patched(mary, own, definition=DEFINITION | {"root": "other"})
    await asyncio.sleep(SOON_S)
    async with overheard(stack, WRITE_CONTENT.subject) as heard:
        await write(elsewhere, scene, "After.")

    assert heard[0]["editor"]["definition"]["root"] == "other"


async def test_the_documented_definition_is_one(manuscript: Manuscript, mary: Person):
    """What people copy from docs/editors.md is taken, and comes back with the defaults."""
    [example] = re.findall("```json\n(.*?)```", (DOCS / "editors.md").read_text(), re.DOTALL)
    body: Json = json.loads(example)
    made = await mary.made(f"/api/projects/{manuscript.project['id']}/editors", body)
    scene = f"/api/scenes/{manuscript.scene['id']}"
    assert (await patched(mary, scene, editor=body["name"])).status_code == 200

    shown = EditorDefinition.model_validate(made["definition"])
    assert shown == EditorDefinition.model_validate(body["definition"])


class TestGate:
    async def test_a_definition_keeps_older_editors_out(self, manuscript: Manuscript, mary: Person):
        """A scene needs the greater of its own version and that of its editor."""
        scene = f"/api/scenes/{manuscript.scene['id']}"
        yjs = {"format": "yjs", "content": update_of("new")}
        own = await house(manuscript, version=3)
        await patched(mary, f"/api/projects/{manuscript.project['id']}", editor="House")
        undeclared = await mary.ask("PUT", f"{scene}/content", json=yjs)
        older = await mary.ask("PUT", f"{scene}/content", json=yjs | {"schemaVersion": 2})
        await patched(mary, own, definition=DEFINITION | {"version": 5})
        raised = await mary.ask("PUT", f"{scene}/content", json=yjs | {"schemaVersion": 3})
        lowered = await patched(mary, own, definition=DEFINITION)
        current = await mary.ask("PUT", f"{scene}/content", json=yjs | {"schemaVersion": 5})

        for refused, needed in ((undeclared, 3), (older, 3), (raised, 5)):
            assert is_problem(refused, 409, "SCHEMA_OUTDATED")
            assert refused.json()["sceneSchemaVersion"] == needed
        assert is_problem(lowered, 409, "SCHEMA_LOWERED")
        assert current.status_code == 200

    async def test_it_holds_from_the_first_moment_of_a_scene(
        self, manuscript: Manuscript, mary: Person
    ):
        """A scene that was just made inherits what keeps older editors out."""
        await house(manuscript, version=3)
        await patched(mary, f"/api/books/{manuscript.book['id']}", editor="House")
        chapter = f"/api/chapters/{manuscript.chapter['id']}/scenes"
        made = await mary.made(chapter, {"title": "New"})
        yjs = {"format": "yjs", "content": update_of("at once")}
        answer = await mary.ask("PUT", f"/api/scenes/{made['id']}/content", json=yjs)

        assert is_problem(answer, 409, "SCHEMA_OUTDATED")

    @pytest.mark.parametrize("how", ["project", "book", "scene", "definition", "moved"])
    async def test_open_sockets_follow(
        self, stack: Stack, manuscript: Manuscript, mary: Person, how: str
    ):
        """However the scene came to need a newer editor, who is older writes no more."""
        scene_id = manuscript.scene["id"]
        scene = f"/api/scenes/{scene_id}"
        own = await house(manuscript, **({} if how == "definition" else {"version": 3}))
        paths = {
            "project": f"/api/projects/{manuscript.project['id']}",
            "book": f"/api/books/{manuscript.book['id']}",
            "scene": scene,
        }
        if how == "definition":
            await patched(mary, scene, editor="House")
        books = f"/api/projects/{manuscript.project['id']}/books"
        there = await mary.made(books, {"title": "There", "editor": "House"})
        chapter = await mary.made(f"/api/books/{there['id']}/chapters", {"title": "I"})

        def address(number: int) -> str:
            host = stack.gateways[number].replace("http", "ws", 1)
            return f"{host}/collab/{scene_id}?token={mary.access_token}"

        async with AsyncExitStack() as clients:
            one, two = [
                await clients.enter_async_context(YClient(lambda number=number: address(number)))
                for number in (0, 1)
            ]
            one.type("Once")
            await two.until_reads("Once")
            match how:
                case "definition":
                    await patched(mary, own, definition=DEFINITION | {"version": 3})
                case "moved":
                    to = {"parentId": chapter["id"], "index": 0}
                    assert (await mary.post(f"{scene}/move", to)).status_code == 200
                case _:
                    await patched(mary, paths[how], editor="House")
            for each in (one, two):
                await each.until(lambda each=each: each.denials != [], 2 * SOON_S)
                assert "needs editor schema version 3" in each.denials[0]


class TestNames:
    async def test_a_project_says_it_at_its_creation(self, mary: Person):
        """Tiptap when nothing is said; null says that there is none."""
        bodies: list[Json] = [{}, {"editor": None}, {"editor": "slate"}]
        made = [await mary.made("/api/projects", {"name": "P"} | body) for body in bodies]
        unknown = await mary.post("/api/projects", {"name": "P", "editor": "House"})

        assert [each["editor"] for each in made] == ["tiptap", None, "slate"]
        assert is_problem(unknown, 400, "VALIDATION_FAILED")
        assert unknown.json()["errors"][0]["field"] == "editor"

    async def test_lists_show_it(self, manuscript: Manuscript, mary: Person):
        scene = f"/api/scenes/{manuscript.scene['id']}"
        project = f"/api/projects/{manuscript.project['id']}"
        await patched(mary, scene, editor="quill")
        await patched(mary, f"/api/books/{manuscript.book['id']}", editor="slate")
        lists = (
            f"/api/chapters/{manuscript.chapter['id']}/scenes",
            f"{project}/scenes",
            f"{project}/books",
        )
        shown = [(await mary.get(path)).json()["items"][0]["editor"] for path in lists]
        mine = (await mary.get("/api/projects")).json()["items"]

        assert shown == ["quill", "quill", "slate"]
        assert [each["editor"] for each in mine] == [None]


class TestConverting:
    """The text is collab's; what is tried here is who may ask, for what, and what is named then."""

    async def test_it_is_refused_before_anything_happens(
        self, stack: Stack, manuscript: Manuscript, mary: Person, percy: Person
    ):
        """Of an unknown editor, by a reader, by a stranger, and in a deleted scene."""
        path = f"/api/scenes/{manuscript.scene['id']}/editor"
        async with overheard(stack, CONVERT_SCENE.subject) as heard:
            unknown = await mary.post(path, {"editor": "House"})
            none = await mary.post(path, {"editor": None})
            stranger = await percy.post(path, {"editor": "slate"})
            reader = await manuscript.welcome(percy, Role.READER)
            reading = await reader.post(path, {"editor": "slate"})
            tag = (await mary.get(f"/api/scenes/{manuscript.scene['id']}")).headers["etag"]
            await mary.ask("DELETE", path.removesuffix("/editor"), headers={"If-Match": tag})
            gone = await mary.post(path, {"editor": "slate"})

        assert is_problem(unknown, 400, "VALIDATION_FAILED")
        assert unknown.json()["errors"][0]["field"] == "editor"
        assert is_problem(none, 400, "VALIDATION_FAILED")
        assert is_problem(stranger, 404, "NOT_FOUND")
        assert is_problem(reading, 403, "FORBIDDEN")
        assert is_problem(gone, 404, "NOT_FOUND")
        assert heard == []

    async def test_a_text_is_read_by_the_names_of_the_editor_before(
        self, manuscript: Manuscript, mary: Person
    ):
        """A title of the team's becomes a heading; a `title` would be deleted by Tiptap."""
        scene = f"/api/scenes/{manuscript.scene['id']}"
        await house(manuscript)
        await patched(mary, scene, editor="House")
        content = [{"type": "heading", "level": 1, "children": [{"text": "One"}]}]
        body = {"format": "blocks", "content": content}
        assert (await mary.ask("PUT", f"{scene}/content", json=body)).status_code == 200
        for editor in ("tiptap", "plate", "slate"):
            answer = await mary.post(f"{scene}/editor", {"editor": editor})
            assert answer.status_code == 200, answer.text
            shown = await mary.get(f"{scene}/content?format=blocks")
            assert shown.json() == content

    async def test_it_is_one_edit_and_the_scene_names_the_editor(
        self, manuscript: Manuscript, mary: Person
    ):
        """Sent again after it was interrupted before the name, it names it and edits nothing."""
        scene = f"/api/scenes/{manuscript.scene['id']}"
        await write(mary, scene, "One.\nTwo.")
        await house(manuscript)
        before = (await mary.get(f"{scene}/content")).text
        first = await mary.post(f"{scene}/editor", {"editor": "House"})
        assert first.status_code == 200, first.text
        named = (await mary.get(scene)).json()["editor"]
        await patched(mary, scene, editor=None)
        again = await mary.post(f"{scene}/editor", {"editor": "House"})

        assert (first.json()["changed"], named) == (True, "House")
        assert (again.status_code, again.json()["changed"]) == (200, False)
        assert again.json()["seq"] == first.json()["seq"]
        assert (await mary.get(scene)).json()["editor"] == "House"
        assert (await mary.get(f"{scene}/content")).text.split() == before.split()
