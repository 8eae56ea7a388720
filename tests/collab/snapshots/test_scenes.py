"""The scenes of a script, with their blocks."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from libs.contracts.collab.persistence import PUT_SNAPSHOT, PutSnapshot, SnapshotSource
from tests.collab.snapshots.support import Desk
from tests.support.people import People

OF_SCENE = {"sceneUUID", "slugline", "sceneIndex", "version", "content", "metadata"}
OF_METADATA = {
    "source", "snapshot_at", "yjs_update_count", "last_modified", "freshness", "state", "reason",
}  # fmt: skip


class Script:
    """A book with two chapters of scenes."""

    def __init__(self, desk: Desk, book: str, scenes: list[UUID]) -> None:
        self.desk, self.id, self.scenes = desk, book, scenes

    async def read(self, **query: Any) -> httpx.Response:
        return await self.desk.person.http.get(f"/api/scripts/{self.id}/scenes", params=query)


@pytest.fixture
async def script(desk: Desk) -> Script:
    ask = desk.person.ask
    books = f"/api/projects/{desk.scenery.project}/books"
    book = await ask("POST", books, title="A script", kind="screenplay")
    scenes: list[UUID] = []
    for chapter in ("I", "II"):
        made = await ask("POST", f"/api/books/{book['id']}/chapters", title=chapter)
        for number in range(3):
            path = f"/api/chapters/{made['id']}/scenes"
            scenes.append(UUID((await ask("POST", path, title=f"{chapter} {number}"))["id"]))
    return Script(desk, book["id"], scenes)


async def bring(
    desk: Desk, scene: UUID, blocks: list[dict[str, Any]], source: SnapshotSource
) -> None:
    question = PutSnapshot(scene_id=scene, snapshot_id=uuid4(), source=source, blocks=blocks)
    await desk.caller.ask(PUT_SNAPSHOT, question, desk.actor, deadline_s=20)


async def test_scenes_come_in_reading_order_with_exact_members(script: Script):
    answer = await script.read()
    scenes = answer.json()["scenes"]

    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"scenes", "nextCursor"}
    assert answer.json()["nextCursor"] is None
    assert [UUID(scene["sceneUUID"]) for scene in scenes] == script.scenes
    assert [scene["sceneIndex"] for scene in scenes] == list(range(6))
    for scene in scenes:
        assert set(scene) == OF_SCENE
        assert set(scene["metadata"]) == OF_METADATA
        assert scene["content"] == {"blocks": []}
        assert scene["metadata"] | {"last_modified": ""} == {
            "source": "rest",
            "snapshot_at": None,
            "yjs_update_count": 0,
            "last_modified": "",
            "freshness": "never",
            "state": "CREATED",
            "reason": None,
        }


async def test_yjs_first_then_the_snapshot(script: Script):
    """A live scene shows what is written now, not what its snapshot remembers."""
    desk = script.desk
    live, imported, migrated = script.scenes[:3]
    heading = {"type": "scene-heading", "children": [{"text": "INT. OFFICE - DAY 🐧"}]}
    await bring(desk, imported, [heading], SnapshotSource.IMPORT)
    await bring(desk, migrated, [heading], SnapshotSource.MIGRATED)
    await desk.write("old", live)
    await desk.snap(live)
    await desk.write("newer", live)
    found = (await script.read()).json()["scenes"]

    assert "newer" in str(found[0]["content"]["blocks"])
    assert found[0]["slugline"] == "I 0"
    assert found[0]["metadata"]["source"] == "yjs"
    assert found[0]["metadata"]["yjs_update_count"] == 2
    assert found[0]["metadata"]["state"] == "YJS_ACTIVE"
    assert found[0]["metadata"]["freshness"] == "fresh"
    taken = datetime.fromisoformat(found[0]["metadata"]["snapshot_at"])
    assert datetime.fromisoformat(found[0]["metadata"]["last_modified"]) >= taken
    assert found[1]["content"]["blocks"] == [heading]
    assert found[1]["slugline"] == "INT. OFFICE - DAY 🐧"
    assert [scene["metadata"]["source"] for scene in found[1:3]] == ["rest", "migrated"]
    assert found[1]["metadata"]["state"] == "CREATED"


async def test_pages_join_without_gap_or_repeat(script: Script):
    found: list[str] = []
    places: list[int] = []
    cursor: str | None = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await script.read(**query)).json()
        found += [scene["sceneUUID"] for scene in page["scenes"]]
        places += [scene["sceneIndex"] for scene in page["scenes"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
        assert len(page["scenes"]) == 2

    assert [UUID(scene) for scene in found] == script.scenes
    assert places == list(range(6))


async def test_a_page_ends_where_its_bytes_end(script: Script):
    """Two scenes of a megabyte and a half do not fit into one answer; the rest follows."""
    big = [{"type": "action", "children": [{"text": "x" * 1_500_000}]}]
    for scene in script.scenes[:3]:
        await bring(script.desk, scene, big, SnapshotSource.IMPORT)
    first = (await script.read()).json()
    second = (await script.read(cursor=first["nextCursor"])).json()

    assert [scene["sceneIndex"] for scene in first["scenes"]] == [0]
    assert second["scenes"][0]["sceneIndex"] == 1


async def test_a_scene_larger_than_any_answer_says_so(script: Script):
    huge = [{"type": "action", "children": [{"text": "x" * 2_100_000}]}]
    await bring(script.desk, script.scenes[0], huge, SnapshotSource.IMPORT)
    scene = (await script.read()).json()["scenes"][0]

    assert scene["content"]["blocks"] == []
    assert scene["metadata"]["reason"] == "too_large"


async def test_a_scene_that_cannot_be_read_falls_back_and_says_so(script: Script):
    """Its log is gone behind a damaged compacted row; the snapshot stands in."""
    desk, scene = script.desk, script.scenes[0]
    await desk.write("what the snapshot keeps", scene)
    await desk.snap(scene)
    # A row far ahead without those before it is what a pruned log looks like.
    await desk.owner.execute(
        "INSERT INTO scene_versions (scene_id, seq, yjs_update, client_id, created_by, checksum)"
        " VALUES ($1, 1000, 'x', 1, $2, 1)",
        scene,
        UUID(desk.person.id),
    )
    await desk.owner.execute(
        "UPDATE scene_versions SET compacted_by = version_id WHERE scene_id = $1 AND seq = 1", scene
    )
    await desk.owner.execute("DELETE FROM scene_versions WHERE scene_id = $1 AND seq = 1", scene)
    await desk.owner.execute("DELETE FROM docs WHERE scene_id = $1", scene)
    # They remember the state of before.
    await asyncio.gather(*(desk.stack.restart(f"collab-{number}") for number in (1, 2)))
    found = (await script.read()).json()["scenes"]

    assert "what the snapshot keeps" in str(found[0]["content"]["blocks"])
    assert (found[0]["metadata"]["source"], found[0]["metadata"]["reason"]) == (
        "rest",
        "unreadable",
    )


async def test_any_book_answers_and_no_stranger_learns_of_it(script: Script, desk: Desk):
    books = f"/api/projects/{desk.scenery.project}/books"
    novel = await desk.person.ask("POST", books, title="A novel", kind="novel")
    mine = await desk.person.http.get(f"/api/scripts/{novel['id']}/scenes")
    nowhere = await desk.person.http.get(f"/api/scripts/{uuid4()}/scenes")
    wrong = await script.read(cursor="nonsense")
    async with People(desk.stack.url) as people:
        stranger = await people.join("Stranger")
        theirs = await stranger.http.get(f"/api/scripts/{script.id}/scenes")
        reader = await people.join("Reader")
        await desk.person.let_in(desk.scenery.project, reader, "READER")
        shared = await reader.http.get(f"/api/scripts/{script.id}/scenes")

    assert (mine.status_code, mine.json()["scenes"]) == (200, [])
    assert (nowhere.status_code, theirs.status_code, wrong.status_code) == (404, 404, 400)
    assert len(shared.json()["scenes"]) == 6


async def test_deleted_scenes_are_left_out(script: Script):
    desk = script.desk
    path = f"/api/scenes/{script.scenes[1]}"
    gone = await desk.person.http.delete(path, params={"baseVersion": 1})
    found = (await script.read()).json()["scenes"]

    assert gone.status_code == 204
    assert [scene["sceneIndex"] for scene in found] == list(range(5))
    assert str(script.scenes[1]) not in [scene["sceneUUID"] for scene in found]
