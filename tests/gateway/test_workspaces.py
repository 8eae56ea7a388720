"""Projects as a whole over HTTP: what is copied opens, and stands by itself."""

import asyncio
import json
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from libs import errors
from libs.contracts.actor import Role
from libs.errors import AppError
from libs.stack import Stack
from services.gateway.exchange import unpacking
from services.gateway.exchange.unpacking import Unpacking
from services.gateway.exchange.uploads import UPLOAD_BYTES_MAX
from tests.gateway.exchange import (
    done,
    ended,
    exported,
    files_of,
    imported,
    vouched,
    zipped,
)
from tests.gateway.support import Json, Manuscript, Person, is_problem
from tests.support.yclient import YClient

SECRET = "the name that was taken out again"


def address(stack: Stack, person: Person, scene_id: str, gateway: int = 0) -> Callable[[], str]:
    base = stack.gateways[gateway].replace("http", "ws", 1)
    return lambda: f"{base}/collab/{scene_id}?token={person.access_token}&acks=1"


async def first_scene(person: Person, project_id: str) -> Json:
    book = (await person.get(f"/api/projects/{project_id}/books")).json()["items"][0]
    chapter = (await person.get(f"/api/books/{book['id']}/chapters")).json()["items"][0]
    return (await person.get(f"/api/chapters/{chapter['id']}/scenes")).json()["items"][0]


async def state_of(person: Person, scene_id: str) -> bytes:
    answer = await person.get(f"/api/scenes/{scene_id}/content", params={"format": "yjs"})
    return answer.content


async def put_state(person: Person, scene_id: str, state: bytes) -> None:
    answer = await person.ask(
        "PUT",
        f"/api/scenes/{scene_id}/content",
        params={"format": "yjs"},
        content=state,
        headers={"Content-Type": "application/octet-stream"},
    )
    assert answer.status_code == 200, answer.text


def _rich() -> bytes:
    """A scene as a rich editor lays it out, with marks and attributes."""
    doc: Doc[Any] = Doc()
    doc["default"] = fragment = XmlFragment()
    heading = XmlElement("heading", {"level": "2", "textAlign": "center"})
    fragment.children.append(heading)
    heading.children.append(XmlText("Ice"))
    paragraph = XmlElement("paragraph", {"indent": "3"})
    fragment.children.append(paragraph)
    paragraph.children.append(text := XmlText("cold and far"))
    text.format(0, 4, {"bold": True, "link": {"href": "x"}})
    return doc.get_update()


RICH = _rich()


async def test_real_clients_open_a_cloned_scene(
    stack: Stack, mary: Person, manuscript: Manuscript
) -> None:
    """It reads as the original did, has nothing of what was deleted, and goes its own way."""
    scene = manuscript.scene["id"]
    async with (
        YClient(address(stack, mary, scene), "one") as one,
        YClient(address(stack, mary, scene, 1), "two") as two,
    ):
        await one.wait_synced()
        await two.wait_synced()
        one.type("Walton sailed. " + SECRET)
        await two.until_reads("Walton sailed. " + SECRET)
        two.type("North. ", 0)
        await one.until_reads("North. Walton sailed. " + SECRET)
        del one.text[len("North. Walton sailed. ") :]
        one.publish()
        await two.until_reads("North. Walton sailed. ")
        await one.until(lambda: one.acked >= one.clock)
        answer = await mary.post(f"/api/projects/{manuscript.project['id']}/clone", {})
        job = await done(mary, answer)

        copy = (await first_scene(mary, job["projectId"]))["id"]
        async with (
            YClient(address(stack, mary, copy), "reader") as reader,
            YClient(address(stack, mary, copy, 1), "writer") as writer,
        ):
            await reader.until_reads("North. Walton sailed. ")
            await writer.until_reads("North. Walton sailed. ")
            assert reader.clocks() == one.clocks()
            writer.type("South. ", 0)
            await reader.until_reads("South. North. Walton sailed. ")
            one.type("East. ", 0)
            await two.until_reads("East. North. Walton sailed. ")

        assert str(one.text) == "East. North. Walton sailed. "
    assert copy != scene
    assert SECRET.encode() in await state_of(mary, scene)
    assert SECRET.encode() not in await state_of(mary, copy)


