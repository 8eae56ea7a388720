"""Addresses of blobs that need no token, and uploads to such."""

import asyncio

import httpx
import pytest

from tests.gateway.blobs import NOISE, TEXT, blobs_of, path_in, sha, stored
from tests.gateway.support import Manuscript, Person, is_problem
from tools.stack import Stack


@pytest.fixture
def path(manuscript: Manuscript) -> str:
    return blobs_of(manuscript)


class TestPresigned:
    async def test_an_address_needs_nothing_else(
        self, mary: Person, path: str, http: httpx.AsyncClient
    ):
        blob = await stored(mary, path, NOISE)
        made = await mary.post(f"{path}/{blob['sha256']}/url", {"fileName": "noise.bin"})
        shown = made.json()
        place = path_in(shown["url"])

        assert (made.status_code, shown["method"]) == (201, "GET")
        assert shown["url"].startswith(str(http.base_url))
        whole = await http.get(place)
        assert whole.content == NOISE
        assert "noise.bin" in whole.headers["content-disposition"]
        part = await http.get(place, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, NOISE[10:20])
        assert (await http.head(place)).headers["content-length"] == str(len(NOISE))
        known = await http.get(place, headers={"If-None-Match": whole.headers["etag"]})
        assert known.status_code == 304

    async def test_any_gateway_serves_it(self, mary: Person, path: str, http2: httpx.AsyncClient):
        blob = await stored(mary, path, TEXT)
        url = (await mary.post(f"{path}/{blob['sha256']}/url", {})).json()["url"]

        assert (await http2.get(path_in(url))).content == TEXT

    async def test_a_ticket_is_for_one_thing_until_its_end(
        self, mary: Person, path: str, http: httpx.AsyncClient
    ):
        blob = await stored(mary, path, TEXT)
        url = (await mary.post(f"{path}/{blob['sha256']}/url", {"expiresIn": 10})).json()["url"]
        ticket = path_in(url)
        middle = len(ticket) // 2
        forged = ticket[:middle] + ("A" if ticket[middle] != "A" else "B") + ticket[middle + 1 :]

        assert (await http.get(ticket)).status_code == 200
        assert (await http.put(ticket, content=b"x")).status_code == 403
        for wrong in (forged, ticket[:-2], "/files/x", "/files/x.y"):
            assert is_problem(await http.get(wrong), 403, "FORBIDDEN"), wrong
        assert (await http.head(forged)).status_code == 403
        await asyncio.sleep(10.5)
        assert is_problem(await http.get(ticket), 403, "FORBIDDEN")

    @pytest.mark.parametrize("seconds", [0, 9, 7 * 86_400 + 1])
    async def test_life_is_bounded(self, mary: Person, path: str, seconds: int):
        blob = await stored(mary, path, TEXT)
        answer = await mary.post(f"{path}/{blob['sha256']}/url", {"expiresIn": seconds})

        assert is_problem(answer, 400, "VALIDATION_FAILED")

    async def test_an_upload_past_the_token(
        self, manuscript: Manuscript, mary: Person, http: httpx.AsyncClient
    ):
        uploads = f"/api/projects/{manuscript.project['id']}/uploads"
        asked = {"direct": True, "size": len(NOISE), "sha256": sha(NOISE), "fileName": "a.bin"}
        made = await mary.post(uploads, asked)
        target = made.json()["target"]
        place = path_in(target["url"])

        assert (made.status_code, target["method"]) == (201, "PUT")
        wrong = await http.put(place, content=b"x" * len(NOISE))
        assert is_problem(wrong, 422, "CONTENT_MISMATCH")
        sent = await http.put(place, content=NOISE)
        assert (sent.status_code, sent.json()["blob"]["sha256"]) == (200, sha(NOISE))
        done = await mary.get(made.headers["location"])
        assert done.json()["blob"]["sha256"] == sha(NOISE)
        completed = await mary.post(f"{made.headers['location']}/complete")
        assert completed.json()["blob"]["sha256"] == sha(NOISE)
        again = await mary.post(uploads, asked)
        assert (again.json()["target"], again.json()["upload"]["deduplicated"]) == (None, True)

    async def test_tickets_are_not_logged(self, mary: Person, path: str, stack: Stack):
        blob = await stored(mary, path, TEXT)
        url = (await mary.post(f"{path}/{blob['sha256']}/url", {})).json()["url"]
        ticket = url.rpartition("/")[2]
        await mary.http.get(path_in(url))
        await mary.http.get(f"/files/{ticket}forged")
        await asyncio.sleep(0.2)

        logs = (stack.data_dir / "logs").glob("*.log")
        told = {each.name: each.read_text() for each in logs}
        assert any("/files/..." in text for text in told.values())
        for name, text in told.items():
            assert ticket[-40:] not in text, name
