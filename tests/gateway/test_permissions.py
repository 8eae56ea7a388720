"""Who may do what: the matrix against the real routes, members, and what changes them."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.contracts.actor import Role
from services.gateway.access import permissions
from services.gateway.access.permissions import MATRIX, Access, may_assign, require, scope_of
from tests.gateway.support import Json, Manuscript, Person, is_problem, some_id
from tests.gateway.worlds import furnish, routes_to

ROLES = tuple(Role)
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
async def shared(http: httpx.AsyncClient) -> Manuscript:
    """A manuscript for tests that change nothing in it."""
    return await Manuscript.begin(await Person.register(http, "Owner"))


@pytest.fixture(scope="module")
async def cast(shared: Manuscript, http: httpx.AsyncClient) -> dict[Role, Person]:
    """One member of each role."""
    found = {Role.OWNER: shared.owner}
    for role in ROLES[1:]:
        found[role] = await shared.welcome(await Person.register(http, role.title()), role)
    return found


@pytest.fixture(scope="module")
async def world(shared: Manuscript) -> dict[str, Json]:
    """One of each kind of thing of the story's world."""
    return await furnish(shared)


@pytest.fixture(scope="module")
async def routes(
    shared: Manuscript, world: dict[str, Json]
) -> list[tuple[str, str, Json | None, str]]:
    """Every route of a project: method, path, a body that changes nothing, action."""
    project = f"/api/projects/{shared.project['id']}"
    above = {
        "book": f"{project}/books",
        "chapter": f"/api/books/{shared.book['id']}/chapters",
        "scene": f"/api/chapters/{shared.chapter['id']}/scenes",
    }
    found: list[tuple[str, str, Json | None, str]] = [
        ("GET", f"{project}/members", None, "member.read"),
        ("GET", f"{project}/events?lastEventId=none", None, "project.read"),
        ("POST", f"{project}/archive", None, "project.archive"),
        ("POST", f"{project}/unarchive", None, "project.unarchive"),
        ("GET", f"{project}/members/{some_id()}", None, "member.read"),
        ("PUT", f"{project}/members/{some_id()}", {"role": "READER"}, "member.put"),
        ("DELETE", f"{project}/members/{some_id()}", None, "member.remove"),
        ("GET", f"{project}/teams", None, "team_grant.read"),
        ("GET", f"{project}/teams/{some_id()}", None, "team_grant.read"),
        ("PUT", f"{project}/teams/{some_id()}", {"role": "READER"}, "team_grant.put"),
        ("DELETE", f"{project}/teams/{some_id()}", None, "team_grant.remove"),
        ("GET", f"{project}/teams/{some_id()}/members", None, "team_grant.put"),
        ("GET", f"{project}/tree", None, "project.read"),
        ("GET", f"{project}/audit", None, "audit.read"),
        ("GET", f"{project}/activity", None, "activity.read"),
    ]
    found += [
        ("GET", f"/api/scripts/{shared.book['id']}/scenes", None, "scene.read"),
        ("POST", f"/api/scenes/{shared.scene['id']}/snapshot", {"nonsense": 1}, "scene.snapshot"),
    ]
    for kind in ("project", "book", "chapter", "scene"):
        item = f"/api/{kind}s/{getattr(shared, kind)['id']}"
        found += [
            ("GET", item, None, f"{kind}.read"),
            ("PATCH", item, {"nonsense": 1}, f"{kind}.update"),
            ("DELETE", item, None, f"{kind}.delete"),
            ("POST", f"{item}/restore", None, f"{kind}.restore"),
            ("POST", f"{item}/purge", None, f"{kind}.purge"),
            ("GET", f"{item}?includeDeleted=true", None, f"{kind}.restore"),
        ]
        if kind != "project":
            found += [
                ("GET", above[kind], None, f"{kind}.read"),
                ("GET", f"{above[kind]}?includeDeleted=true", None, f"{kind}.restore"),
                ("POST", above[kind], {"nonsense": 1}, f"{kind}.create"),
                ("POST", f"{item}/move", {"nonsense": 1}, f"{kind}.reorder"),
            ]
    scene = f"/api/scenes/{shared.scene['id']}"
    content = f"{scene}/content"
    found += [("GET", content, None, "scene.read"), ("PUT", content, {"no": 1}, "scene.edit")]
    found.append(("POST", f"{scene}/editor", {"nonsense": 1}, "scene.edit"))
    refactors = f"{project}/refactors"
    found.append(("GET", refactors, None, "scene.read"))
    found.append(("GET", f"{refactors}?includeDeleted=true", None, "scene.restore"))
    found.append(("POST", refactors, {"nonsense": 1}, "scene.suggest"))
    found += routes_to(shared, world)
    found += [
        ("POST", f"{project}/clone", {"nonsense": 1}, "project.clone"),
        ("POST", f"{project}/templates", {"nonsense": 1}, "project.clone"),
        ("GET", f"{project}/export", None, "project.export"),
        ("POST", f"{project}/save-to-library", {"nonsense": 1}, "project.export"),
        ("POST", f"{project}/import-from-library", {"nonsense": 1}, "bundle.create"),
        ("POST", f"{project}/bundles", {"nonsense": 1}, "bundle.create"),
        ("GET", f"{project}/bundles", None, "bundle.read"),
        ("GET", f"{project}/search?q=ice", None, "search.query"),
        ("GET", f"{project}/search/suggest?q=ice", None, "search.query"),
        ("GET", f"{scene}/similar", None, "search.query"),
        ("GET", f"/api/entities/{world['entity']['id']}/similar", None, "search.query"),
        ("POST", f"{project}/ai/runs", {"nonsense": 1}, "ai.generate"),
        ("GET", f"{project}/ai/runs", None, "ai.read"),
        ("GET", f"{project}/index", None, "search.query"),
        ("POST", f"{project}/index/rebuild", None, "search.rebuild"),
        ("POST", f"{project}/jobs/{some_id()}/operations", {"nonsense": 1}, "bundle.create"),
        ("POST", f"{project}/jobs/{some_id()}/commit", {"nonsense": 1}, "bundle.create"),
        ("DELETE", f"{project}/jobs/{some_id()}", None, "bundle.create"),
        ("POST", f"{project}/sync/push", {"nonsense": 1}, "sync.push"),
        ("GET", f"{project}/sync/sessions/{some_id()}", None, "sync.push"),
        ("GET", f"{project}/sync/pull", None, "sync.pull"),
        ("GET", f"{project}/sync/conflicts", None, "sync.pull"),
        ("POST", f"{project}/sync/conflicts/{some_id()}/resolve", {"no": 1}, "sync.push"),
    ]
    found += await _bundle(shared.owner, project)
    return [*found, *_past(scene), *_files(project, f"/api/entities/{world['entity']['id']}")]


