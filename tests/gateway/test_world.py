"""The story's world over HTTP: entities, what connects them, canon, and who knows what when."""

import asyncio
import re
from typing import Any

import pytest

from services.gateway.api.shapes import Shape
from services.gateway.api.world import WORLD_SHAPES
from tests.gateway.support import Json, Manuscript, Person, is_problem, some_id
from tests.gateway.worlds import furnish, routes_to

NODE: Json = {
    "content": "", "group": "", "marks": None, "inline": False, "atom": False, "code": False,
    "attrs": {},
}  # fmt: skip
CHANGES: dict[str, Json] = {
    "entity": {"name": "The Modern Prometheus"},
    "relation": {"note": "since the storm"},
    "tag": {"colour": "#00ff00"},
    "appearance": {"role": "SPEAKING"},
    "canon_fact": {"confidence": 0.5},
    "style_guide": {"guide": {"b": [1, 2.5, None]}},
    "context_rule": {"ragK": 3},
    "persona": {"prompt": "Write as Walton."},
    "prompt_preset": {"constraints": {"maxWords": 5}},
    "editor_definition": {
        "definition": {
            "kind": "prosemirror",
            "root": "default",
            "version": 2,
            "topNode": "doc",
            "nodes": {"doc": NODE | {"content": "paragraph+"}, "paragraph": NODE},
            "marks": {},
            "elements": {},
            "blocks": [],
            "markNames": [],
        }
    },
}


@pytest.fixture(params=WORLD_SHAPES, ids=lambda shape: shape.kind)
def shape(request: pytest.FixtureRequest) -> Shape:
    return request.param


@pytest.fixture
async def world(manuscript: Manuscript) -> dict[str, Json]:
    return await furnish(manuscript)


@pytest.fixture
def project(manuscript: Manuscript) -> str:
    return f"/api/projects/{manuscript.project['id']}"


class TestEveryKind:
    async def test_life(self, shape: Shape, world: dict[str, Json], mary: Person, project: str):
        thing = world[shape.kind]
        path, tag = f"/api/{shape.plural}/{thing['id']}", f'W/"{shape.kind}-{thing["id"]}-v1"'
        common = {"id", "version", "createdAt", "updatedAt", "createdBy", "updatedBy", "projectId"}
        assert common <= thing.keys()
        assert "_" not in re.sub(r"[A-Z_]{3,}|relates_to", "", "".join(thing))

        read = await mary.get(path)
        assert (read.json(), read.headers["etag"]) == (thing, tag)
        assert (await mary.get(path, headers={"If-None-Match": tag})).status_code == 304
        listed = (await mary.get(f"{project}/{shape.plural}")).json()
        assert thing in listed["items"]
        assert is_problem(await mary.ask("DELETE", path), 428, "PRECONDITION_REQUIRED")
        gone = await mary.ask("DELETE", path, headers={"If-Match": tag})
        assert gone.status_code == 204
        assert is_problem(await mary.get(path), 404, "NOT_FOUND")
        back = await mary.post(f"{path}/restore")
        assert back.status_code == (200 if shape.lasting else 404), back.text

    async def test_changes_name_a_version(self, shape: Shape, world: dict[str, Json], mary: Person):
        thing = world[shape.kind]
        path, change = f"/api/{shape.plural}/{thing['id']}", CHANGES.get(shape.kind)
        if change is None:
            answer = await mary.ask("PATCH", path, json={})
            assert is_problem(answer, 405, "METHOD_NOT_ALLOWED")
            return
        assert is_problem(await mary.ask("PATCH", path, json=change), 428, "PRECONDITION_REQUIRED")
        changed = await mary.ask("PATCH", path, json={**change, "baseVersion": 1})
        assert changed.status_code == 200, changed.text
        assert changed.json() == {**thing, **change, **_stamps(changed.json())}
        assert changed.headers["etag"].endswith('-v2"')
        tag = f'W/"{shape.kind}-{thing["id"]}-v1"'
        stale = await mary.ask("PATCH", path, json=change, headers={"If-Match": tag})
        assert is_problem(stale, 412, "PRECONDITION_FAILED")
        unknown = await mary.ask("PATCH", path, json={"colours": 1, "baseVersion": 1})
        assert is_problem(unknown, 422, "UNKNOWN_NAME")
        assert unknown.json()["errors"][0]["field"] == "body.colours"

    async def test_strangers_see_nothing(
        self, shape: Shape, world: dict[str, Json], manuscript: Manuscript, percy: Person
    ):
        for method, path, body, _ in routes_to(manuscript, world):
            if shape.plural in path:
                assert is_problem(await percy.ask(method, path, json=body), 404, "NOT_FOUND")

    async def test_ids_of_another_project_are_not_found(
        self, shape: Shape, world: dict[str, Json], mary: Person
    ):
        """Also for somebody who is an owner of both: nothing links across projects."""
        other = await Manuscript.begin(mary)
        references = {
            name: value
            for name, value in world[shape.kind].items()
            if name.endswith("Id") and name != "projectId" and value and name != "anchorId"
        }
        body = {key: world[shape.kind][key] for key in shape.create.model_json_schema()["required"]}
        path = f"/api/projects/{other.project['id']}/{shape.plural}"

        answer = await mary.post(path, {**body, **references})

        if references:
            assert is_problem(answer, 404, "NOT_FOUND")
            assert answer.json()["errors"][0]["field"] in references
        else:
            assert answer.status_code == 201


