"""Words for tests of workspaces over HTTP: jobs that end, and zip files that lie."""

import asyncio
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import httpx

from libs.contracts.workspaces import FORMAT
from tests.gateway.support import Json, Person

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


async def exported(person: Person, project_id: str) -> bytes:
    """Return the export of a project."""
    answer = await person.get(f"/api/projects/{project_id}/export")
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