async def _bundle(owner: Person, project: str) -> list[tuple[str, str, Json | None, str]]:
    """The routes of a bundle: the one that began the project, which nobody can undo."""
    first = (await owner.get(f"{project}/bundles?limit=500")).json()["items"][-1]["id"]
    picked = {"aggregate": {"kind": "project", "id": project.rpartition("/")[2]}, "field": "name"}
    bundle = f"/api/bundles/{first}"
    return [
        ("GET", bundle, None, "bundle.read"),
        ("POST", f"{bundle}/undo", {}, "bundle.undo"),
        ("POST", f"{bundle}/redo", {}, "bundle.undo"),
        ("POST", f"{bundle}/cherry-pick", {"fields": [picked], "direction": "undo"}, "bundle.undo"),
    ]


def _files(project: str, entity: str) -> list[tuple[str, str, Json | None, str]]:
    """The routes of bytes; what is sent there is refused for its query."""
    blob, upload = f"{project}/blobs/{'0' * 64}", f"{project}/uploads/{some_id()}"
    path, no = f"{project}/path?path=project/x", "sha256=no"
    return [
        ("POST", f"{project}/blobs?{no}", {"nonsense": 1}, "blob.upload"),
        ("GET", blob, None, "blob.read"),
        ("GET", f"{blob}/metadata", None, "blob.read"),
        ("POST", f"{blob}/url", {"nonsense": 1}, "blob.read"),
        ("GET", f"{project}/usage", None, "blob.read"),
        ("POST", f"{project}/uploads", {"nonsense": 1}, "blob.upload"),
        ("GET", upload, None, "blob.upload"),
        ("PATCH", upload, {"nonsense": 1}, "blob.upload"),
        ("DELETE", upload, None, "blob.upload"),
        ("POST", f"{upload}/complete", None, "blob.upload"),
        ("GET", f"{project}/paths", None, "blob.read"),
        ("GET", path, None, "blob.read"),
        ("PUT", path, {"nonsense": 1}, "blob.upload"),
        ("DELETE", path, None, "blob.delete"),
        ("GET", f"{project}/path/content?path=project/x", None, "blob.read"),
        ("GET", f"{project}/path/history?path=project/x", None, "blob.read"),
        ("GET", f"{entity}/file", None, "entity.read"),
        ("PUT", f"{entity}/file?{no}", {"nonsense": 1}, "entity.update"),
        ("POST", f"{entity}/file", {"nonsense": 1}, "entity.update"),
        ("DELETE", f"{entity}/file", None, "entity.update"),
    ]


