"""Large files by the client that people use for them, through all that breaks on the way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.clients.scenarios import Scenario, require_node
from tests.gateway.cutting import Cut, cutting_proxy
from tests.support.people import People, Person
from tests.support.stack import real_stack
from tools.stack import Stack

SIZE = 5_000_000
CHUNK = 600_000


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Two gateways and two of blobs, to kill."""
    require_node()
    folder: Path = tmp_path_factory.mktemp("tus")
    # Files alone, no text: one collab.
    replicas = {"events": 1, "collab": 1, "blobs": 2, "gateway": 2}
    async with real_stack(folder, replicas=replicas) as running:
        yield running


@pytest.fixture(scope="module")
async def people(stack: Stack) -> AsyncIterator[People]:
    async with People(stack.url) as joined:
        yield joined


@dataclass(frozen=True)
class Sender:
    """A person with an empty project, and the client in their hands."""

    person: Person
    project: str
    gateway: str

    def endpoint(self, gateway: str | None = None) -> str:
        return f"{gateway or self.gateway}/api/projects/{self.project}/uploads"

    def scenario(self, **more: Any) -> Scenario:
        told: dict[str, Any] = {"endpoint": self.endpoint(), "token": self.person.token}
        return Scenario(told | {"size": SIZE, "chunkSize": CHUNK} | more)

    async def fetch(self, sha256: str, **headers: str) -> httpx.Response:
        headers["Authorization"] = f"Bearer {self.person.token}"
        async with httpx.AsyncClient(base_url=self.gateway, timeout=30) as http:
            return await http.get(f"/api/projects/{self.project}/blobs/{sha256}", headers=headers)

    async def require_stored(self, done: dict[str, Any]) -> None:
        """Fail unless the bytes that were sent are there."""
        assert "failed" not in done, done
        fetched = await self.fetch(done["sha256"])
        assert fetched.status_code == 200, fetched.text
        assert len(fetched.content) == done["size"]
        assert fetched.headers["etag"] == f'"{done["sha256"]}"'


@pytest.fixture
async def sender(stack: Stack, people: People) -> Sender:
    person = await people.join("Ada")
    return Sender(person, await person.project(), stack.gateways[0])


@pytest.mark.parametrize("chunk", [CHUNK, None])
async def test_a_file_is_uploaded(sender: Sender, chunk: int | None):
    done = await sender.scenario(chunkSize=chunk)("tus")

    await sender.require_stored(done)
    expected = [201, 204] if chunk is None else [201, *[204] * -(-SIZE // CHUNK)]
    assert done["statuses"] == expected


async def test_what_the_project_has_is_not_sent_again(sender: Sender):
    first = await sender.scenario()("tus")
    again = await sender.scenario(metadata={"sha256": first["sha256"]})("tus")

    await sender.require_stored(again)
    assert len(again["statuses"]) < len(first["statuses"])


async def test_a_wrong_checksum_is_refused_at_the_end_and_nothing_is_stored(sender: Sender):
    done = await sender.scenario(metadata={"sha256": "0" * 64})("tus")

    assert done["status"] == 422
    assert (await sender.fetch(done["sha256"])).status_code == 404


async def test_cut_connections_are_gone_on_from(sender: Sender):
    """Cut after so many bytes of a connection, sent or received, a dozen times."""
    cuts = [
        Cut(sent=0),
        Cut(sent=100),
        Cut(sent=2_000),
        Cut(sent=70_000),
        Cut(sent=599_000),
        Cut(sent=601_000),
        Cut(sent=1_300_000),
        Cut(received=0),
        Cut(received=100),
        Cut(received=900),
    ]
    left = iter(cuts)
    port = urlsplit(sender.gateway).port
    assert port
    async with cutting_proxy(port, lambda: next(left, Cut())) as url:
        done = await sender.scenario(endpoint=sender.endpoint(url))("tus")

    await sender.require_stored(done)
    assert next(left, None) is None


async def test_an_upload_goes_on_at_another_gateway(sender: Sender, stack: Stack):
    done = await sender.scenario(stopAt=2_000_000, resumeAt=stack.gateways[1])("tus")

    await sender.require_stored(done)
    assert 2_000_000 <= done["before"] < SIZE


async def test_a_terminated_upload_is_gone(sender: Sender):
    done = await sender.scenario(stopAt=1_000_000, terminate=True)("tus")
    headers = {"Authorization": f"Bearer {sender.person.token}", "Tus-Resumable": "1.0.0"}
    async with httpx.AsyncClient(headers=headers) as http:
        assert (await http.head(done["url"])).status_code == 404

    assert (await sender.fetch(done["sha256"])).status_code == 404


@pytest.mark.parametrize("part", ["gateway-1", "blobs-1", "blobs-2", "everything of blobs"])
@pytest.mark.parametrize("after", [CHUNK, pytest.param(3 * CHUNK, marks=pytest.mark.long)])
async def test_kill_9_in_the_middle(sender: Sender, stack: Stack, part: str, after: int):
    """What was accepted is not sent again; the parts come back, the client goes on."""
    parts = ["blobs-1", "blobs-2"] if part == "everything of blobs" else [part]
    async with sender.scenario().begin("tus") as running:
        await _until(running.news, lambda news: news.get("accepted", 0) >= after)
        for each in parts:
            stack.kill(each)
        done = await running.result()
    for each in parts:
        await stack.wait_ready(each)

    await sender.require_stored(done)


MANY = 20


async def _require_honest(sender: Sender, done: dict[str, Any]) -> None:
    """Fail unless every file that was called successful is there, and those are all files."""
    assert done["failed"] == []
    assert len(done["successful"]) == MANY
    answers = await asyncio.gather(*(sender.fetch(each["sha256"]) for each in done["successful"]))
    assert {each.status_code for each in answers} == {200}


@pytest.mark.parametrize("client", ["tus", "uppy"])
async def test_many_files_at_once(sender: Sender, client: str):
    """More than are put together at once: none is refused, and none is only called stored."""
    done = await sender.scenario(count=MANY, size=400_000, chunkSize=None)(client)

    await _require_honest(sender, done)


@pytest.mark.parametrize(
    ("client", "victims"),
    [
        ("tus", ["gateway-1", "blobs-1"]),
        pytest.param("tus", ["gateway-1", "blobs-1", "blobs-2"], marks=pytest.mark.long),
        pytest.param("uppy", ["gateway-1", "blobs-1", "blobs-2"], marks=pytest.mark.long),
    ],
)
async def test_kill_9_while_many_files_are_sent(
    sender: Sender, stack: Stack, client: str, victims: list[str]
):
    """Files that a client calls successful are there, whatever it met on the way."""
    told: dict[str, Any] = {"count": MANY, "size": 900_000, "chunkSize": 300_000}
    patient = [100, 300, 1_000, *[3_000] * 10]
    async with sender.scenario(**told, retryDelays=patient).begin(client) as running:
        for each in victims:
            await _until(running.news, bool)
            stack.kill(each)
        done = await running.result()
    for each in victims:
        await stack.wait_ready(each)

    await _require_honest(sender, done)


async def test_a_stream_whose_length_is_told_at_its_end(sender: Sender):
    done = await sender.scenario(deferred=True)("tus")

    await sender.require_stored(done)


async def test_a_client_behind_a_proxy_that_knows_no_patch(sender: Sender):
    done = await sender.scenario(overridePatchMethod=True)("tus")

    await sender.require_stored(done)


async def _until(news: Callable[[], Any], holds: Callable[[dict[str, Any]], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds(await news()):
            pass
