"""Bytes that pass us by: to the storage's own addresses and from them, where it has some.

The whole stack on S3 as rclone understands it.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.gateway.support import Json, Person, is_problem
from tests.support.s3 import ACCESS, SECRET, bucket_at, rclone
from tests.support.stack import real_stack
from tools.stack import Stack

NOISE = os.urandom(9 << 20)
"""Does not compress, and is put in parts."""
TEXT = b"It was on a dreary night of November.\n" * 1000
LIFE_S = 10
"""The shortest an address may have."""


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with rclone(tmp_path_factory.mktemp("rclone")) as address:
        yield address


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory, endpoint: str) -> AsyncIterator[Stack]:
    environment = {
        "SCRIPTORIUM_STORAGE_URL": bucket_at(endpoint),
        "SCRIPTORIUM_S3_ACCESS_KEY": ACCESS,
        "SCRIPTORIUM_S3_SECRET_KEY": SECRET,
    }
    folder, replicas = tmp_path_factory.mktemp("direct"), {"gateway": 1, "events": 1, "blobs": 1}
    async with real_stack(folder, replicas=replicas, environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
async def mary(stack: Stack) -> AsyncIterator[Person]:
    async with httpx.AsyncClient(base_url=stack.url, timeout=30) as http:
        yield await Person.register(http)


@pytest.fixture(scope="module")
async def web() -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without an account."""
    async with httpx.AsyncClient(timeout=30) as http:
        yield http


@pytest.fixture
async def project(mary: Person) -> str:
    return f"/api/projects/{(await mary.made('/api/projects', {'name': 'Direct'}))['id']}"


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def is_storages(url: str, endpoint: str) -> bool:
    return url.startswith(endpoint) and "X-Amz-Signature" in url


async def begin(mary: Person, project: str, endpoint: str, body: bytes) -> tuple[str, str]:
    """Begin an upload of *body*; returns where it is, and where its bytes go."""
    asked: Json = {"direct": True, "size": len(body), "sha256": sha(body), "expiresIn": 60}
    made = await mary.post(f"{project}/uploads", asked)
    assert made.status_code == 201, made.text
    target: Json = made.json()["target"]
    assert target["method"] == "PUT"
    address: str = target["url"]
    assert is_storages(address, endpoint)
    assert parse_qs(urlsplit(address).query)["X-Amz-Expires"] == ["60"]
    return made.headers["location"], address


@pytest.mark.parametrize(
    "body",
    [pytest.param(NOISE, id="noise"), pytest.param(TEXT, id="text", marks=pytest.mark.long)],
)
async def test_sent_to_storage_verified_and_there(
    mary: Person, web: httpx.AsyncClient, project: str, endpoint: str, body: bytes
):
    place, address = await begin(mary, project, endpoint, body)
    assert is_problem(await mary.post(f"{place}/complete"), 409, "CONFLICT")
    assert (await web.put(address, content=body)).status_code == 200
    assert is_problem(await mary.get(f"{project}/blobs/{sha(body)}"), 404, "NOT_FOUND")
    done = await mary.post(f"{place}/complete")

    assert (done.status_code, done.json()["blob"]["sha256"]) == (200, sha(body))
    assert (await mary.get(f"{project}/blobs/{sha(body)}")).content == body
    again = await mary.post(f"{place}/complete")
    assert again.json()["blob"] == done.json()["blob"]
    # What is sent to the address now is nobody's: the blob is another object.
    await web.put(address, content=bytes(len(body)))
    assert (await mary.get(f"{project}/blobs/{sha(body)}")).content == body


async def test_other_bytes_than_declared_are_nothing(
    mary: Person, web: httpx.AsyncClient, project: str, endpoint: str
):
    """They are refused when it completes, and are in no answer; the right ones may follow."""
    place, address = await begin(mary, project, endpoint, NOISE)
    wrong = bytes(len(NOISE))
    assert (await web.put(address, content=b"short")).status_code == 403
    assert (await web.put(address, content=wrong)).status_code == 200

    assert is_problem(await mary.post(f"{place}/complete"), 422, "CONTENT_MISMATCH")
    for body in (wrong, NOISE):
        assert is_problem(await mary.get(f"{project}/blobs/{sha(body)}"), 404, "NOT_FOUND")
    assert (await mary.get(f"{project}/usage")).json()["blobs"] == 0
    assert (await mary.get(place)).json()["blob"] is None
    assert (await web.put(address, content=NOISE)).status_code == 200
    done = await mary.post(f"{place}/complete")
    assert done.json()["blob"]["sha256"] == sha(NOISE)


async def test_addresses_of_files_until_they_end(
    mary: Person, web: httpx.AsyncClient, project: str, endpoint: str
):
    """The storage's own for what lies there as it is, the gateway's for what is compressed."""
    for body in (NOISE, TEXT):
        assert (await mary.ask("POST", f"{project}/blobs", content=body)).status_code == 201
    asked = {"expiresIn": LIFE_S, "fileName": "noise.bin"}
    made = (await mary.post(f"{project}/blobs/{sha(NOISE)}/url", asked)).json()
    began = time.monotonic()

    assert is_storages(made["url"], endpoint)
    whole = await web.get(made["url"])
    assert (whole.status_code, whole.content) == (200, NOISE)
    assert "noise.bin" in whole.headers["content-disposition"]
    part = await web.get(made["url"], headers={"Range": "bytes=10-19"})
    assert part.content == NOISE[10:20]
    assert (await web.get(made["url"].replace("noise.bin", "x.html"))).status_code == 403
    assert (await web.put(made["url"], content=b"x")).status_code == 403
    text = (await mary.post(f"{project}/blobs/{sha(TEXT)}/url", asked)).json()["url"]
    assert text.startswith(str(mary.http.base_url))
    assert (await web.get(text)).content == TEXT

    await asyncio.sleep(LIFE_S + 1 - (time.monotonic() - began))
    for url in (made["url"], text):
        # 403 at AWS and here, 400 at rclone.
        assert (await web.get(url)).status_code in (400, 403)
