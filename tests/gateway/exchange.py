"""Words for tests of workspaces over HTTP: jobs that end, and zip files that lie."""

import asyncio
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import httpx
from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from libs.contracts.events.workspaces import FORMAT
from tests.gateway.support import Json, Manuscript, Person

ENDS_WITHIN_S = 60.0
ZIP = {"Content-Type": "application/zip"}


async def ended(person: Person, answer: httpx.Response) -> Json:
    """Wait until the job that *answer* tells of has ended."""
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/api/jobs/{answer.json()['id']}"
    async with asyncio.timeout(ENDS_WITHIN_S):
        while True:
            job = await person.get(answer.headers["location"])
            assert job.status_code == 200, job.text
            if job.json()["status"] != "running":
                return job.json()
            await asyncio.sleep(0.05)


async def done(person: Person, answer: httpx.Response) -> Json:
    """Wait until a job is done."""
    job = await ended(person, answer)
    assert job["status"] == "done", job
    return job


async def exported(person: Person, project_id: str, *, history: bool = False) -> bytes:
    """Return the export of a project."""
    query = {} if history else {"history": "false"}
    answer = await person.get(f"/api/projects/{project_id}/export", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    return answer.content


async def imported(person: Person, file: bytes, **more: Any) -> httpx.Response:
    """Send a file."""
    headers = ZIP | more.pop("headers", {})
    return await person.ask("POST", "/api/projects/import", content=file, headers=headers, **more)


def files_of(file: bytes) -> dict[str, bytes]:
    """Return what is in a zip file."""
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip file of files."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return target.getvalue()


def vouched(files: Mapping[str, bytes], **more: Any) -> dict[str, bytes]:
    """Return files with a manifest that vouches for them."""
    said = {
        name: {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        for name, body in files.items()
        if name != "manifest.json"
    }
    manifest = {"format": FORMAT, "files": said} | more
    return {**files, "manifest.json": json.dumps(manifest).encode()}


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