async def test_rich_layouts_survive(mary: Person, manuscript: Manuscript) -> None:
    """To the byte of the state, marks and attributes and all."""
    state = RICH
    await put_state(mary, manuscript.scene["id"], state)

    job = await done(mary, await mary.post(f"/api/projects/{manuscript.project['id']}/clone", {}))

    copy = (await first_scene(mary, job["projectId"]))["id"]
    old: Doc[Any] = Doc()
    new: Doc[Any] = Doc()
    old.apply_update(await state_of(mary, manuscript.scene["id"]))
    new.apply_update(await state_of(mary, copy))
    assert new.get_update() == old.get_update() == state
    for form in ("prosemirror", "blocks", "markdown"):
        query = {"format": form}
        one = await mary.get(f"/api/scenes/{manuscript.scene['id']}/content", params=query)
        other = await mary.get(f"/api/scenes/{copy}/content", params=query)
        assert other.text == one.text and one.status_code == 200
        assert other.headers["scriptorium-seq"] == "1"


async def test_who_may_clone_and_export(
    mary: Person, percy: Person, http: httpx.AsyncClient, manuscript: Manuscript
) -> None:
    """To clone takes a MAINTAINER; to export takes a READER; a stranger sees nothing."""
    project = manuscript.project["id"]
    stranger = await Person.register(http, "Claire")
    await manuscript.welcome(percy, Role.READER)

    assert is_problem(await percy.post(f"/api/projects/{project}/clone", {}), 403, "FORBIDDEN")
    body = {"name": "T"}
    assert is_problem(
        await percy.post(f"/api/projects/{project}/templates", body), 403, "FORBIDDEN"
    )
    assert files_of(await exported(percy, project))
    for path in (f"/api/projects/{project}/clone", f"/api/projects/{project}/templates"):
        assert is_problem(await stranger.post(path, body), 404, "NOT_FOUND")
    answer = await stranger.get(f"/api/projects/{project}/export")
    assert is_problem(answer, 404, "NOT_FOUND")
    reading = await mary.with_scopes("read")
    assert is_problem(await reading.post(f"/api/projects/{project}/clone", {}), 403, "FORBIDDEN")
    job = await done(mary, await mary.post(f"/api/projects/{project}/clone", {}))
    assert is_problem(await percy.get(f"/api/jobs/{job['id']}"), 404, "NOT_FOUND")
    assert is_problem(await percy.get(f"/api/projects/{job['projectId']}"), 404, "NOT_FOUND")
    members = (await mary.get(f"/api/projects/{job['projectId']}/members")).json()["items"]
    assert [(each["userId"], each["role"]) for each in members] == [(mary.id, "OWNER")]


async def test_a_retry_clones_once(mary: Person, manuscript: Manuscript) -> None:
    path, key = f"/api/projects/{manuscript.project['id']}/clone", {"Idempotency-Key": "k"}

    answers = [await mary.post(path, {"name": "Twice"}, headers=key) for _ in range(2)]
    jobs = [await done(mary, each) for each in answers]

    assert jobs[0] == jobs[1]
    named = [each["name"] for each in (await mary.get("/api/projects")).json()["items"]]
    assert named.count("Twice") == 1


async def novel(mary: Person, manuscript: Manuscript) -> None:
    """More than one scene and kind."""
    project, chapter = manuscript.project["id"], manuscript.chapter["id"]
    await put_state(mary, manuscript.scene["id"], RICH)
    second = await mary.made(f"/api/chapters/{chapter}/scenes", {"title": "Fire"})
    await mary.made(f"/api/chapters/{chapter}/scenes", {"title": "Nobody wrote this"})
    await mary.ask(
        "PUT", f"/api/scenes/{second['id']}/content", json={"format": "text", "content": "Hot 🐧"}
    )
    hero = await mary.made(
        f"/api/projects/{project}/entities", {"type": "character", "name": "Victor"}
    )
    await mary.made(
        f"/api/projects/{project}/appearances",
        {"sceneId": second["id"], "entityId": hero["id"], "role": "POV"},
    )


async def test_there_and_back(mary: Person, percy: Person, manuscript: Manuscript) -> None:
    """Whoever imports it, the next export of it is the same in every byte but for its date."""
    await novel(mary, manuscript)
    file = await exported(mary, manuscript.project["id"])

    job = await done(percy, await imported(percy, file))

    again = files_of(await exported(percy, job["projectId"]))
    files = files_of(file)
    manifests = [json.loads(each.pop("manifest.json")) for each in (files, again)]
    assert again == files
    assert manifests[0]["files"] == manifests[1]["files"]
    assert sorted(files) == [
        "scenes/000003.md", "scenes/000003.yjs", "scenes/000004.md", "scenes/000004.yjs",
        "state.ndjson",
    ]  # fmt: skip
    assert files["scenes/000003.md"] == b"# Ice\n\n**[cold](x)** and far\n"
    assert files["scenes/000004.md"] == "Hot 🐧".encode()
    state = files["state.ndjson"]
    assert manuscript.project["id"].encode() not in state
    assert mary.id.encode() not in state
    project = (await percy.get(f"/api/projects/{job['projectId']}")).json()
    assert (project["name"], project["role"]) == ("Frankenstein", "OWNER")