def _past(scene: str) -> list[tuple[str, str, Json | None, str]]:
    """The routes of a scene's history."""
    snapshot, branch = f"{scene}/snapshots/{some_id()}", f"{scene}/branches/{some_id()}"
    return [
        ("GET", f"{scene}/history", None, "scene.read"),
        ("GET", f"{scene}/diff?from=seq:0", None, "scene.read"),
        ("GET", f"{scene}/replay", None, "scene.read"),
        ("POST", f"{scene}/restore-version", {"nonsense": 1}, "scene.restore_version"),
        ("GET", f"{scene}/snapshots", None, "scene.read"),
        ("POST", f"{scene}/snapshots", {"nonsense": 1}, "scene.snapshot"),
        ("GET", snapshot, None, "scene.read"),
        ("PATCH", snapshot, {"nonsense": 1}, "scene.snapshot"),
        ("DELETE", snapshot, None, "scene.snapshot"),
        ("GET", f"{scene}/branches", None, "scene.read"),
        ("POST", f"{scene}/branches", {"nonsense": 1}, "scene.branch"),
        ("GET", branch, None, "scene.read"),
        ("DELETE", branch, None, "scene.branch"),
        ("POST", f"{branch}/merge", {"nonsense": 1}, "scene.merge"),
        ("GET", f"{scene}/authorship", None, "scene.read"),
        ("GET", f"{scene}/threads", None, "scene.read"),
        ("POST", f"{scene}/threads", {"nonsense": 1}, "scene.comment"),
        ("POST", f"{scene}/anchors", {"nonsense": 1}, "scene.comment"),
        ("GET", f"{scene}/suggestions", None, "scene.read"),
        ("POST", f"{scene}/suggestions", {"nonsense": 1}, "scene.suggest"),
        ("POST", f"{scene}/suggesting", {"nonsense": 1}, "scene.suggest"),
        ("GET", f"{scene}/patches", None, "scene.read"),
        ("POST", f"{scene}/patches", {"nonsense": 1}, "scene.suggest"),
    ]


def is_id(part: str) -> bool:
    return part.count("-") == 4 or len(part) == 64


