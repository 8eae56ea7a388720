"""Files of entities over HTTP: bytes first, then the event; and never an event without bytes."""

import hashlib
import os
import time
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from libs.contracts.actor import Role
from libs.contracts.blobs.transfers import Blob as BlobModel
from libs.contracts.blobs.transfers import BlobState, Codec
from libs.contracts.events.file_paths import segment
from libs.contracts.events.world import EntityType, FileType
from libs.contracts.ids import new_id
from services.gateway.api.file_views import PREVIEW_BYTES, file_type, preview_of, stored_file, words
from tests.gateway.support import Json, Manuscript, Person, is_problem, some_id
from tools.stack import Stack

TEXT = "# Night\n\nIt was on a dreary night of November ¿ that I beheld 手紙.\n" * 20
PDF = b"%PDF-1.7\n" + os.urandom(3000)


def sha(body: bytes | str) -> str:
    return hashlib.sha256(body if isinstance(body, bytes) else body.encode()).hexdigest()


@pytest.fixture
def project(manuscript: Manuscript) -> str:
    return f"/api/projects/{manuscript.project['id']}"


@pytest.fixture
async def entity(mary: Person, project: str) -> Json:
    return await mary.made(f"{project}/entities", {"type": "character", "name": "Victor"})


async def put(person: Person, entity: Json, body: bytes, **more: Any) -> httpx.Response:
    return await person.ask("PUT", f"/api/entities/{entity['id']}/file", content=body, **more)