def _stamps(thing: Json) -> Json:
    return {name: thing[name] for name in ("version", "updatedAt", "updatedBy")}


class TestEntities:
    async def test_filters_and_orders(self, mary: Person, project: str):
        for body in (
            {"type": "character", "name": "Victor", "aliases": ["Doctor"]},
            {"type": "task", "name": "Late", "task": {"dueDate": "2020-01-01T00:00:00+01:00"}},
            {"type": "task", "name": "Soon", "task": {"dueDate": "2100-01-01T00:00:00Z"}},
        ):
            await mary.made(f"{project}/entities", body)

        async def names(**params: Any) -> list[str]:
            answer = await mary.get(f"{project}/entities", params=params)
            assert answer.status_code == 200, answer.text
            return [each["name"] for each in answer.json()["items"]]

        assert await names(type="task", sort="-dueDate") == ["Soon", "Late"]
        assert await names(overdue="true") == ["Late"]
        assert await names(alias="doctor") == ["Victor"]
        assert await names(namePrefix="vic") == ["Victor"]
        assert await names(dueBefore="2050-01-01T00:00:00Z") == ["Late"]
        assert await names(sort="name", limit=2) == ["Late", "Soon"]
        for params in (
            {"type": "ghost"},
            {"sort": "colour"},
            {"tagId": "x"},
            {"dueBefore": "now"},
            {"cursor": "~"},
            {"limit": 501},
        ):
            answer = await mary.get(f"{project}/entities", params=params)
            assert is_problem(answer, 400, "VALIDATION_FAILED")

    async def test_pages_by_cursor(self, mary: Person, project: str):
        for number in range(5):
            await mary.made(
                f"{project}/entities", {"type": "idea", "name": f"{number}\U0001f480" * 60}
            )
        seen: list[str] = []
        params: Json = {"sort": "-name", "limit": 2}
        while True:
            page = (await mary.get(f"{project}/entities", params=params)).json()
            seen += [each["name"][0] for each in page["items"]]
            if page["nextCursor"] is None:
                break
            params["cursor"] = page["nextCursor"]

        assert seen == ["4", "3", "2", "1", "0"]

    async def test_unknown_types_and_fields_are_named(self, mary: Person, project: str):
        answer = await mary.post(f"{project}/entities", {"type": "ghost", "name": "x"})
        assert is_problem(answer, 422, "UNKNOWN_NAME")
        assert answer.json()["errors"][0]["field"] == "body.type"
        nested = {"type": "task", "name": "x", "task": {"colour": 1}}
        answer = await mary.post(f"{project}/entities", nested)
        assert is_problem(answer, 422, "UNKNOWN_NAME")
        assert answer.json()["errors"][0]["field"] == "body.task.colour"
        relation = {
            "type": "loves",
            "sourceEntityId": str(some_id()),
            "targetEntityId": str(some_id()),
        }
        answer = await mary.post(f"{project}/relations", relation)
        assert is_problem(answer, 422, "UNKNOWN_NAME")

    @pytest.mark.parametrize(
        "traits", ['{"a": 1e999}', '{"a": NaN}', '{"a": "\\u0000"}', '{"a": "\\ud800"}', "[]"]
    )
    async def test_traits_that_cannot_be_kept(self, mary: Person, project: str, traits: str):
        body = f'{{"type": "idea", "name": "x", "traits": {traits}}}'
        headers = {"Content-Type": "application/json"}
        answer = await mary.ask("POST", f"{project}/entities", content=body, headers=headers)

        assert is_problem(answer, 400, "VALIDATION_FAILED")

    async def test_long_texts_are_taken_together(self, mary: Person, project: str):
        """What each field may have, all of them may: nothing is refused later for their sum."""
        body: Json = {"type": "character", "name": "x", "description": "戦" * 10_000}
        body["story"] = {"arc": "戦" * 10_000, "conflict": "戦" * 10_000}

        made = await mary.made(f"{project}/entities", body)

        assert made["description"] == body["description"]
        assert made["story"]["conflict"] == body["story"]["conflict"]

    async def test_numbers_and_texts_come_back_as_they_went(self, mary: Person, project: str):
        traits = {"a": 1.0, "b": 1e22, "c": [True, None, "ß\t"], "d": -0.1, "e": 2**53}
        made = await mary.made(
            f"{project}/entities", {"type": "idea", "name": "x", "traits": traits}
        )

        assert made["traits"] == traits
        again = await mary.get(f"/api/entities/{made['id']}")
        assert again.json()["traits"] == traits

    async def test_a_key_makes_one(self, mary: Person, project: str):
        key = {"Idempotency-Key": str(some_id())}
        body = {"type": "idea", "name": "x"}
        first = await mary.post(f"{project}/entities", body, headers=key)
        again = await mary.post(f"{project}/entities", body, headers=key)

        assert first.json()["id"] == again.json()["id"]
        assert len((await mary.get(f"{project}/entities")).json()["items"]) == 1