class TestRoutes:
    @pytest.mark.parametrize("role", ROLES)
    async def test_each_role_may_what_the_matrix_says(
        self, role: Role, cast: dict[Role, Person], routes: list[tuple[str, str, Json, str]]
    ):
        """Permission is decided before the body is looked at, so a bad body shows who passed."""
        for method, path, body, action in routes:
            answer = await cast[role].ask(method, path, json=body)
            allowed = role in MATRIX[action]

            assert (answer.status_code != 403) is allowed, f"{method} {path} {answer.text}"
            if not allowed:
                assert is_problem(answer, 403, "FORBIDDEN")

    async def test_strangers_see_404_everywhere(
        self, percy: Person, routes: list[tuple[str, str, Json, str]]
    ):
        for method, path, body, _ in routes:
            assert is_problem(await percy.ask(method, path, json=body), 404, "NOT_FOUND")

    async def test_without_credentials_there_is_401_everywhere(
        self, http: httpx.AsyncClient, routes: list[tuple[str, str, Json, str]]
    ):
        for method, path, body, _ in routes:
            answer = await http.request(method, path, json=body)
            assert is_problem(answer, 401, "UNAUTHENTICATED")

    async def test_every_documented_route_is_covered_here(
        self,
        http: httpx.AsyncClient,
        routes: list[tuple[str, str, Json, str]],
        shared: Manuscript,
        world: dict[str, Json],
    ):
        """A new route cannot be forgotten."""
        document = (await http.get("/api/openapi.json")).json()
        ids = {getattr(shared, kind)["id"] for kind in ("project", "book", "chapter", "scene")}
        ids |= {each["id"] for each in world.values()}
        covered: set[tuple[str, str]] = set()
        for method, path, _, _ in routes:
            parts = path.partition("?")[0].split("/")
            shape = "/".join(
                "{id}" if part in ids else "{other}" if is_id(part) else part for part in parts
            )
            covered.add((method, shape))

        elsewhere = ("/api/tokens", "/api/purges", "/api/teams", "/api/jobs", "/api/templates")
        # The last four are in tests/gateway/review.
        elsewhere += ("/files/", "/api/threads", "/api/comments", "/api/suggestions")
        elsewhere += ("/api/refactors",)  # In tests/collab/review/test_refactors.py.
        elsewhere += ("/api/patches", "/api/anchors")
        elsewhere += ("/api/ai/runs",)  # In tests/ai.
        for path, methods in document["paths"].items():
            # A HEAD is its GET, and OPTIONS are told to everybody.
            for method in methods.keys() - {"head", "options"}:
                if "{" in path and not path.startswith(elsewhere):
                    assert (method.upper(), re.sub(r"{(?!id})\w+}", "{other}", path)) in covered


class TestMatrix:
    def test_every_action_of_the_specification_is_there(self):
        named = {
            *(
                f"project.{deed}"
                for deed in ["create", "read", "update", "delete", "restore", "clone", "export"]
            ),
            *(
                f"{thing}.{deed}"
                for thing in ("book", "chapter", "scene")
                for deed in ["create", "read", "update", "delete", "restore", "reorder"]
            ),
            *(f"scene.{deed}" for deed in ["edit", "comment", "suggest", "snapshot", "restore"]),
            *(
                f"{thing}.{deed}"
                for thing in ("entity", "relation", "tag", "task", "canon")
                for deed in ["create", "read", "update", "delete"]
            ),
            *(f"blob.{deed}" for deed in ["upload", "read", "delete"]),
            *(
                f"ai.provider.{deed}.{owner}"
                for deed in ["add", "use", "remove"]
                for owner in ["user", "team", "project"]
            ),
            *("search.query", "ai.generate", "ai.cancel", "audit.read"),
        }

        assert named <= MATRIX.keys()
        for prefix in ("member.", "ai.agent.", "budget.", "ops."):
            assert any(action.startswith(prefix) for action in MATRIX)

    def test_a_higher_role_may_at_least_what_a_lower_one_may(self):
        for allowed in MATRIX.values():
            ranks = [role in allowed for role in ROLES]
            assert ranks == sorted(ranks, reverse=True)

    def test_reading_needs_no_more_than_the_scope_read(self):
        for action in MATRIX:
            if action.endswith(".read") and action not in ("audit.read", "ops.read"):
                assert scope_of(action) == "read"

    def test_no_scopes_allow_nothing(self):
        access = Access(some_id(), Role.OWNER, scopes=frozenset())

        for action in MATRIX:
            with pytest.raises(permissions.errors.Forbidden):
                require(access, action)

    def test_the_page_in_the_docs_is_current(self):
        """When this fails: python -m services.gateway.access.permissions > docs/permissions.md."""
        assert (DOCS / "permissions.md").read_text() == permissions.document()


