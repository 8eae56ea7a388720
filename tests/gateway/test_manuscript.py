"""Projects, books, chapters, scenes: the life of each, over HTTP."""

import re
from uuid import UUID

import httpx
import pytest

from libs.contracts.actor import Role
from tests.gateway.support import Json, Manuscript, Person, is_problem, some_id

KINDS = ("project", "book", "chapter", "scene")
NAMED = {"project": "name", "book": "title", "chapter": "title", "scene": "title"}


def path_of(kind: str, thing: Json) -> str:
    return f"/api/{kind}s/{thing['id']}"


def children(kind: str, parent: Json) -> str:
    above = {"book": "project", "chapter": "book", "scene": "chapter"}[kind]
    return f"{path_of(above, parent)}/{kind}s"


class TestEveryKind:
    @pytest.fixture(params=KINDS)
    def kind(self, request: pytest.FixtureRequest) -> str:
        return request.param

    @pytest.fixture
    def thing(self, kind: str, manuscript: Manuscript) -> Json:
        return getattr(manuscript, kind)

    async def test_it_is_created_whole(self, kind: str, thing: Json, mary: Person):
        common = {"id", "version", "createdAt", "updatedAt", "createdBy", "updatedBy"}

        assert common <= thing.keys()
        assert thing["version"] == 1
        assert thing["createdBy"] == thing["updatedBy"] == mary.id
        assert UUID(thing["id"]).version == 7
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", thing["createdAt"])
        assert "_" not in "".join(thing)
        assert (await mary.get(path_of(kind, thing))).json() == thing

    async def test_reads_carry_an_etag_that_saves_the_next_one(
        self, kind: str, thing: Json, mary: Person
    ):
        first = await mary.get(path_of(kind, thing))
        tag = first.headers["etag"]
        again = await mary.get(path_of(kind, thing), headers={"If-None-Match": f'"x", {tag}'})

        assert tag == f'W/"{kind}-{thing["id"]}-v1"'
        assert again.status_code == 304
        assert again.headers["etag"] == tag
        assert again.content == b""

    async def test_a_change_names_the_version_it_was_made_from(
        self, kind: str, thing: Json, mary: Person
    ):
        path, tag = path_of(kind, thing), f'W/"{kind}-{thing["id"]}-v1"'
        change = {NAMED[kind]: "Prometheus"}

        assert is_problem(await mary.ask("PATCH", path, json=change), 428, "PRECONDITION_REQUIRED")
        changed = await mary.ask("PATCH", path, json=change, headers={"If-Match": tag})
        assert changed.status_code == 200
        assert changed.json()[NAMED[kind]] == "Prometheus"
        assert changed.json()["version"] == 2
        assert changed.headers["etag"].endswith('-v2"')
        stale = await mary.ask("PATCH", path, json=change, headers={"If-Match": tag})
        assert is_problem(stale, 412, "PRECONDITION_FAILED")
        any_version = await mary.ask("PATCH", path, json=change, headers={"If-Match": "*"})
        assert any_version.status_code == 200

    @pytest.mark.parametrize("tag", ["nonsense", 'W/"book-x-v1"', '"a", "b"', '""', "W/"])
    async def test_a_tag_of_something_else_never_matches(
        self, kind: str, thing: Json, mary: Person, tag: str
    ):
        answer = await mary.ask("PATCH", path_of(kind, thing), json={}, headers={"If-Match": tag})

        assert is_problem(answer, 412, "PRECONDITION_FAILED")

    async def test_changing_the_same_field_from_the_same_base_conflicts_with_both_values(
        self, kind: str, thing: Json, mary: Person
    ):
        path, name = path_of(kind, thing), NAMED[kind]
        mine = await mary.ask("PATCH", path, json={name: "Mine", "baseVersion": 1})
        theirs = await mary.ask("PATCH", path, json={name: "Theirs", "baseVersion": 1})

        assert mine.status_code == 200
        assert is_problem(theirs, 409, "CONFLICT")
        assert "Mine" in theirs.text
        assert "Theirs" in theirs.text

    async def test_deleted_things_vanish_and_come_back(self, kind: str, thing: Json, mary: Person):
        path = path_of(kind, thing)
        assert is_problem(await mary.ask("DELETE", path), 428, "PRECONDITION_REQUIRED")
        stale = await mary.ask("DELETE", path, params={"baseVersion": 7})
        assert stale.status_code in (400, 412)
        tag = f'W/"{kind}-{thing["id"]}-v1"'
        assert (await mary.ask("DELETE", path, headers={"If-Match": tag})).status_code == 204

        assert is_problem(await mary.get(path), 404, "NOT_FOUND")
        kept = await mary.get(path, params={"includeDeleted": "true"})
        assert kept.json()["deletedAt"] is not None
        assert kept.json()["deletedBy"] == mary.id
        back = await mary.post(f"{path}/restore")
        assert back.status_code == 200
        assert back.json()["deletedAt"] is None
        assert (await mary.get(path)).status_code == 200

    async def test_a_stranger_sees_nothing_of_it(self, kind: str, thing: Json, percy: Person):
        path = path_of(kind, thing)

        for method, body in (("GET", None), ("PATCH", {"baseVersion": 1}), ("DELETE", None)):
            answer = await percy.ask(method, path, json=body)
            assert is_problem(answer, 404, "NOT_FOUND")
        assert is_problem(await percy.post(f"{path}/restore"), 404, "NOT_FOUND")

    async def test_a_bad_body_names_the_field(self, kind: str, thing: Json, mary: Person):
        path, name = path_of(kind, thing), NAMED[kind]
        bad = ({name: ""}, {name: "x" * 201}, {name: "a\0b"}, {name: 7})

        for body in bad:
            answer = await mary.ask("PATCH", path, json={**body, "baseVersion": 1})
            assert is_problem(answer, 400, "VALIDATION_FAILED")
            assert answer.json()["errors"][0]["field"] == f"body.{next(iter(body))}"

    async def test_an_unknown_field_is_named(self, kind: str, thing: Json, mary: Person):
        body = {"colour": "red", "baseVersion": 1}
        answer = await mary.ask("PATCH", path_of(kind, thing), json=body)

        assert is_problem(answer, 422, "UNKNOWN_NAME")
        assert answer.json()["errors"][0]["field"] == "body.colour"

    async def test_an_empty_change_changes_nothing(self, kind: str, thing: Json, mary: Person):
        answer = await mary.ask("PATCH", path_of(kind, thing), json={"baseVersion": 1})

        assert answer.status_code in (200, 400)
        assert (await mary.get(path_of(kind, thing))).json()["version"] == 1


