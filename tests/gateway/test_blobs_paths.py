"""Paths of blobs over HTTP: pointed elsewhere, listed, and kept from others."""

import unicodedata

import pytest

from libs.contracts.actor import Role
from tests.gateway.blobs import NOISE, TEXT, blobs_of, sha, stored
from tests.gateway.support import Manuscript, Person, is_problem


@pytest.fixture
def path(manuscript: Manuscript) -> str:
    return blobs_of(manuscript)


class TestPaths:
    async def test_a_path_is_pointed_elsewhere_and_its_history_read(
        self, manuscript: Manuscript, mary: Person, path: str
    ):
        project = f"/api/projects/{manuscript.project['id']}"
        for body in (TEXT, NOISE):
            await stored(mary, path, body)
        where = {"path": "project/art/cover ¿ 1.png"}
        first = await mary.ask(
            "PUT", f"{project}/path", params=where, json={"sha256": sha(TEXT), "baseVersion": 0}
        )
        stale = await mary.ask(
            "PUT", f"{project}/path", params=where, json={"sha256": sha(NOISE), "baseVersion": 0}
        )
        tag = {"If-Match": first.headers["etag"]}
        second = await mary.ask(
            "PUT", f"{project}/path", params=where, json={"sha256": sha(NOISE)}, headers=tag
        )

        assert (first.status_code, first.json()["version"]) == (200, 1)
        assert stale.status_code in (409, 412), stale.text
        assert second.json()["sha256"] == sha(NOISE)
        shown = await mary.get(f"{project}/path", params=where)
        assert shown.json() == second.json()
        content = await mary.get(f"{project}/path/content", params=where)
        assert content.content == NOISE
        assert "cover%20%C2%BF%201.png" in content.headers["content-disposition"]
        old = await mary.get(f"{project}/path/content", params={**where, "version": 1})
        assert old.content == TEXT
        history = (await mary.get(f"{project}/path/history", params=where)).json()
        assert [each["version"] for each in history["items"]] == [2, 1]

        gone = await mary.ask("DELETE", f"{project}/path", params={**where, "reason": "old"})
        assert gone.status_code == 204
        missing = await mary.get(f"{project}/path/content", params=where)
        assert is_problem(missing, 404, "NOT_FOUND")
        listed = (await mary.get(f"{project}/paths")).json()
        assert listed == {"items": [], "nextAfter": None}

    async def test_a_path_is_one_however_its_accents_are_written(
        self, manuscript: Manuscript, mary: Person, path: str
    ):
        """A folder of macOS writes them apart, a keyboard does not; titles are compared so, too."""
        project = f"/api/projects/{manuscript.project['id']}"
        await stored(mary, path, TEXT)
        composed = "project/\u00e9t\u00e9/caf\u00e9.png"
        apart = unicodedata.normalize("NFD", composed)
        made = await mary.ask(
            "PUT", f"{project}/path", params={"path": apart}, json={"sha256": sha(TEXT)}
        )
        assert (made.status_code, made.json()["path"]) == (200, composed)
        again = await mary.ask(
            "PUT", f"{project}/path", params={"path": composed}, json={"sha256": sha(TEXT)}
        )
        assert again.json() == made.json()
        for each in (composed, apart):
            where = {"path": each}
            assert (await mary.get(f"{project}/path", params=where)).json() == made.json()
            assert (await mary.get(f"{project}/path/content", params=where)).content == TEXT
            history = (await mary.get(f"{project}/path/history", params=where)).json()
            assert len(history["items"]) == 1
            listed = await mary.get(f"{project}/paths", params={"prefix": each[:-8]})
            assert [one["path"] for one in listed.json()["items"]] == [composed]
        gone = await mary.ask("DELETE", f"{project}/path", params={"path": apart})
        assert gone.status_code == 204

    async def test_lists_by_prefix_in_pages(self, manuscript: Manuscript, mary: Person, path: str):
        project = f"/api/projects/{manuscript.project['id']}"
        await stored(mary, path, TEXT)
        names = [f"project/{folder}/{n}.txt" for folder in "ab" for n in range(3)]
        for name in names:
            answer = await mary.ask(
                "PUT", f"{project}/path", params={"path": name}, json={"sha256": sha(TEXT)}
            )
            assert answer.status_code == 200, answer.text
        found, after = list[str](), ""
        while after is not None:
            page = (
                await mary.get(
                    f"{project}/paths",
                    params={"prefix": "project/b/", "limit": 2, "after": after},
                )
            ).json()
            found += [each["path"] for each in page["items"]]
            after = page["nextAfter"]

        assert found == names[3:]

    @pytest.mark.parametrize(
        "bad",
        [
            "../x",
            "project/../x",
            "/project/x",
            "project//x",
            "project/a\\b",
            "project/a\nb",
            "project/" + "x" * 1000,
            "users/x/notes/y",
            "elsewhere/x",
            "project/\u202eevil",
        ],
    )
    async def test_hostile_paths(self, manuscript: Manuscript, mary: Person, path: str, bad: str):
        project = f"/api/projects/{manuscript.project['id']}"
        await stored(mary, path, TEXT)
        answer = await mary.ask(
            "PUT", f"{project}/path", params={"path": bad}, json={"sha256": sha(TEXT)}
        )

        assert is_problem(answer, 400, "VALIDATION_FAILED")

    async def test_a_persons_paths_are_theirs_and_the_projects_are_kept(
        self, manuscript: Manuscript, mary: Person, percy: Person, path: str
    ):
        project = f"/api/projects/{manuscript.project['id']}"
        await manuscript.welcome(percy, Role.WRITER)
        await stored(mary, path, TEXT)
        body = {"sha256": sha(TEXT)}
        private = {"path": f"users/{mary.id}/notes/diary.md"}
        shared = {"path": "project/logo.png"}
        for where in (private, shared):
            put = await mary.ask("PUT", f"{project}/path", params=where, json=body)
            assert put.status_code == 200, put.text

        assert is_problem(await percy.get(f"{project}/path", params=private), 404, "NOT_FOUND")
        refused = await percy.ask("PUT", f"{project}/path", params=private, json=body)
        assert is_problem(refused, 404, "NOT_FOUND")
        listed = (await percy.get(f"{project}/paths")).json()["items"]
        assert [each["path"] for each in listed] == ["project/logo.png"]
        gone = await percy.ask("DELETE", f"{project}/path", params=shared)
        assert is_problem(gone, 403, "FORBIDDEN")
        own = {"path": f"users/{percy.id}/exports/a.txt"}
        assert (await percy.ask("PUT", f"{project}/path", params=own, json=body)).status_code == 200
        assert (await percy.ask("DELETE", f"{project}/path", params=own)).status_code == 204