class TestMembers:
    def path(self, manuscript: Manuscript, person: Person) -> str:
        return f"/api/projects/{manuscript.project['id']}/members/{person.id}"

    @pytest.mark.parametrize("asker", [Role.OWNER, Role.MAINTAINER])
    @pytest.mark.parametrize("new", ROLES)
    async def test_who_may_give_which_role(
        self, asker: Role, new: Role, cast: dict[Role, Person], shared: Manuscript, percy: Person
    ):
        answer = await cast[asker].ask("PUT", self.path(shared, percy), json={"role": new})

        assert (answer.status_code == 200) is may_assign(asker, None, new), answer.text

    async def test_a_maintainer_touches_nobody_of_his_rank_or_above(
        self, cast: dict[Role, Person], shared: Manuscript
    ):
        maintainer = cast[Role.MAINTAINER]
        for method, body in (("PUT", {"role": "READER"}), ("DELETE", None)):
            answer = await maintainer.ask(method, self.path(shared, shared.owner), json=body)
            assert is_problem(answer, 403, "FORBIDDEN")

    async def test_members_show_names_and_roles(self, manuscript: Manuscript, percy: Person):
        await manuscript.welcome(percy, Role.WRITER)
        path, shown = f"/api/projects/{manuscript.project['id']}/members", list[tuple[str, str]]()
        query: dict[str, Any] = {"limit": 1}
        while "cursor" not in query or query["cursor"]:
            page = (await percy.get(path, params=query)).json()
            shown += [(each["displayName"], each["role"]) for each in page["items"]]
            query["cursor"] = page["nextCursor"]

        assert shown == [("Mary", "OWNER"), ("Percy", "WRITER")]
        writers = (await percy.get(path, params={"role": "WRITER"})).json()["items"]
        assert [each["displayName"] for each in writers] == ["Percy"]
        assert is_problem(await percy.get(path, params={"limit": 501}), 400, "VALIDATION_FAILED")

    async def test_nobody_unknown_becomes_a_member(self, manuscript: Manuscript, mary: Person):
        path = f"/api/projects/{manuscript.project['id']}/members/{some_id()}"

        assert is_problem(await mary.ask("PUT", path, json={"role": "READER"}), 404, "NOT_FOUND")
        assert is_problem(await mary.ask("DELETE", path), 404, "NOT_FOUND")
        odd = await mary.ask("PUT", path, json={"role": "KING"})
        assert is_problem(odd, 400, "VALIDATION_FAILED")

    async def test_the_last_owner_stays(self, manuscript: Manuscript, mary: Person):
        mine = self.path(manuscript, mary)

        assert is_problem(await mary.ask("DELETE", mine), 409, "LAST_OWNER")
        assert is_problem(await mary.ask("PUT", mine, json={"role": "READER"}), 409, "LAST_OWNER")

    async def test_anybody_may_leave(self, manuscript: Manuscript, percy: Person):
        await manuscript.welcome(percy, Role.READER)
        assert (await percy.ask("DELETE", self.path(manuscript, percy))).status_code == 204

        gone = await percy.get(f"/api/projects/{manuscript.project['id']}")
        assert is_problem(gone, 404, "NOT_FOUND")

    async def test_changes_are_felt_at_once_in_every_gateway(
        self, manuscript: Manuscript, mary: Person, percy: Person, http2: httpx.AsyncClient
    ):
        """Decisions are cached, but not longer than they are true."""
        scene = f"/api/scenes/{manuscript.scene['id']}"
        twin = Person(http2, percy.id, "", percy.access_token, "")
        change = {"title": "x", "baseVersion": 1}
        await manuscript.welcome(percy, Role.WRITER)
        for each in (percy, twin, percy, twin):
            assert (await each.ask("PATCH", scene, json=change)).status_code in (200, 409)

        await manuscript.welcome(percy, Role.READER)
        for each in (percy, twin):
            assert is_problem(await each.ask("PATCH", scene, json=change), 403, "FORBIDDEN")
            assert (await each.get(scene)).status_code == 200
        await mary.ask("DELETE", self.path(manuscript, percy))
        for each in (percy, twin):
            assert is_problem(await each.get(scene), 404, "NOT_FOUND")
        await asyncio.sleep(0)