class TestLists:
    async def test_pages_follow_the_order_without_gap_or_repeat(
        self, manuscript: Manuscript, mary: Person
    ):
        path = children("scene", manuscript.chapter)
        made = [manuscript.scene["id"]]
        for number in range(6):
            made.append((await mary.made(path, {"title": str(number)}))["id"])
        seen: list[str] = []
        cursor = None
        while cursor is not None or not seen:
            params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
            page = (await mary.get(path, params=params)).json()
            seen += [each["id"] for each in page["items"]]
            cursor = page["nextCursor"]

        assert seen == made

    @pytest.mark.parametrize(
        "params", [{"limit": 0}, {"limit": 501}, {"limit": "x"}, {"cursor": "~"}]
    )
    async def test_a_bad_page_is_refused(self, manuscript: Manuscript, mary: Person, params: Json):
        answer = await mary.get(children("book", manuscript.project), params=params)

        assert is_problem(answer, 400, "VALIDATION_FAILED")

    async def test_deleted_ones_show_only_to_those_who_may_restore(
        self, manuscript: Manuscript, mary: Person, percy: Person
    ):
        await manuscript.welcome(percy, Role.WRITER)
        gone = path_of("scene", manuscript.scene)
        assert (await percy.ask("DELETE", gone, params={"baseVersion": 1})).status_code == 204
        path, everything = children("scene", manuscript.chapter), {"includeDeleted": "true"}

        assert (await mary.get(path)).json()["items"] == []
        assert len((await mary.get(path, params=everything)).json()["items"]) == 1
        assert is_problem(await percy.get(path, params=everything), 403, "FORBIDDEN")
        assert is_problem(await percy.get(gone, params=everything), 403, "FORBIDDEN")

    async def test_projects_are_ones_own(self, manuscript: Manuscript, mary: Person, percy: Person):
        mine = (await mary.get("/api/projects")).json()["items"]

        assert [each["id"] for each in mine] == [manuscript.project["id"]]
        assert mine[0]["role"] == "OWNER"
        assert (await percy.get("/api/projects")).json() == {"items": [], "nextCursor": None}

    async def test_deleted_projects_show_only_to_those_who_may_restore_them(
        self, manuscript: Manuscript, mary: Person, percy: Person
    ):
        await manuscript.welcome(percy, Role.WRITER)
        path, everything = path_of("project", manuscript.project), {"includeDeleted": "true"}
        await mary.ask("DELETE", path, params={"baseVersion": 1})

        assert (await mary.get("/api/projects")).json()["items"] == []
        assert len((await mary.get("/api/projects", params=everything)).json()["items"]) == 1
        assert (await percy.get("/api/projects", params=everything)).json()["items"] == []