async def test_zipped_anew_it_is_still_good(mary: Person, manuscript: Manuscript) -> None:
    """In another order, stored instead of compressed, with a file that a desktop added."""
    await novel(mary, manuscript)
    files = files_of(await exported(mary, manuscript.project["id"]))
    mixed = {"__MACOSX/._x": b"x", **dict(sorted(files.items(), reverse=True))}

    job = await done(
        mary, await imported(mary, zipped(mixed, zipfile.ZIP_STORED), params={"name": "Anew"})
    )

    assert (await mary.get(f"/api/projects/{job['projectId']}")).json()["name"] == "Anew"
    assert files_of(await exported(mary, job["projectId"]))["scenes/000003.yjs"] == RICH


HEAD = b'{"format":"scriptorium.project/1","name":"N","kinds":{"book":1,"chapter":1,"scene":1}}\n'
STATE = HEAD + (
    b'{"kind":"book","id":1,"fields":{"title":"B"}}\n'
    b'{"kind":"chapter","id":2,"parent":1,"fields":{"title":"C"}}\n'
    b'{"kind":"scene","id":3,"parent":2,"fields":{"title":"S"}}\n'
)
GOOD = {"state.ndjson": STATE, "scenes/000003.yjs": RICH}


def _flipped() -> bytes:
    whole = zipped(vouched(GOOD), zipfile.ZIP_STORED)
    return whole.replace(b'"title":"S"', b'"title":"T"')


