"""The page at `/`: what runs here, how it is, and where to look."""

import html
import re

import httpx
import pytest

from services.gateway.http.landing import STATE_AGE_S_MAX
from tests.support.waiting import until
from tools.stack import Stack


@pytest.mark.usefixtures("every_service")
async def test_it_says_what_runs_and_where_to_look(http: httpx.AsyncClient):
    """`make up` prints this address; a browser needs nothing else, from nowhere else."""
    page = await http.get("/")

    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    for part in ("database", "bus", "events", "collab", "blobs", "indexer", "ai"):
        assert re.search(rf"<code>{part}</code>.*ready", page.text), part
    assert "not ready" not in page.text
    for path in ("/api/docs", "/api/openapi.json", "/api/asyncapi.json", "/readyz"):
        assert f'href="{path}"' in page.text
        assert (await http.get(path)).status_code == 200
    assert "{{" not in page.text
    assert not re.findall(r'(?:src|href)="(?!/)', page.text)


async def test_its_curl_line_registers_somebody(http: httpx.AsyncClient):
    """As it stands there, but for the address of the person."""
    page = html.unescape((await http.get("/")).text)
    [line] = re.findall(r"<pre>(curl.*?register.*?)</pre>", page, re.DOTALL)
    [address] = re.findall(r"POST (\S+)", line)
    [body] = re.findall(r"-d '(.*)'", line)

    answer = await http.post(
        address,
        content=body.replace("mary@", "mary-of-the-page@"),
        headers={"Content-Type": "application/json"},
    )

    assert address == f"{str(http.base_url).rstrip('/')}/api/auth/register"
    assert answer.status_code == 201, answer.text


async def test_a_host_that_is_none_is_not_repeated(http: httpx.AsyncClient):
    """What a client sends as Host does not become part of the page unless it is a host."""
    page = await http.get("/", headers={"Host": '"><script>alert(1)</script>'})

    assert "<script" not in page.text


async def test_a_part_that_is_away_is_shown(stack: Stack, http: httpx.AsyncClient):
    """The page stays up, and tells which part does not answer; then that it is back."""

    async def shows(words: str) -> bool:
        page = await http.get("/")
        assert page.status_code == 200
        return re.search(rf"<code>blobs</code></td><td><span[^>]*>{words}<", page.text) is not None

    stack.freeze("blobs-1")
    try:
        await until(lambda: shows("not ready"), wait_s=10 * STATE_AGE_S_MAX)
    finally:
        stack.thaw("blobs-1")
    await until(lambda: shows("ready"))
