"""Word counts as a writing application sees them: soon after an edit, in every place."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from libs.bus import Caller, connect_broker
from libs.contracts.actor import Actor
from libs.contracts.collab.persistence import PUT_SNAPSHOT, PutSnapshot, SnapshotSource
from libs.postgres import connect
from services.events.rebuild.__main__ import rebuild
from tests.gateway.exchange import done, exported, first_scene, imported
from tests.gateway.support import Json, Manuscript, Person
from tests.support.waiting import until
from tests.support.yclient import YClient
from tools.stack import Stack

PURGE_S_MAX = 60.0


async def put(person: Person, scene: str, text: str, query: str = "") -> None:
    body = {"format": "text", "content": text}
    answer = await person.ask("PUT", f"/api/scenes/{scene}/content{query}", json=body)
    assert answer.is_success, answer.text


async def words(person: Person, scene: str) -> int:
    answer = await person.get(f"/api/scenes/{scene}")
    assert answer.status_code == 200, answer.text
    return answer.json()["wordCount"]


async def until_counted(person: Person, scene: str, wanted: int) -> None:
    async def counted() -> bool:
        return await words(person, scene) == wanted

    await until(counted)


async def everywhere(person: Person, made: Manuscript) -> Json:
    """What each place that shows a count of a manuscript's one scene says."""
    project, book, chapter = made.project["id"], made.book["id"], made.chapter["id"]

    async def of(path: str) -> Json:
        answer = await person.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    tree = (await of(f"/api/projects/{project}/tree"))["books"][0]
    return {
        "tree": tree["chapters"][0]["scenes"][0]["wordCount"],
        "tree chapter": tree["chapters"][0]["wordCount"],
        "tree book": tree["wordCount"],
        "scene": (await of(f"/api/scenes/{made.scene['id']}"))["wordCount"],
        "chapter": (await of(f"/api/chapters/{chapter}"))["wordCount"],
        "book": (await of(f"/api/books/{book}"))["wordCount"],
        "scenes": (await of(f"/api/chapters/{chapter}/scenes"))["items"][0]["wordCount"],
        "filtered": (await of(f"/api/projects/{project}/scenes?status=DRAFT"))["items"][0][
            "wordCount"
        ],
        "chapters": (await of(f"/api/books/{book}/chapters"))["items"][0]["wordCount"],
        "books": (await of(f"/api/projects/{project}/books"))["items"][0]["wordCount"],
    }


async def test_it_is_seen_everywhere_after_an_edit(
    stack: Stack, mary: Person, manuscript: Manuscript
) -> None:
    """What is typed counts at once in the scene, in lists and in the tree, and is summed."""
    base = stack.gateways[0].replace("http", "ws", 1)
    scene = manuscript.scene["id"]
    address = f"{base}/collab/{scene}?token={mary.access_token}&acks=1"
    assert set((await everywhere(mary, manuscript)).values()) == {0}

    async with YClient(lambda: address, "one") as one:
        await one.wait_synced()
        one.type("Walton sails north.")
        await until_counted(mary, scene, 3)
        one.type(" The ice closes in.", len("Walton sails north."))
        await until_counted(mary, scene, 7)

    assert set((await everywhere(mary, manuscript)).values()) == {7}


async def test_neither_version_nor_log_knows_of_it(
    stack: Stack, mary: Person, manuscript: Manuscript
) -> None:
    """The scene keeps its tag and has no further event; the tree's tag is of what it says."""
    scene, project = manuscript.scene["id"], manuscript.project["id"]
    before, tree = await mary.get(f"/api/scenes/{scene}"), f"/api/projects/{project}/tree"
    tag = (await mary.get(tree)).headers["etag"]
    events = await asyncpg.connect(stack.postgres_url("events", "postgres"))
    try:
        await put(mary, scene, "one two three")
        await until_counted(mary, scene, 3)
        after = await mary.get(f"/api/scenes/{scene}")
        logged = await events.fetch(
            "SELECT event_type FROM events WHERE aggregate_id = $1", UUID(scene)
        )
    finally:
        await events.close()
    again = await mary.get(tree, headers={"If-None-Match": tag})

    assert after.headers["etag"] == before.headers["etag"]
    assert after.json() == before.json() | {"wordCount": 3}
    assert [row["event_type"] for row in logged] == ["scene.created"]
    assert again.status_code == 200


async def test_commands_answer_with_it_and_do_not_keep_it(
    stack: Stack, mary: Person, manuscript: Manuscript
) -> None:
    """A change answers with the count; the log's fold stays 0, so that a rebuild finds no fault."""
    scene, chapter = manuscript.scene["id"], manuscript.chapter["id"]
    await put(mary, scene, "one two three")
    await until_counted(mary, scene, 3)
    any_version = {"If-Match": "*"}

    changed = await mary.ask(
        "PATCH", f"/api/scenes/{scene}", json={"title": "Other"}, headers=any_version
    )
    renamed = await mary.ask(
        "PATCH", f"/api/chapters/{chapter}", json={"title": "II"}, headers=any_version
    )
    moved = await mary.post(f"/api/scenes/{scene}/move", {"index": 0})
    owner = await connect(stack.postgres_url("events", "events_owner"), application="test")
    try:
        told = await rebuild(owner, into="words", do_swap=True, force=True)
    finally:
        await owner.close()

    assert [answer.json()["wordCount"] for answer in (changed, renamed, moved)] == [3, 3, 3]
    assert told["differences"] == 0, told
    assert set((await everywhere(mary, manuscript)).values()) == {3}