BAD: dict[str, tuple[bytes, int, str, str]] = {
    "nothing": (b"", 400, "PACKAGE_DAMAGED", "file"),
    "no zip": (b"PK but no zip file" * 9, 400, "PACKAGE_DAMAGED", "file"),
    "cut short": (zipped(vouched(GOOD))[:-30], 400, "PACKAGE_DAMAGED", "file"),
    "no manifest": (zipped(GOOD), 400, "PACKAGE_DAMAGED", "manifest.json"),
    "broken manifest": (
        zipped({**GOOD, "manifest.json": b"{"}), 400, "PACKAGE_DAMAGED", "manifest.json"
    ),
    "another format": (
        zipped(vouched(GOOD, format="scriptorium.project/9")),
        415, "UNSUPPORTED_FORMAT", "manifest.json",
    ),
    "another format inside": (
        zipped(vouched(GOOD | {"state.ndjson": STATE.replace(b"project/1", b"project/2")})),
        415, "UNSUPPORTED_FORMAT", "state.ndjson",
    ),
    "flipped": (_flipped(), 400, "PACKAGE_DAMAGED", "state.ndjson"),
    "wrong checksum": (
        zipped({**vouched(GOOD), "scenes/000003.yjs": RICH[:-1] + b"\x01"}),
        400, "PACKAGE_DAMAGED", "scenes/000003.yjs",
    ),
    "missing file": (
        zipped({k: v for k, v in vouched(GOOD).items() if k != "scenes/000003.yjs"}),
        400, "PACKAGE_DAMAGED", "scenes/000003.yjs",
    ),
    "no state": (
        zipped(vouched({"scenes/000003.yjs": RICH})), 400, "PACKAGE_DAMAGED", "state.ndjson"
    ),
    "text of no scene": (
        zipped(vouched(GOOD | {"scenes/000002.yjs": RICH})),
        400, "PACKAGE_DAMAGED", "scenes/000002.yjs, thing 2",
    ),
    "no first line": (
        zipped(vouched({"state.ndjson": STATE.removeprefix(HEAD)})),
        400, "PACKAGE_DAMAGED", "state.ndjson",
    ),
    "a thing is missing": (
        zipped(vouched({"state.ndjson": STATE.rpartition(b'{"kind":"scene"')[0]})),
        400, "PACKAGE_DAMAGED", "state",
    ),
    "unknown kind": (
        zipped(vouched({"state.ndjson": STATE.replace(b'"kind":"scene"', b'"kind":"motif"')})),
        422, "UNKNOWN_NAME", "state.ndjson, thing 3",
    ),
    "unknown kind counted": (
        zipped(vouched({"state.ndjson": STATE.replace(b'"scene":1', b'"motif":1')})),
        422, "UNKNOWN_NAME", "state.ndjson",
    ),
    "bad field": (
        zipped(vouched({"state.ndjson": STATE.replace(b'"title":"C"', b'"title":""')})),
        400, "VALIDATION_FAILED", "state.ndjson, thing 2",
    ),
    "circle": (
        zipped(vouched({"state.ndjson": STATE.replace(b'"parent":2', b'"parent":3')})),
        400, "VALIDATION_FAILED", "state.ndjson, thing 3",
    ),
    "too long a line": (
        zipped(vouched({"state.ndjson": HEAD + b'"' + b"x" * (2 << 20)})),
        413, "TOO_LARGE", "state.ndjson",
    ),
    "another compression": (
        zipped(vouched(GOOD), zipfile.ZIP_LZMA), 400, "PACKAGE_DAMAGED", "manifest.json"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_file_is_refused_with_its_place(mary: Person, name: str) -> None:
    """Before anything of it can be seen."""
    file, status, code, at = BAD[name]
    before = (await mary.get("/api/projects")).json()["items"]

    answer = await imported(mary, file)

    assert is_problem(answer, status, code)
    assert answer.json()["at"] == at
    assert (await mary.get("/api/projects")).json()["items"] == before


async def test_a_bad_text_fails_the_job(mary: Person) -> None:
    """What only a document can tell is seen by the job, before it writes anything."""
    for bad in (b"no yjs", RICH[:-3], b"\x01\x01" + b"\xff" * 40):
        files = GOOD | {"scenes/000003.yjs": bad}

        job = await ended(mary, await imported(mary, zipped(vouched(files))))

        assert (job["status"], job["step"]) == ("failed", "checking")
        assert (job["error"]["code"], job["error"]["at"]) == ("VALIDATION_FAILED", 3)
    assert (await mary.get("/api/projects")).json()["items"] == []


def test_bombs_are_not_unpacked(tmp_path: Any) -> None:
    """What a file says of itself is enough to refuse it."""
    patch = pytest.MonkeyPatch()
    path = tmp_path / "x.zip"
    with patch.context() as limits:
        limits.setattr(unpacking, "UNPACKED_BYTES_MAX", 10_000)
        path.write_bytes(zipped({"state.ndjson": bytes(20_000), "manifest.json": b"{}"}))
        with path.open("rb") as file, pytest.raises(errors.TooLarge):
            Unpacking(file)
        limits.setattr(unpacking, "FILES_MAX", 3)
        path.write_bytes(zipped({f"{n}": b"" for n in range(4)}))
        with path.open("rb") as file, pytest.raises(errors.TooLarge):
            Unpacking(file)
    whole = bytearray(zipped(vouched(GOOD)))
    struct.pack_into("<I", whole, whole.rindex(b"PK\x05\x06") + 12, 1 << 30)
    path.write_bytes(whole)
    with path.open("rb") as file, pytest.raises(errors.TooLarge):
        Unpacking(file)


@given(
    st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 2_000),
)
def test_damage_anywhere_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], cut: int
) -> None:
    """Whatever happened to a file: it reads as it was written, or it is refused with a code."""
    whole = bytearray(zipped(vouched(GOOD)))
    for place, value in changes:
        whole[place % len(whole)] = value
    body = bytes(whole[: len(whole) - cut] if cut < 100 else whole)
    path = tmp_path_factory.getbasetemp() / "damaged.zip"
    path.write_bytes(body)
    with path.open("rb") as file:
        try:
            opened = Unpacking(file)
            found = {name: b"".join(opened.chunks(name)) for name in opened.names}
        except AppError:
            return
    assert found.items() <= GOOD.items()


async def test_too_large_is_said_before_it_is_sent(stack: Stack, mary: Person) -> None:
    """By the length that it claims to have."""
    host = httpx.URL(stack.gateways[0])
    reader, writer = await asyncio.open_connection(host.host, host.port)
    writer.write(
        b"POST /api/projects/import HTTP/1.1\r\nHost: x\r\nContent-Type: application/zip\r\n"
        + f"Authorization: Bearer {mary.access_token}\r\n".encode()
        + f"Content-Length: {UPLOAD_BYTES_MAX + 1}\r\n\r\nPK".encode()
    )

    async with asyncio.timeout(10):
        answer = await reader.readline()

    assert b" 413 " in answer
    writer.close()


