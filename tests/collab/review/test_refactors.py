# ruff: noqa: RUF001 (texts have typographic apostrophes)
"""Refactors over HTTP: found, chosen from, applied and reverted as one, while people type."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.collab.review.novels import RENAMED, TEXT, Novel, hits
from tests.support.people import People, Person
from tests.support.waiting import until
from tests.support.yclient import YClient
from tools.stack import Stack


@pytest.fixture
async def novel(ada: Person) -> Novel:
    return await Novel.written(ada)


@pytest.mark.parametrize("editor", ["tiptap", "slate", "lexical", "plain"])
async def test_a_rename_is_one_change_that_can_be_taken_back(ada: Person, editor: str) -> None:
    """Texts, titles and the entity, in every layout; applied again it does the same again."""
    novel = await Novel.written(ada, editor=editor)
    made = await novel.found()
    assert (made["state"], made["progress"]) == ("READY", {"done": 3, "total": 3})
    assert await novel.texts() == [TEXT] * 3

    for _ in range(2):
        applied = await novel.does(made, "apply")
        assert applied["state"] == "APPLIED"
        assert await novel.texts() == [RENAMED] * 3
        assert await novel.title(novel.scenes[0]) == "Nora 0"
        entity = await ada.ask("GET", f"/api/entities/{novel.heroine}")
        assert (entity["name"], entity["aliases"], entity["description"]) == (
            "Nora Voss", ["Nora", "Red"], "Nora is tall."
        )  # fmt: skip
        assert (await ada.ask("GET", f"/api/books/{novel.book}"))["title"] == "Nora's Book"
        bundle = await ada.ask("GET", f"/api/bundles/{applied['bundleId']}")
        assert bundle["bundle"]["causationId"] == made["id"]
        assert bundle["bundle"]["label"] == "Rename Mara Voss to Nora Voss"

        reverted = await novel.does(made, "revert")
        assert reverted["state"] == "REVERTED"
        assert await novel.texts() == [TEXT] * 3
        assert await novel.name() == "Mara Voss"
        assert await novel.title(novel.scenes[0]) == "Mara 0"


async def test_doubtful_hits_are_listed_with_their_reason_and_off(novel: Novel) -> None:
    made = await novel.found()
    first = made["scenes"][0]
    assert [(hit["quote"], hit["text"], hit["reason"]) for hit in first["hits"]] == [
        ("Mara", "Nora", None),
        ("Mara’s", "Nora’s", None),
        ("MARA", "NORA", None),
        ("mara", "nora", "part_of_word"),
        ("Mara", "Nora", None),
    ]
    assert [hit["chosen"] for hit in first["hits"]] == [True, True, True, False, True]
    assert first["hits"][1]["before"].endswith("came in. “")
    assert first["hits"][1]["after"].startswith(" hat!")
    # Three scenes: four sure hits and a title each; the entity's three fields, and the book.
    assert made["counts"] == {"hits": 22, "sure": 19, "chosen": 19, "skipped": 0}


async def test_hits_are_chosen_one_by_one_by_scene_and_all(novel: Novel) -> None:
    made = await novel.found()
    one, two, three = made["scenes"]
    doubtful, sure = one["hits"][3]["id"], one["hits"][0]["id"]
    fields = [each["id"] for each in made["fields"]]
    chosen = await novel.choose(
        made,
        {"everything": True, "to": "off"},
        {"sceneId": two["sceneId"], "to": "sure"},
        {"sceneId": three["sceneId"], "to": "on"},
        {"hitIds": [doubtful, sure, fields[0]], "to": "on"},
        {"hitIds": [sure], "to": "off"},
    )
    assert chosen["counts"]["chosen"] == 5 + 6 + 2
    await novel.choose(made, {"hitIds": [str(uuid4())], "to": "on"}, status=404)

    await novel.does(made, "apply")
    assert await novel.texts() == [
        TEXT.replace("marathon", "norathon"),
        RENAMED,
        RENAMED.replace("marathon", "norathon"),
    ]
    assert [await novel.title(scene) for scene in novel.scenes] == ["Mara 0", "Nora 1", "Nora 2"]
    assert await novel.name() == "Nora Voss"
    await novel.choose(made, {"everything": True, "to": "on"}, status=409)
    await novel.does(made, "revert")
    assert await novel.texts() == [TEXT] * 3


async def test_words_changed_meanwhile_refuse_all_of_it_and_are_named(novel: Novel) -> None:
    """Or are left out when that is wanted, and said."""
    made = await novel.found()
    changed = TEXT.replace("Mara came", "Margaret came")
    await novel.write(novel.scenes[1], changed)
    refused = await novel.does(made, "apply", 409)
    assert (refused["code"], refused["total"]) == ("CONFLICT", 1)
    [hit] = refused["hits"]
    assert (hit["sceneId"], hit["base"]) == (novel.scenes[1], "Mara")
    assert await novel.texts() == [TEXT, changed, TEXT]
    assert await novel.name() == "Mara Voss"
    now = await novel.read(made["id"])
    assert (now["state"], now["failure"]["code"]) == ("READY", "CONFLICT")

    applied = await novel.does(made, "apply", skipConflicts="true")
    assert applied["counts"]["skipped"] == 1
    renamed = RENAMED.replace("Nora came", "Margaret came")
    assert await novel.texts() == [RENAMED, renamed, RENAMED]
    [skipped] = [each for each in hits(await novel.read(made["id"])) if each["skipped"]]
    assert skipped["id"] == hit["id"]
    await novel.does(made, "revert")
    assert await novel.texts() == [TEXT, changed, TEXT]


async def test_a_field_changed_meanwhile_refuses_all_of_it(novel: Novel) -> None:
    """Before any text is written; undoing leaves what others changed since."""
    made = await novel.found()
    await novel.change(novel.scenes[0], title="Another")
    refused = await novel.does(made, "apply", 409)
    assert [field["aggregateId"] for field in refused["fields"]] == [novel.scenes[0]]
    assert await novel.texts() == [TEXT] * 3

    await novel.does(made, "apply", skipConflicts="true")
    assert await novel.texts() == [RENAMED] * 3
    assert [await novel.title(scene) for scene in novel.scenes] == ["Another", "Nora 1", "Nora 2"]
    await novel.change(novel.scenes[1], title="Third")
    await novel.does(made, "revert", 409)
    assert await novel.texts() == [RENAMED] * 3
    await novel.does(made, "revert", skipConflicts="true")
    assert await novel.texts() == [TEXT] * 3
    assert [await novel.title(scene) for scene in novel.scenes] == ["Another", "Third", "Mara 2"]


async def test_what_others_write_stays(novel: Novel) -> None:
    """Beside the hits, before applying and before reverting."""
    made = await novel.found()
    scene = novel.scenes[0]
    await novel.write(scene, TEXT.replace("came in", "came in slowly"))
    await novel.does(made, "apply")
    assert await novel.person.text(scene) == RENAMED.replace("came in", "came in slowly")
    await novel.write(scene, RENAMED.replace("came in", "came in slowly").replace("hat", "cap"))
    await novel.does(made, "revert")
    wanted = TEXT.replace("came in", "came in slowly").replace("hat", "cap")
    assert await novel.person.text(scene) == wanted


async def test_people_type_while_many_scenes_are_renamed(
    ada: Person, stack: Stack, owner: asyncpg.Connection
) -> None:
    """Everybody's letters are there, and the texts of all scenes are one transaction."""
    novel = await Novel.written(ada, [TEXT] * 40)
    made = await novel.found()
    host = stack.gateways[0].replace("http", "ws", 1)
    written: list[str] = []

    async def type_in(scene: str) -> None:
        async with YClient(lambda: f"{host}/collab/{scene}?token={ada.token}&acks=1") as writer:
            await asyncio.sleep(0.2)
            for at in range(40):
                writer.type("x", at=at)
                await asyncio.sleep(0.03)
            await writer.until(lambda: writer.acked > 0, 20)
            written.append(scene)

    plain = await Novel.written(ada, [TEXT] * 5, editor="plain")
    typed = await plain.found()
    typing = [asyncio.create_task(type_in(scene)) for scene in plain.scenes]
    await asyncio.sleep(0.6)
    await asyncio.gather(novel.does(made, "apply"), plain.does(typed, "apply"))
    await asyncio.gather(*typing)
    assert sorted(written) == sorted(plain.scenes)
    assert await novel.texts() == [RENAMED] * 40
    await until(lambda: _all_there(plain))
    rows = await owner.fetch(
        "SELECT DISTINCT v.created_at FROM scene_versions v JOIN refactor_scenes s"
        " ON s.scene_id = v.scene_id AND s.applied_seq = v.seq WHERE s.refactor_id = $1",
        UUID(made["id"]),
    )
    assert len(rows) == 1


