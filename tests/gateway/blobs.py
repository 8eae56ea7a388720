"""What tests of blobs over HTTP send, and how."""

import hashlib
import os
from urllib.parse import urlsplit

import httpx

from tests.gateway.support import Json, Manuscript, Person

TEXT = b"It was on a dreary night of November.\n" * 100
NOISE = os.urandom(3 << 20)


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def path_in(url: str) -> str:
    return urlsplit(url).path


def blobs_of(manuscript: Manuscript) -> str:
    return f"/api/projects/{manuscript.project['id']}/blobs"


async def send(person: Person, path: str, body: bytes, **more: object) -> httpx.Response:
    return await person.ask("POST", path, content=body, **more)


async def stored(person: Person, path: str, body: bytes, **more: object) -> Json:
    answer = await send(person, path, body, **more)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()