async def test_templates_keep_their_texts(
    mary: Person, percy: Person, manuscript: Manuscript
) -> None:
    """Also when the project they come from is gone; members use shared ones."""
    await novel(mary, manuscript)
    await manuscript.welcome(percy, Role.READER)
    path = f"/api/projects/{manuscript.project['id']}/templates"
    body = {"name": "Gothic", "description": "Cold", "shared": True}
    job = await done(mary, await mary.post(path, body))
    template = f"/api/templates/{job['templateId']}"
    listed = (await percy.get("/api/templates")).json()["items"]
    theirs = await done(percy, await percy.post(f"{template}/projects", {"name": "Mine"}))
    assert is_problem(await percy.ask("DELETE", template), 403, "FORBIDDEN")
    address_of = f"/api/projects/{manuscript.project['id']}"
    tag = (await mary.get(address_of)).headers["etag"]
    gone = await mary.ask("DELETE", address_of, headers={"If-Match": tag})
    assert gone.status_code < 300, gone.text

    own = await done(mary, await mary.post(f"{template}/projects", {}))

    assert [each["name"] for each in listed] == ["Gothic"]
    assert listed[0]["kinds"]["scene"] == 3
    for person, made in ((percy, theirs), (mary, own)):
        scene = await first_scene(person, made["projectId"])
        assert await state_of(person, scene["id"]) == RICH
    assert (await mary.ask("DELETE", template)).status_code == 204
    assert is_problem(await mary.get(template), 404, "NOT_FOUND")


async def test_a_library(mary: Person, manuscript: Manuscript) -> None:
    """A project like any other, in no list; what is imported can be undone at once."""
    project = manuscript.project["id"]
    hero = await mary.made(
        f"/api/projects/{project}/entities", {"type": "character", "name": "Victor"}
    )
    things = {"things": [{"kind": "entity", "id": hero["id"]}]}
    saved = await mary.post(f"/api/projects/{project}/save-to-library", things)
    assert saved.status_code == 200, saved.text
    shelf = (await mary.get("/api/library")).json()["projectId"]
    kept = (await mary.get(f"/api/projects/{shelf}/entities")).json()["items"]
    other = await mary.made("/api/projects", {"name": "Other"})
    back = {"things": [{"kind": "entity", "id": kept[0]["id"]}]}

    answer = await mary.post(f"/api/projects/{other['id']}/import-from-library", back)

    assert answer.status_code == 200, answer.text
    assert answer.json()["bundle"]["type"] == "import"
    path = f"/api/projects/{other['id']}/entities"
    copies = (await mary.get(path)).json()["items"]
    assert [each["name"] for each in copies] == ["Victor"]
    assert len({hero["id"], kept[0]["id"], copies[0]["id"]}) == 3
    listed = (await mary.get("/api/projects")).json()["items"]
    assert shelf not in {each["id"] for each in listed}
    undone = await mary.post(f"/api/bundles/{answer.json()['bundle']['id']}/undo", {})
    assert undone.status_code == 200, undone.text
    assert (await mary.get(path)).json()["items"] == []


async def test_a_writer_imports_what_they_may_make(
    mary: Person, percy: Person, manuscript: Manuscript
) -> None:
    """A READER imports nothing; and nobody sees another one's library."""
    project = manuscript.project["id"]
    await manuscript.welcome(percy, Role.READER)
    hero = await mary.made(
        f"/api/projects/{project}/entities", {"type": "character", "name": "Victor"}
    )
    things = {"things": [{"kind": "entity", "id": hero["id"]}]}
    saved = await percy.post(f"/api/projects/{project}/save-to-library", things)
    assert saved.status_code == 200, saved.text
    shelf = (await percy.get("/api/library")).json()["projectId"]

    answer = await percy.post(f"/api/projects/{project}/import-from-library", things)

    assert is_problem(answer, 403, "FORBIDDEN")
    assert is_problem(await mary.get(f"/api/projects/{shelf}/entities"), 404, "NOT_FOUND")


async def test_many_at_once(mary: Person, manuscript: Manuscript) -> None:
    """Clones of one project at once: each whole, each with a slug of its own."""
    await novel(mary, manuscript)
    path = f"/api/projects/{manuscript.project['id']}/clone"

    answers = await asyncio.gather(*(mary.post(path, {}) for _ in range(4)))
    jobs = await asyncio.gather(*(done(mary, each) for each in answers))

    found = [(await mary.get(f"/api/projects/{each['projectId']}")).json() for each in jobs]
    assert len({each["slug"] for each in found}) == 4
    for each in jobs:
        scene = await first_scene(mary, each["projectId"])
        assert await state_of(mary, scene["id"]) == RICH