async def test_deleted_scenes_are_in_no_sum(mary: Person, manuscript: Manuscript) -> None:
    """And are again when they are restored, without another edit."""
    path = f"/api/chapters/{manuscript.chapter['id']}"
    second = await mary.made(f"{path}/scenes", {"title": "Two"})
    await put(mary, manuscript.scene["id"], "one two")
    await put(mary, second["id"], "three")
    await until_counted(mary, second["id"], 1)
    await until_counted(mary, manuscript.scene["id"], 2)

    async def total() -> tuple[int, int]:
        book = await mary.get(f"/api/books/{manuscript.book['id']}")
        return (await mary.get(path)).json()["wordCount"], book.json()["wordCount"]

    both = await total()
    gone = await mary.ask("DELETE", f"/api/scenes/{second['id']}", headers={"If-Match": "*"})
    one = await total()
    back = await mary.post(f"/api/scenes/{second['id']}/restore")

    assert (gone.status_code, back.status_code) == (204, 200)
    assert back.json()["wordCount"] == 1
    assert [both, one, await total()] == [(3, 3), (2, 2), (3, 3)]


async def test_copies_are_counted(mary: Person, manuscript: Manuscript) -> None:
    """A clone and an imported export have the words of what they were made from."""
    await put(mary, manuscript.scene["id"], "one two three four")
    project = manuscript.project["id"]

    clone = await done(mary, await mary.post(f"/api/projects/{project}/clone", {}))
    file = await exported(mary, project)
    read = await done(mary, await imported(mary, file))

    for job in (clone, read):
        scene = await first_scene(mary, job["projectId"])
        await until_counted(mary, scene["id"], 4)


async def test_going_back_and_merging_are_edits(
    stack: Stack, mary: Person, manuscript: Manuscript
) -> None:
    """A branch is no scene: nobody counts it, and its scene gets its words by the merge."""
    scene = manuscript.scene["id"]
    path = f"/api/scenes/{scene}"
    await put(mary, scene, "one two")
    branch = await mary.made(f"{path}/branches", {"name": "longer"})
    await put(mary, scene, "one two three four five", f"?branch={branch['id']}")
    await until_counted(mary, scene, 2)
    # Long enough for the branch to be counted, if it were.
    await asyncio.sleep(2.5)
    events = await asyncpg.connect(stack.postgres_url("events", "postgres"))
    try:
        counted = await events.fetchval(
            "SELECT EXISTS (SELECT FROM word_counts WHERE scene_id = $1)", UUID(branch["id"])
        )
    finally:
        await events.close()
    assert (await words(mary, scene), counted) == (2, False)

    merged = await mary.post(f"{path}/branches/{branch['id']}/merge", {})
    assert merged.status_code == 200, merged.text
    await until_counted(mary, scene, 5)
    back = await mary.post(f"{path}/restore-version", {"at": "seq:1"})
    assert back.is_success, back.text
    await until_counted(mary, scene, 2)


async def test_imported_blocks_are_counted(
    stack: Stack, mary: Person, manuscript: Manuscript
) -> None:
    """Before they are migrated, when the log has nothing yet; later the log counts."""
    scene = manuscript.scene["id"]
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="test"
    )
    blocks = [{"type": "action", "children": [{"text": "John enters, late."}]}]
    try:
        await Caller(client).ask(
            PUT_SNAPSHOT,
            PutSnapshot(
                scene_id=UUID(scene),
                snapshot_id=uuid4(),
                source=SnapshotSource.IMPORT,
                blocks=blocks,
            ),
            Actor(user_id=UUID(mary.id)),
        )
        await until_counted(mary, scene, 3)
    finally:
        await broker.stop()
    await put(mary, scene, "Mary waits.")
    await until_counted(mary, scene, 2)


@pytest.mark.parametrize("kind", ["scenes", "projects"])
async def test_a_purge_takes_it_along(
    stack: Stack, mary: Person, manuscript: Manuscript, kind: str
) -> None:
    """Neither service keeps the count of a scene that is gone for good."""
    scene = manuscript.scene["id"]
    path = (
        f"/api/scenes/{scene}" if kind == "scenes" else f"/api/projects/{manuscript.project['id']}"
    )
    await put(mary, scene, "one two three")
    await until_counted(mary, scene, 3)
    tag = (await mary.get(path)).headers["etag"]
    assert (await mary.ask("DELETE", path, headers={"If-Match": tag})).status_code == 204
    ordered = await mary.post(f"{path}/purge", headers={"If-Match": "*"})
    if ordered.status_code == 428:
        before, _, number = tag.rpartition("v")
        later = f'{before}v{int(number.rstrip(chr(34))) + 1}"'
        ordered = await mary.post(f"{path}/purge", headers={"If-Match": later})
    assert ordered.status_code == 202, ordered.text

    for database in ("events", "collab"):
        owner = await asyncpg.connect(stack.postgres_url(database, "postgres"))

        async def forgotten(owner: asyncpg.Connection = owner) -> bool:
            query = "SELECT EXISTS (SELECT FROM word_counts WHERE scene_id = $1)"
            return not await owner.fetchval(query, UUID(scene))

        try:
            await until(forgotten, PURGE_S_MAX)
        finally:
            await owner.close()