class TestFiles:
    async def test_a_file_is_given_fetched_and_taken_away(
        self, mary: Person, entity: Json, project: str
    ):
        given = await put(mary, entity, PDF, params={"fileName": "Plan ¿ 1.pdf"})
        shown = given.json()
        file = shown["file"]

        assert (given.status_code, shown["version"]) == (200, 2)
        assert given.headers["etag"] == f'W/"entity-{entity["id"]}-v2"'
        assert file == {
            "path": f"users/{mary.id}/attachments/{entity['id']}/Plan ¿ 1.pdf",
            "url": f"{project}/blobs/{sha(PDF)}",
            "size": len(PDF),
            "type": "pdf",
            "checksum": sha(PDF),
        }
        assert shown["preview"] is None
        place = f"/api/entities/{entity['id']}/file"
        fetched = await mary.get(place)
        assert fetched.content == PDF
        assert quote("Plan ¿ 1.pdf") in fetched.headers["content-disposition"]
        assert (await mary.get(file["url"])).content == PDF
        part = await mary.get(place, headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, b"%PDF")
        assert (await mary.ask("HEAD", place)).headers["content-length"] == str(len(PDF))

        gone = await mary.ask("DELETE", place)
        assert (gone.status_code, gone.json()["file"], gone.json()["version"]) == (200, None, 3)
        assert is_problem(await mary.get(place), 404, "NOT_FOUND")
        assert (await mary.get(file["url"])).content == PDF

    async def test_a_text_has_a_preview(self, mary: Person, entity: Json):
        headers = {"Content-Type": "text/markdown"}
        shown = (await put(mary, entity, TEXT.encode(), headers=headers)).json()

        assert shown["preview"] == TEXT[:200]
        assert shown["file"]["type"] == "markdown"
        again = (await put(mary, entity, TEXT.encode(), headers=headers)).json()
        assert again["preview"] == TEXT[:200]
        empty = (await put(mary, entity, b"", headers=headers)).json()
        assert empty["file"]["size"] == 0

    async def test_a_file_that_the_project_has_is_chosen(
        self, mary: Person, entity: Json, project: str
    ):
        await mary.ask("POST", f"{project}/blobs", content=TEXT.encode())
        place = f"/api/entities/{entity['id']}/file"
        key = {"Idempotency-Key": str(new_id())}
        body = {"sha256": sha(TEXT), "fileName": "night.txt"}
        chosen = await mary.post(place, body, headers=key)
        again = await mary.post(place, body, headers=key)

        assert chosen.json()["preview"] == TEXT[:200]
        assert again.json() == chosen.json()
        unknown = await mary.post(place, {"sha256": sha("unknown")})
        assert is_problem(unknown, 404, "NOT_FOUND")
        assert (await mary.get(f"/api/entities/{entity['id']}")).json() == chosen.json()

    async def test_versions(self, mary: Person, entity: Json):
        await put(mary, entity, PDF)
        place = f"/api/entities/{entity['id']}/file"
        stale = {"If-Match": f'W/"entity-{entity["id"]}-v1"'}
        for answer in (
            await put(mary, entity, b"other", headers=stale),
            await mary.ask("DELETE", place, headers=stale),
        ):
            assert is_problem(answer, 412, "PRECONDITION_FAILED")
        for answer in (
            await put(mary, entity, b"other", params={"baseVersion": 1}),
            await mary.ask("DELETE", place, params={"baseVersion": 1}),
        ):
            assert is_problem(answer, 409, "CONFLICT")
        fresh = {"If-Match": f'W/"entity-{entity["id"]}-v2"'}
        assert (await put(mary, entity, b"other", headers=fresh)).status_code == 200

    async def test_a_wrong_checksum_changes_nothing(self, mary: Person, entity: Json):
        answer = await put(mary, entity, PDF, params={"sha256": sha(b"other")})

        assert is_problem(answer, 422, "CONTENT_MISMATCH")
        assert (await mary.get(f"/api/entities/{entity['id']}")).json() == entity

    async def test_rights_and_strangers(
        self, manuscript: Manuscript, mary: Person, percy: Person, entity: Json
    ):
        await put(mary, entity, PDF)
        place = f"/api/entities/{entity['id']}/file"
        assert is_problem(await percy.get(place), 404, "NOT_FOUND")
        assert is_problem(await put(percy, entity, b"x"), 404, "NOT_FOUND")
        theirs = await Manuscript.begin(percy)
        other = await percy.made(
            f"/api/projects/{theirs.project['id']}/entities", {"type": "item", "name": "Copy"}
        )
        # What another project has is not there to be chosen.
        chosen = await percy.post(f"/api/entities/{other['id']}/file", {"sha256": sha(PDF)})
        assert is_problem(chosen, 404, "NOT_FOUND")
        await manuscript.welcome(percy, Role.READER)
        assert (await percy.get(place)).content == PDF
        assert is_problem(await put(percy, entity, b"x"), 403, "FORBIDDEN")

    async def test_no_patch_sets_a_file(self, mary: Person, entity: Json):
        for body in ({"file": {"path": "x"}}, {"preview": "x"}, {"filePath": "x"}):
            answer = await mary.ask(
                "PATCH", f"/api/entities/{entity['id']}", json={**body, "baseVersion": 1}
            )
            assert is_problem(answer, 422, "UNKNOWN_NAME")

    async def test_without_blobs_nothing_happens(
        self, mary: Person, entity: Json, stack: Stack, project: str
    ):
        """The answer says so in time, and what needs no bytes goes on."""
        stack.kill("blobs-1")
        try:
            began = time.monotonic()
            for answer in (
                await put(mary, entity, PDF),
                await mary.post(f"{project}/entities", note()),
                await mary.get(f"{project}/blobs/{sha(PDF)}"),
            ):
                assert answer.status_code == 503, answer.text
                assert "retry-after" in answer.headers
            assert time.monotonic() - began < 30
            assert (await mary.get(f"/api/entities/{entity['id']}")).json() == entity
            assert (await mary.get(f"{project}/entities")).json()["items"] == [entity]
        finally:
            stack.release("blobs-1")
            await stack.wait_ready("blobs-1")
        assert (await put(mary, entity, PDF)).status_code == 200


def note(content: str = TEXT, **more: Any) -> Json:
    return {"type": "note", "name": "Night", "content": content, **more}


