"""Files go where their project goes: clone, template, library, export and import."""

import hashlib
import json
import os
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from libs.postgres import Pool, connect
from tests.gateway.exchange import done, exported, files_of, imported, vouched, zipped
from tests.gateway.support import Json, Manuscript, Person, is_problem
from tests.gateway.test_purge import deleted
from tests.gateway.test_purge import done as purged
from tools.stack import Stack

MAP = b"\x89PNG\r\n\x1a\n" + os.urandom(1_500_000)
NOTE = b"# Night\n\nIt was on a dreary night of November.\n"


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@pytest.fixture
async def project(mary: Person, manuscript: Manuscript) -> str:
    """A project in which two have the same map, a note and an idea a text, and one nothing."""
    path = f"/api/projects/{manuscript.project['id']}/entities"
    for name, sort, body, query in (
        ("Ship", "location", MAP, {"fileName": "Map ¿ 1.png"}),
        ("Ice", "location", MAP, {"fileName": "Map ¿ 1.png"}),
        ("Diary", "note", NOTE, {}),
    ):
        entity = await mary.made(path, {"type": sort, "name": name})
        answer = await mary.ask(
            "PUT",
            f"/api/entities/{entity['id']}/file",
            content=body,
            params=query,
            headers={"Content-Type": "text/markdown" if body is NOTE else "image/png"},
        )
        assert answer.status_code == 200, answer.text
    await mary.made(path, {"type": "idea", "name": "Spark", "content": NOTE.decode()})
    await mary.made(path, {"type": "character", "name": "Victor"})
    return manuscript.project["id"]


@pytest.fixture(scope="module")
async def kept(stack: Stack) -> AsyncIterator[Pool]:
    """The database of blobs as its owner."""
    opened = await connect(stack.postgres_url("blobs", "blobs_owner"), application="tests-kept")
    yield opened
    await opened.close()


async def entities(person: Person, project_id: str) -> dict[str, Json]:
    answer = await person.get(f"/api/projects/{project_id}/entities")
    return {each["name"]: each for each in answer.json()["items"]}


async def has_all(person: Person, project_id: str) -> None:
    """Every entity of a copy has its file, as the person's own, in that project."""
    found = await entities(person, project_id)
    names = {name: each["file"] and each["file"]["path"] for name, each in found.items()}
    own = f"users/{person.id}"
    assert names == {
        "Ship": f"{own}/attachments/{found['Ship']['id']}/Map ¿ 1.png",
        "Ice": f"{own}/attachments/{found['Ice']['id']}/Map ¿ 1.png",
        "Diary": f"{own}/notes/{found['Diary']['id']}.md",
        # Made with its text it has no name but that of its entity, there too.
        "Spark": f"{own}/attachments/{found['Spark']['id']}/{found['Spark']['id']}.md",
        "Victor": None,
    }
    assert found["Diary"]["preview"] == NOTE.decode()
    for name, body in (("Ship", MAP), ("Ice", MAP), ("Diary", NOTE)):
        file = found[name]["file"]
        assert (file["checksum"], file["size"]) == (sha(body), len(body))
        assert file["url"] == f"/api/projects/{project_id}/blobs/{sha(body)}"
        assert (await person.get(file["url"])).content == body
        fetched = await person.get(f"/api/entities/{found[name]['id']}/file")
        assert fetched.content == body
    usage = (await person.get(f"/api/projects/{project_id}/usage")).json()
    assert (usage["blobs"], usage["bytes"]) == (2, len(MAP) + len(NOTE))


async def test_a_clone_has_bytes_of_its_own(mary: Person, project: str, kept: Pool) -> None:
    """Under claims that were used; nothing of it refers to what it was made from."""
    job = await done(mary, await mary.post(f"/api/projects/{project}/clone", {}))

    await has_all(mary, job["projectId"])
    assert job["missingFiles"] == 0
    text = json.dumps(await entities(mary, job["projectId"]))
    assert project not in text
    query = "SELECT count(*) FROM claims WHERE project_id = $1"
    assert await kept.fetchval(query, UUID(job["projectId"])) == 4


COLLECTED = """
UPDATE blobs SET state = 'collected', key = NULL, condemned_at = NULL, collected_at = now()
WHERE project_id = $1 AND ($2::text IS NULL OR sha256 = $2)
"""