async def _all_there(novel: Novel) -> bool:
    return set(await novel.texts()) == {"x" * 40 + RENAMED}


async def test_many_at_once_apply_once(novel: Novel, owner: asyncpg.Connection) -> None:
    """At two replicas: one edit of each scene, and the same answer for all."""
    made = await novel.found()
    answers = await asyncio.gather(*(novel.does(made, "apply") for _ in range(20)))
    assert {answer["state"] for answer in answers} == {"APPLIED"}
    assert await novel.texts() == [RENAMED] * 3
    counts = await owner.fetch(
        "SELECT max(seq) AS head FROM scene_versions WHERE scene_id = ANY ($1) GROUP BY scene_id",
        [UUID(scene) for scene in novel.scenes],
    )
    assert [row["head"] for row in counts] == [2, 2, 2]


async def test_replicas_that_die_leave_all_or_nothing(novel: Novel, stack: Stack) -> None:
    """An order that was given is carried out by the replicas that come after."""
    made = await novel.found()
    order = asyncio.create_task(
        novel.person.http.post(f"/api/refactors/{made['id']}/apply", timeout=3)
    )
    await asyncio.sleep(0.03)
    for part in ("collab-1", "collab-2"):
        stack.kill(part)
    for part in ("collab-1", "collab-2"):
        await stack.wait_ready(part)
    await asyncio.wait([order])

    async def ended() -> bool:
        return (await novel.read(made["id"]))["state"] in ("READY", "APPLIED")

    await until(ended, 60)
    if (await novel.read(made["id"]))["state"] == "READY":
        assert await novel.texts() == [TEXT] * 3
        await novel.does(made, "apply")
    assert await novel.texts() == [RENAMED] * 3
    assert await novel.name() == "Nora Voss"