class TestNotes:
    async def test_a_note_is_created_with_its_content(self, mary: Person, project: str):
        made = await mary.made(f"{project}/entities", note())

        assert made["preview"] == TEXT[:200]
        assert made["file"]["path"] == f"users/{mary.id}/notes/{made['id']}.md"
        assert made["file"]["checksum"] == sha(TEXT)
        assert made["version"] == 2
        fetched = await mary.get(f"/api/entities/{made['id']}/file")
        assert fetched.text == TEXT
        assert "content" not in made

    async def test_a_retry_creates_one(self, mary: Person, project: str):
        key = {"Idempotency-Key": str(new_id())}
        first = await mary.made(f"{project}/entities", note(), headers=key)
        again = await mary.made(f"{project}/entities", note(), headers=key)

        assert again == first
        assert len((await mary.get(f"{project}/entities")).json()["items"]) == 1

    async def test_what_is_wrong_is_refused_before_anything_is_made(
        self, mary: Person, project: str
    ):
        for wrong in (
            note(content="x" * 200_001),
            note(name=""),
            note(type="nonsense"),
            note(taskk={}),
            note(task={"status": "done"}),
        ):
            answer = await mary.post(f"{project}/entities", wrong)
            assert answer.status_code in (400, 413, 422), answer.text
        raw = b'{"type":"note","name":"N","content":"\\ud800"}'
        answer = await mary.ask(
            "POST", f"{project}/entities", content=raw, headers={"Content-Type": "application/json"}
        )
        assert is_problem(answer, 400, "VALIDATION_FAILED")
        assert (await mary.get(f"{project}/entities")).json()["items"] == []

    @pytest.mark.parametrize("content", ["", "\0", "\0a\0b" * 100, "<script>alert(1)</script>"])
    async def test_odd_contents_are_kept_as_they_are(
        self, mary: Person, project: str, content: str
    ):
        made = await mary.made(f"{project}/entities", note(content))

        assert (await mary.get(f"/api/entities/{made['id']}/file")).content == content.encode()
        assert made["preview"] == content.replace("\0", "")[:200]

    async def test_readers_make_none_and_without_content_nothing_changed(
        self, mary: Person, project: str, manuscript: Manuscript, percy: Person
    ):
        await manuscript.welcome(percy, Role.READER)
        assert is_problem(await percy.post(f"{project}/entities", note()), 403, "FORBIDDEN")
        plain = await mary.made(f"{project}/entities", {"type": "note", "name": "Plain"})
        assert (plain["file"], plain["preview"], plain["version"]) == (None, None, 1)


class TestPlaces:
    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("a.txt", "a.txt"),
            (None, "file"),
            ("", "file"),
            ("..", "file"),
            (". . ", "file"),
            (" .", "file"),
            (".x", ".x"),
            ("a .txt", "a.txt"),
            ("a/b\\c.txt", "a_b_c.txt"),
            ("a\u202eb\n.txt", "a_b_.txt"),
            ("e\u0301.md", "\u00e9.md"),
            ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
            ("手" * 100 + ".md", "手" * 65 + ".md"),
            ("a." + "b" * 300, "a." + "b" * 198),
        ],
    )
    def test_names_become_parts_of_paths(self, given: str | None, kept: str):
        assert segment(given) == kept

    @pytest.mark.parametrize(
        ("media_type", "sort"),
        [
            ("text/markdown", FileType.MARKDOWN),
            ("text/plain", FileType.MARKDOWN),
            ("text/html", FileType.OTHER),
            ("application/pdf", FileType.PDF),
            ("image/png", FileType.IMAGE),
            ("audio/ogg", FileType.AUDIO),
            ("video/mp4", FileType.VIDEO),
            ("application/zip", FileType.OTHER),
        ],
    )
    def test_sorts_of_files(self, media_type: str, sort: FileType):
        assert file_type(media_type) is sort

    def test_the_text_of_notes_and_tasks_has_a_place_of_its_own(self):
        ids = [some_id() for _ in range(3)]
        places = {
            kind: stored_file(
                blob(),
                project_id=ids[0],
                entity_id=ids[1],
                entity_type=kind,
                owner_id=ids[2],
                file_name="a.md",
                preview=None,
            ).path
            for kind in (EntityType.NOTE, EntityType.TASK, EntityType.CHARACTER)
        }

        assert places == {
            EntityType.NOTE: f"users/{ids[2]}/notes/{ids[1]}.md",
            EntityType.TASK: f"users/{ids[2]}/tasks/{ids[1]}.md",
            EntityType.CHARACTER: f"users/{ids[2]}/attachments/{ids[1]}/a.md",
        }

    def test_a_preview_is_of_characters(self):
        assert words("\ufeff" + "手" * 300) == "手" * 200

    @pytest.mark.parametrize(
        ("encoding", "mark"),
        [
            ("utf-8", ""),
            ("utf-8", "\ufeff"),
            ("utf-16-le", "\ufeff"),
            ("utf-16-be", "\ufeff"),
            ("utf-32-le", "\ufeff"),
            ("latin-1", ""),
        ],
    )
    def test_a_preview_reads_what_programs_write(self, encoding: str, mark: str):
        text = "Die Küste hört nie auf. " * 20
        assert preview_of((mark + text).encode(encoding)[:PREVIEW_BYTES]) == text[:200]


def blob() -> BlobModel:
    return BlobModel.model_validate(
        {
            "sha256": "0" * 64,
            "size": 1,
            "stored_size": 1,
            "codec": Codec.IDENTITY,
            "level": None,
            "media_type": "text/markdown",
            "asset_type": "attachment",
            "state": BlobState.LIVE,
            "created_at": "2026-01-01T00:00:00Z",
            "created_by": str(some_id()),
        }
    )
