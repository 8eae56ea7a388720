"""`scriptorium demo` as a person meets it: a subprocess, its two streams, its exit code."""

import asyncio
import gzip
import json
import os
import re
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from tests.support.stack import NO_SEARCH, real_stack
from tools.cli.demo import MANUSCRIPT, TRACE
from tools.stack import Stack
from tools.stack.ports import choose_port
from tools.stack.services import ROOT

DEMO_S_MAX = 120.0


async def demo(url: str, *words: str) -> tuple[int | None, str, str]:
    """Take the tour to its end; returns exit code, output, complaints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "tools.cli", "demo", "--url", url, *words),
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(DEMO_S_MAX):
        output, complaints = await process.communicate()
    return process.returncode, output.decode(), complaints.decode()


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The real thing, one of each, as `make up` starts it."""
    async with real_stack(
        tmp_path_factory.mktemp("demo"),
        replicas={**NO_SEARCH, "indexer": 1, "ai": 1},
        environment={"SCRIPTORIUM_EMBEDDER": "none"},
    ) as running:
        yield running


async def test_tour_leaves_behind_what_it_tells_about(stack: Stack):
    """The novel is there in order and in full, the session's text is there, the snippets work."""
    code, output, complaints = await demo(stack.url, "--speed", "0")

    assert (code, complaints) == (0, "")
    account = re.search(r"^Ada: (\S+), password (\S+)$", output, re.MULTILINE)
    places = re.search(r"project +(\S+)\s+scene +(\S+)", output)
    assert account
    assert places
    novel = json.loads(MANUSCRIPT.read_text())
    end = json.loads(gzip.decompress(TRACE.read_bytes()))["endContent"]
    async with httpx.AsyncClient(base_url=stack.url) as http:
        login = {"email": account[1], "password": account[2]}
        told = (await http.post("/api/auth/login", json=login)).json()
        http.headers["Authorization"] = f"Bearer {told['accessToken']}"
        books = await items(http, f"/api/projects/{places[1]}/books")
        chapters = await items(http, f"/api/books/{books[0]['id']}/chapters")
        first = await texts(http, chapters[0]["id"])
        last = await texts(http, chapters[31]["id"])
        live = await http.get(f"/api/scenes/{places[2]}/content", params={"format": "text"})
        page = await http.get("/api/docs")

    assert [book["title"] for book in books] == ["Frankenstein"]
    assert len(chapters) == 33
    assert first == "\n\n".join(novel["chapters"][0]["paragraphs"])
    assert last == "\n\n".join(novel["chapters"][31]["paragraphs"])
    assert live.text == end
    assert page.status_code == 200
    assert f"{stack.url}/api/docs" in output
    assert re.search(r"26,078 edits at [\d,]+/s.* median [\d.]+ ms, 95th percentile", output)
    assert re.search(
        r"^search for .*, by words, \d+ ms: Chapter XXIV, 2, .*Frozen Ocean", output, re.MULTILINE
    )
    assert re.search(
        r"^people, by rules: Elizabeth \d+, .*; places: Geneva \d+, ", output, re.MULTILINE
    )
    assert f"new WebsocketProvider('{stack.url.replace('http', 'ws')}/collab'" in output


async def items(http: httpx.AsyncClient, path: str) -> list[dict[str, str]]:
    """Return everything that a list holds."""
    return (await http.get(path, params={"limit": 100})).json()["items"]


async def texts(http: httpx.AsyncClient, chapter: str) -> str:
    """Return the scenes of a chapter, one after the other."""
    scenes = await items(http, f"/api/chapters/{chapter}/scenes")
    read = [await http.get(f"/api/scenes/{scene['id']}/content?format=text") for scene in scenes]
    return "\n\n".join(answer.text for answer in read)


async def test_nothing_there_is_one_clear_line():
    """Who forgot to start it reads how to."""
    url = f"http://127.0.0.1:{choose_port(set())}"

    assert await demo(url) == (
        1,
        "",
        f"scriptorium: nothing answers at {url}; start it with: scriptorium up\n",
    )


@pytest.fixture(params=[(404, b"nothing here"), (200, b"<html>"), (200, b"{}")])
def other_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """Something else that speaks HTTP; its address."""
    status, body = request.param

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


async def test_something_else_there_is_said(other_server: str):
    """Another program on the port is named as such, not shown as a traceback."""
    assert await demo(other_server) == (
        1,
        "",
        f"scriptorium: the server at {other_server} is not Scriptorium\n",
    )