class TestProjects:
    async def test_a_slug_is_unique(self, mary: Person):
        slug = f"s-{some_id().hex}"
        await mary.made("/api/projects", {"name": "A", "slug": slug})

        again = await mary.post("/api/projects", {"name": "B", "slug": slug})

        assert is_problem(again, 409, "SLUG_TAKEN")

    async def test_what_is_created_says_where_it_is(self, mary: Person):
        answer = await mary.post("/api/projects", {"name": "A"})

        assert answer.headers["location"] == f"/api/projects/{answer.json()['id']}"
        assert (await mary.get(answer.headers["location"])).status_code == 200

    async def test_deleting_hides_everything_below(self, manuscript: Manuscript, mary: Person):
        project = path_of("project", manuscript.project)
        await mary.ask("DELETE", project, params={"baseVersion": 1})

        for kind in ("book", "chapter", "scene"):
            gone = await mary.get(path_of(kind, getattr(manuscript, kind)))
            assert is_problem(gone, 404, "NOT_FOUND")
        gone = await mary.get(f"{path_of('scene', manuscript.scene)}/content")
        assert is_problem(gone, 404, "NOT_FOUND")
        assert (await mary.post(f"{project}/restore")).status_code == 200
        assert (await mary.get(path_of("scene", manuscript.scene))).status_code == 200


class TestScenes:
    async def test_older_names_of_points_of_view_are_understood(
        self, manuscript: Manuscript, mary: Person
    ):
        made = await mary.made(
            children("scene", manuscript.chapter), {"pov": "THIRD", "tense": "PAST"}
        )

        assert (made["pov"], made["tense"], made["title"]) == ("THIRD_LIMITED", "PAST", None)

    async def test_changes_of_different_fields_merge(self, manuscript: Manuscript, mary: Person):
        path = path_of("scene", manuscript.scene)
        await mary.ask("PATCH", path, json={"title": "Snow", "baseVersion": 1})
        merged = await mary.ask("PATCH", path, json={"summary": "Cold.", "baseVersion": 1})

        assert merged.status_code == 200
        assert (merged.json()["title"], merged.json()["summary"]) == ("Snow", "Cold.")

    async def test_null_clears_what_is_optional(self, manuscript: Manuscript, mary: Person):
        path = path_of("scene", manuscript.scene)
        cleared = await mary.ask("PATCH", path, json={"title": None, "baseVersion": 1})

        assert cleared.json()["title"] is None
        refused = await mary.ask("PATCH", path, json={"status": None, "baseVersion": 2})
        assert is_problem(refused, 400, "VALIDATION_FAILED")

    async def test_a_scene_moves_within_and_between_chapters(
        self, manuscript: Manuscript, mary: Person
    ):
        here = children("scene", manuscript.chapter)
        other = await mary.made(children("chapter", manuscript.book), {"title": "II"})
        second = await mary.made(here, {"title": "second"})
        path = f"{path_of('scene', second)}/move"

        first = await mary.post(path, {"index": 0})
        assert first.status_code == 200
        titles = [each["title"] for each in (await mary.get(here)).json()["items"]]
        assert titles == ["second", "Ice"]
        away = await mary.post(path, {"index": 0, "parentId": other["id"]})
        assert away.json()["chapterId"] == other["id"]
        assert len((await mary.get(here)).json()["items"]) == 1

    async def test_nothing_moves_into_another_project(self, manuscript: Manuscript, mary: Person):
        other = await Manuscript.begin(mary)
        path = f"{path_of('scene', manuscript.scene)}/move"

        answer = await mary.post(path, {"index": 0, "parentId": other.chapter["id"]})

        assert is_problem(answer, 404, "NOT_FOUND")

    async def test_a_move_may_insist_on_a_version(self, manuscript: Manuscript, mary: Person):
        path = f"{path_of('scene', manuscript.scene)}/move"
        tag = f'W/"scene-{manuscript.scene["id"]}-v9"'

        answer = await mary.post(path, {"index": 0}, headers={"If-Match": tag})

        assert is_problem(answer, 412, "PRECONDITION_FAILED")


class TestStrangers:
    async def test_what_does_not_exist_looks_like_what_one_may_not_see(
        self, manuscript: Manuscript, percy: Person
    ):
        hidden = await percy.get(path_of("scene", manuscript.scene))
        missing = await percy.get(f"/api/scenes/{some_id()}")
        odd = await percy.get("/api/scenes/not-an-id")

        for answer in (hidden, missing, odd):
            assert is_problem(answer, 404, "NOT_FOUND")
        assert hidden.json()["detail"] == missing.json()["detail"] == odd.json()["detail"]

    async def test_any_gateway_serves_what_another_created(
        self, manuscript: Manuscript, mary: Person, http2: httpx.AsyncClient
    ):
        mary.http = http2

        assert (await mary.get(path_of("scene", manuscript.scene))).json() == manuscript.scene