async def test_a_template_outlives_its_project(mary: Person, project: str, kept: Pool) -> None:
    """Deleted and purged with all its bytes; the template is its owner's copy, and stays whole."""
    path = f"/api/projects/{project}"
    job = await done(mary, await mary.post(f"{path}/templates", {"name": "Gothic"}))
    tag = await deleted(mary, path)
    await purged(mary, await mary.post(f"{path}/purge", headers={"If-Match": tag}))
    assert is_problem(await mary.get(path), 404, "NOT_FOUND")
    # As after the grace period.
    await kept.execute(COLLECTED, UUID(project), None)

    template = f"/api/templates/{job['templateId']}"
    made = await done(mary, await mary.post(f"{template}/projects", {}))

    await has_all(mary, made["projectId"])
    assert (await mary.get("/api/templates")).json()["items"][0]["name"] == "Gothic"


async def test_there_and_back(mary: Person, percy: Person, project: str) -> None:
    """Each bytes once in the file; whoever imports it has them, and can export the same again."""
    file = await exported(mary, project)

    job = await done(percy, await imported(percy, file))

    await has_all(percy, job["projectId"])
    files = files_of(file)
    manifest = json.loads(files["manifest.json"])
    assert {name for name in files if name.startswith("files/")} == {
        f"files/{sha(MAP)}",
        f"files/{sha(NOTE)}",
    }
    assert files[f"files/{sha(MAP)}"] == MAP
    assert manifest["blobs"] == {
        sha(MAP): {"bytes": len(MAP), "mediaType": "image/png"},
        sha(NOTE): {"bytes": len(NOTE), "mediaType": "text/markdown"},
    }
    again = files_of(await exported(percy, job["projectId"]))
    assert files.pop("manifest.json") and again.pop("manifest.json")
    assert again == files


@pytest.mark.parametrize("state", ["archived", "quarantined", "flipped"])
async def test_what_cannot_be_had_is_named_and_the_export_goes_on(
    mary: Person, project: str, kept: Pool, stack: Stack, state: str
) -> None:
    """Known before, or found on the way; the rest is whole, and can be imported."""
    where = UUID(project), sha(MAP)
    reason = "quarantined" if state == "flipped" else state
    if state == "flipped":
        # In the last frame: some of it is in the zip file before that is seen.
        query = "SELECT key FROM blobs WHERE project_id = $1 AND sha256 = $2"
        path = stack.data_dir / "blobs" / str(await kept.fetchval(query, *where))
        body = bytearray(path.read_bytes())
        body[-100] ^= 1
        path.write_bytes(body)
    else:
        query = (
            "UPDATE blobs SET state = $3::text::blob_state WHERE project_id = $1 AND sha256 = $2"
        )
        await kept.execute(query, *where, state)

    file = await exported(mary, project)

    manifest = json.loads(files_of(file)["manifest.json"])
    assert manifest["blobs"][sha(MAP)] == {"bytes": len(MAP), "missing": reason}
    assert f"files/{sha(MAP)}" not in manifest["files"]
    assert files_of(file)[f"files/{sha(NOTE)}"] == NOTE
    job = await done(mary, await imported(mary, file))
    copies = await entities(mary, job["projectId"])
    assert job["missingFiles"] == 2
    assert copies["Ship"]["file"] is None and copies["Diary"]["file"] is not None


async def test_a_collected_file_is_left_out_of_a_clone(
    mary: Person, project: str, kept: Pool
) -> None:
    """And the job says that something is missing."""
    await kept.execute(COLLECTED, UUID(project), sha(MAP))

    job = await done(mary, await mary.post(f"/api/projects/{project}/clone", {}))

    copies = await entities(mary, job["projectId"])
    assert job["missingFiles"] == 2
    assert copies["Ship"]["file"] is None
    assert copies["Diary"]["file"]["checksum"] == sha(NOTE)


LINE = '{"kind":"entity","id":1,"fields":{"type":"note","name":"N"},"file":%s}\n'
HEAD = '{"format":"scriptorium.project/1","name":"N","kinds":{"entity":1}}\n'
FILE = {"sha256": sha(NOTE), "size": len(NOTE), "type": "markdown"}