class TestConstraints:
    async def test_each_has_its_code(self, mary: Person, project: str, world: dict[str, Json]):
        hero, tag = world["entity"]["id"], world["tag"]["id"]
        slugged = {"type": "idea", "name": "x", "slug": "one"}
        await mary.made(f"{project}/entities", slugged)
        attempts: list[tuple[str, Json, str]] = [
            ("entities", slugged, "SLUG_TAKEN"),
            ("tags", {"name": "DARK"}, "ALREADY_EXISTS"),
            ("taggings", {"entityId": hero, "tagId": tag}, "ALREADY_EXISTS"),
            (
                "relations",
                {"sourceEntityId": hero, "targetEntityId": hero, "type": "blocks"},
                "RELATION_CYCLE",
            ),
        ]
        for plural, body, code in attempts:
            assert is_problem(await mary.post(f"{project}/{plural}", body), 409, code)

    async def test_a_circle_at_once(self, mary: Person, project: str):
        ids = [
            (await mary.made(f"{project}/entities", {"type": "location", "name": name}))["id"]
            for name in "ABC"
        ]
        pairs = zip(ids, [*ids[1:], ids[0]], strict=True)
        answers = await asyncio.gather(
            *(
                mary.post(
                    f"{project}/relations",
                    {"sourceEntityId": one, "targetEntityId": two, "type": "contains"},
                )
                for one, two in pairs
            )
        )

        assert sorted(each.status_code for each in answers) == [201, 201, 409]


class TestStory:
    async def test_scenes_by_status_and_pov(
        self, mary: Person, project: str, manuscript: Manuscript
    ):
        path = f"/api/chapters/{manuscript.chapter['id']}/scenes"
        await mary.made(path, {"title": "Fire", "status": "FINAL", "pov": "FIRST"})

        for base in (path, f"{project}/scenes"):
            found = await mary.get(base, params={"status": "FINAL", "pov": "FIRST"})
            assert [each["title"] for each in found.json()["items"]] == ["Fire"]
        everything = await mary.get(f"{project}/scenes")
        assert [each["title"] for each in everything.json()["items"]] == ["Ice", "Fire"]

    async def test_who_knows_what_when(
        self, mary: Person, manuscript: Manuscript, world: dict[str, Json]
    ):
        path = f"/api/scenes/{manuscript.scene['id']}/knowledge"
        hero = world["entity"]
        (known,) = (await mary.get(path)).json()["items"]

        assert known["fact"] == "He made it."
        assert known["sceneTitle"] == "Ice"
        assert known["knownBy"] == [{"id": hero["id"], "name": "Victor", "role": "POV"}]
        his = await mary.get(path, params={"entityId": hero["id"]})
        assert len(his.json()["items"]) == 1
        nobody = await mary.get(path, params={"entityId": str(some_id())})
        assert is_problem(nobody, 404, "NOT_FOUND")

    async def test_scenes_told_through_somebody(
        self, mary: Person, manuscript: Manuscript, world: dict[str, Json]
    ):
        path = f"/api/entities/{world['entity']['id']}/appearances"
        (found,) = (await mary.get(path, params={"role": "POV"})).json()["items"]

        assert found["scene"]["id"] == manuscript.scene["id"]
        assert found["scene"]["title"] == "Ice"
        assert (await mary.get(path, params={"role": "PRESENT"})).json()["items"] == []
        assert is_problem(await mary.get(path, params={"role": "x"}), 400, "VALIDATION_FAILED")

    async def test_what_an_entity_has(self, mary: Person, world: dict[str, Json]):
        base = f"/api/entities/{world['entity']['id']}"
        for plural, kind in (("relations", "relation"), ("tags", "tag"), ("facts", "canon_fact")):
            items = (await mary.get(f"{base}/{plural}")).json()["items"]
            assert items == [world[kind]]
