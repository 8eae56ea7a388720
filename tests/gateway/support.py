"""People who use the API over HTTP, and gateways beside the stack's own."""

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx

from libs.contracts.actor import Role
from tests.support.waiting import until
from tools.stack import Stack
from tools.stack.ports import choose_port

PASSWORD = "correct horse battery"
ROOT = Path(__file__).parents[2]
READY_WAIT_S = 90.0

_numbers = itertools.count(1)

type Json = dict[str, Any]


@dataclass
class Person:
    """Somebody with an account, and the requests they make."""

    http: httpx.AsyncClient
    id: str
    email: str
    access_token: str
    refresh_token: str

    @classmethod
    async def register(cls, http: httpx.AsyncClient, name: str = "Mary") -> "Person":
        """Create an account."""
        email = f"{name.lower()}-{next(_numbers)}-{uuid4().hex[:8]}@example.org"
        answer = await http.post(
            "/api/auth/register",
            json={"email": email, "password": PASSWORD, "displayName": name},
        )
        assert answer.status_code == 201, answer.text
        body = answer.json()
        return cls(http, body["user"]["id"], email, body["accessToken"], body["refreshToken"])

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Make a request with one's access token."""
        given: dict[str, Any] = more.pop("headers", None) or {}
        headers = {"Authorization": f"Bearer {self.access_token}", **given}
        return await self.http.request(method, path, headers=headers, **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return await self.ask("POST", path, json=body, **more)

    async def made(self, path: str, body: Json, **more: Any) -> Json:
        """POST, and return what was created."""
        answer = await self.post(path, body, **more)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def with_scopes(self, *scopes: str) -> "Person":
        """The same person with a personal access token."""
        token = await self.made("/api/tokens", {"name": "test", "scopes": list(scopes)})
        return Person(self.http, self.id, self.email, token["token"], "")


@dataclass
class Manuscript:
    """A project with a book, a chapter and a scene."""

    owner: Person
    project: Json
    book: Json
    chapter: Json
    scene: Json

    @classmethod
    async def begin(cls, owner: Person) -> "Manuscript":
        # No editor: the first text that is put into the scene decides about its layout.
        project = await owner.made("/api/projects", {"name": "Frankenstein", "editor": None})
        book = await owner.made(f"/api/projects/{project['id']}/books", {"title": "Letters"})
        chapter = await owner.made(f"/api/books/{book['id']}/chapters", {"title": "I"})
        scene = await owner.made(f"/api/chapters/{chapter['id']}/scenes", {"title": "Ice"})
        return cls(owner, project, book, chapter, scene)

    async def welcome(self, person: Person, role: Role) -> Person:
        """Make *person* a member."""
        path = f"/api/projects/{self.project['id']}/members/{person.id}"
        answer = await self.owner.ask("PUT", path, json={"role": role})
        assert answer.status_code == 200, answer.text
        return person


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    """Whether *answer* is the problem document of *code*, whole and well-formed."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == code, body
    assert body["status"] == status
    assert len(body["traceId"]) == 32 and int(body["traceId"], 16)
    assert {"type", "title", "detail", "instance"} <= body.keys()
    return True


@asynccontextmanager
async def gateway_beside(stack: Stack, folder: Path, **settings: object) -> AsyncGenerator[str]:
    """Run one more gateway on the same database and bus, with settings of its own."""
    public, ops = choose_port(set()), choose_port(set())
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SCRIPTORIUM_REPLICA": f"beside-{next(_numbers)}",
        "SCRIPTORIUM_POSTGRES_URL": stack.postgres_url("gateway", "gateway"),
        "SCRIPTORIUM_NATS_URL": stack.nats_url("gateway"),
        "SCRIPTORIUM_KEYS_DIR": str(stack.data_dir / "keys"),
        "SCRIPTORIUM_PORT": str(public),
        "SCRIPTORIUM_OPS_PORT": str(ops),
        **{f"SCRIPTORIUM_{name.upper()}": str(value) for name, value in settings.items()},
    }
    log = folder / f"gateway-{public}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.gateway.app",
            env=environment,
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{public}"
    try:
        async with httpx.AsyncClient(base_url=url) as http:

            async def ready() -> bool:
                assert process.returncode is None, log.read_text()
                return await _is_ready(http)

            await until(ready, READY_WAIT_S)
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _is_ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


def some_id() -> UUID:
    """An id of nothing."""
    return uuid4()