def package(file: object, files: dict[str, bytes], **blob: object) -> bytes:
    state = (HEAD + LINE % json.dumps(file)).encode()
    blobs = {sha(NOTE): {"bytes": len(NOTE), **blob}}
    return zipped(vouched({"state.ndjson": state, **files}, blobs=blobs))


THERE = {f"files/{sha(NOTE)}": NOTE}
BAD: dict[str, tuple[bytes, str]] = {
    "other bytes": (package(FILE, {f"files/{sha(NOTE)}": b"x" * len(NOTE)}), "PACKAGE_DAMAGED"),
    "not there": (package(FILE, {}), "PACKAGE_DAMAGED"),
    "another size": (package(FILE, THERE, bytes=5), "PACKAGE_DAMAGED"),
    "no checksum": (package(FILE | {"sha256": "x"}, THERE), "VALIDATION_FAILED"),
    "no name at all": (package(FILE | {"name": ""}, THERE), "VALIDATION_FAILED"),
    "more": (package(FILE | {"path": "users/x"}, THERE), "VALIDATION_FAILED"),
    "nothing": (package(None, THERE), "VALIDATION_FAILED"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_lying_file_is_refused(mary: Person, name: str) -> None:
    """Before anything of it can be seen."""
    body, code = BAD[name]

    answer = await imported(mary, body)

    assert is_problem(answer, 400, code)
    assert sha(NOTE) in answer.json()["at"] or "thing 1" in answer.json()["at"]
    assert (await mary.get("/api/projects")).json()["items"] == []


async def test_a_size_that_is_not_so_is_not_believed(mary: Person) -> None:
    """What the state says of a file is compared with its bytes."""
    job = await done(mary, await imported(mary, package(FILE | {"size": 7}, THERE)))

    assert job["missingFiles"] == 1
    assert (await entities(mary, job["projectId"]))["N"]["file"] is None


async def test_a_name_is_made_harmless(mary: Person) -> None:
    """Whatever a file says it is called."""
    file = FILE | {"name": "../../a\u202e/b.md", "type": "other"}

    job = await done(mary, await imported(mary, package(file, THERE)))

    path = (await entities(mary, job["projectId"]))["N"]["file"]["path"]
    assert path.endswith("/.._.._a__b.md")


async def test_a_library_keeps_files(mary: Person, project: str) -> None:
    """There and back, each with bytes of its own; one undo takes the copies back."""
    ship = (await entities(mary, project))["Ship"]
    things = {"things": [{"kind": "entity", "id": ship["id"]}]}
    saved = await mary.post(f"/api/projects/{project}/save-to-library", things)
    assert saved.status_code == 200, saved.text
    shelf = (await mary.get("/api/library")).json()["projectId"]
    there = (await entities(mary, shelf))["Ship"]
    other = await mary.made("/api/projects", {"name": "Other"})
    back = {"things": [{"kind": "entity", "id": there["id"]}]}

    answer = await mary.post(f"/api/projects/{other['id']}/import-from-library", back)

    assert answer.status_code == 200, answer.text
    for where in (shelf, other["id"]):
        copy = (await entities(mary, where))["Ship"]
        assert copy["file"]["path"] == (f"users/{mary.id}/attachments/{copy['id']}/Map ¿ 1.png")
        assert (await mary.get(f"/api/entities/{copy['id']}/file")).content == MAP
        assert (await mary.get(f"/api/projects/{where}/usage")).json()["blobs"] == 1
    undone = await mary.post(f"/api/bundles/{answer.json()['bundle']['id']}/undo", {})
    assert undone.status_code == 200, undone.text
    assert await entities(mary, other["id"]) == {}


async def test_strangers_bytes_stay_theirs(mary: Person, percy: Person, project: str) -> None:
    """A file named in a package that one made up brings nothing of another project."""
    assert (await mary.get(f"/api/projects/{project}/usage")).json()["blobs"] == 2
    file = FILE | {"sha256": sha(MAP), "size": len(MAP)}
    state = (HEAD + LINE % json.dumps(file)).encode()

    job = await done(percy, await imported(percy, zipped(vouched({"state.ndjson": state}))))

    assert job["missingFiles"] == 1
    assert (await entities(percy, job["projectId"]))["N"]["file"] is None