class TestKinds:
    async def test_words_are_replaced_in_a_scope(self, novel: Novel) -> None:
        made = await novel.found(
            kind="replace", **{"from": "hat"}, to="crown", scope={"sceneIds": novel.scenes[:2]}
        )
        assert made["progress"]["total"] == 2
        await novel.does(made, "apply")
        assert [("crown" in text) for text in await novel.texts()] == [True, True, False]
        assert (await novel.read(made["id"]))["bundleId"] is None

    async def test_attributes_of_scenes_change_as_one_bundle(self, novel: Novel) -> None:
        """Only those that have the old value."""
        await novel.change(novel.scenes[0], status="FINAL")
        made = await novel.found(
            kind="attributes", field="status", **{"from": "DRAFT"}, to="REVISED"
        )
        assert made["counts"]["chosen"] == 2
        await novel.does(made, "apply")
        states = [
            (await novel.person.ask("GET", f"/api/scenes/{scene}"))["status"]
            for scene in novel.scenes
        ]
        assert states == ["FINAL", "REVISED", "REVISED"]
        await novel.does(made, "revert")
        scene = await novel.person.ask("GET", f"/api/scenes/{novel.scenes[1]}")
        assert scene["status"] == "DRAFT"

    async def test_attributes_of_entities(self, novel: Novel) -> None:
        made = await novel.found(
            kind="attributes", target="entity", field="description", to=None,
            scope={"entityIds": [novel.heroine]},
        )  # fmt: skip
        await novel.does(made, "apply")
        entity = await novel.person.ask("GET", f"/api/entities/{novel.heroine}")
        assert entity["description"] is None

    async def test_hunks_of_an_agent_land_where_they_belong_or_nowhere(self, novel: Novel) -> None:
        one, two, _ = novel.scenes
        made = await novel.found(
            kind="hunks",
            title="Present tense",
            hunks=[
                {"sceneId": one, "anchor": {"quote": "came in"}, "text": "comes in"},
                {"sceneId": two, "anchor": {"quote": "she said"}, "text": "she says"},
                {"sceneId": two, "anchor": {"quote": "no such words"}, "text": "?"},
                {"sceneId": two, "anchor": {"quote": "Mara"}, "text": "ambiguous"},
                {
                    "sceneId": two, "anchor": {"quote": "for Mara."}, "kind": "insert",
                    "text": "\nThe end.",
                },
            ],
        )  # fmt: skip
        lost = [(hit["quote"], hit["anchorId"]) for hit in hits(made) if not hit["sure"]]
        assert lost == [("no such words", None), ("Mara", None)]
        await novel.does(made, "apply")
        assert await novel.texts() == [
            TEXT.replace("came in", "comes in"),
            TEXT.replace("she said", "she says") + "\nThe end.",
            TEXT,
        ]
        await novel.does(made, "revert")
        assert await novel.texts() == [TEXT] * 3


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"kind": "nonsense"}, 400),
            ({"kind": "replace", "from": "a"}, 400),
            ({"kind": "replace", "from": " ", "to": "b"}, 400),
            ({"kind": "replace", "from": "a\nb", "to": "b"}, 400),
            ({"kind": "replace", "from": "a", "to": "x" * 201}, 400),
            ({"kind": "replace", "from": "a", "to": "b", "hunks": []}, 400),
            ({"kind": "rename_entity", "entityId": str(uuid4()), "to": "Nora"}, 404),
            ({"kind": "rename_entity", "to": "Nora"}, 400),
            ({"kind": "attributes", "field": "wordCount", "to": "3"}, 400),
            ({"kind": "attributes", "target": "entity", "field": "type", "to": "place"}, 400),
            ({"kind": "attributes", "field": "status", "to": "NOPE"}, 400),
            ({"kind": "attributes", "field": "title", "from": "a\0", "to": "b"}, 400),
            ({"kind": "hunks", "hunks": []}, 400),
            ({"kind": "replace", "from": "a", "to": "b", "scope": {"bookId": str(uuid4())}}, 404),
            (
                {"kind": "hunks", "hunks": [{"sceneId": str(uuid4()), "anchor": {"quote": "a"},
                 "text": "b"}]},
                404,
            ),
        ],
    )  # fmt: skip
    async def test_bad_input(self, ada: Person, body: Any, status: int) -> None:
        novel = await Novel.written(ada, [TEXT])
        answer = await novel.propose(**body)
        assert answer.status_code == status, answer.text

    async def test_only_members_who_write_have_a_part(
        self, novel: Novel, people: People, ben: Person
    ) -> None:
        """A READER reads it; a stranger sees nothing; tenants are apart in the query."""
        made = await novel.found()
        reader = await people.join("Rea")
        await novel.person.let_in(novel.project, reader, "READER")
        path = f"/api/refactors/{made['id']}"
        assert (await reader.http.get(path)).status_code == 200
        assert (await reader.http.post(f"{path}/apply")).status_code == 403
        assert (await reader.http.patch(path, json={"choices": []})).status_code == 403
        for method, where in (("GET", path), ("POST", f"{path}/apply"), ("DELETE", path)):
            answer = await ben.http.request(method, where, json={} if method == "POST" else None)
            assert answer.status_code == 404
        foreign = await Novel.written(ben, [TEXT])
        scope = {"sceneIds": [novel.scenes[0]]}
        answer = await foreign.propose(kind="replace", **{"from": "hat"}, to="cap", scope=scope)
        assert answer.status_code == 404

    async def test_deleted_it_is_gone_until_it_is_restored(self, novel: Novel) -> None:
        """What it changed stays."""
        made = await novel.found()
        await novel.does(made, "apply")
        path = f"/api/refactors/{made['id']}"
        gone = await novel.person.http.delete(path)
        assert gone.status_code == 204
        assert (await novel.person.http.get(path)).status_code == 404
        assert (await novel.person.http.delete(path)).status_code == 404
        listed = f"/api/projects/{novel.project}/refactors"
        assert (await novel.person.ask("GET", listed))["items"] == []
        shown = await novel.person.ask("GET", f"{listed}?includeDeleted=true")
        assert [each["id"] for each in shown["items"]] == [made["id"]]
        assert await novel.texts() == [RENAMED] * 3
        restored = await novel.does(made, "restore")
        assert restored["deletedAt"] is None
        await novel.does(made, "revert")
        assert await novel.texts() == [TEXT] * 3

    async def test_a_stale_version_is_refused(self, novel: Novel) -> None:
        made = await novel.found()
        path = f"/api/refactors/{made['id']}"
        stale = {"If-Match": f'"refactor-{made["id"]}-1"'}
        answer = await novel.person.http.patch(path, json={"title": "New"}, headers=stale)
        assert answer.status_code == 412, answer.text
        answer = await novel.person.http.post(f"{path}/apply?baseVersion=1", json={})
        assert answer.status_code == 412, answer.text

    async def test_pages_of_scenes(self, novel: Novel) -> None:
        made = await novel.found()
        first = await novel.read(made["id"], limit=2)
        rest = await novel.read(made["id"], limit=2, cursor=first["nextCursor"])
        ids = [each["sceneId"] for page in (first, rest) for each in page["scenes"]]
        assert ids == novel.scenes
        assert (rest["nextCursor"], rest["fields"]) == (None, [])
