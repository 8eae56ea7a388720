"""Scriptorium as a system under comparison: the whole stack, reached as any client reaches it."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil

from tests.bench import processes
from tests.bench.room import Place
from tests.bench.systems import START_TIMEOUT_S, terminate

TOKEN_AGE_MAX_S = 240.0
RETRIES_MAX = 60
CREATES_AT_ONCE = 4


class Scriptorium:
    """Gateway, collab, PostgreSQL and NATS, all counted."""

    name = "scriptorium"
    dialect = "y-websocket"

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._host: asyncio.subprocess.Process | None = None
        self._url = ""
        self.nats_url = ""
        """Where the gateway asks the other services, once the stack is up."""
        self._pids: list[int] = []
        self._account = {"email": f"{uuid4().hex}@example.org", "password": uuid4().hex}
        self._registered = False
        self._token = ""
        self._token_at = 0.0
        self._chapter: str | None = None

    async def start(self) -> float:
        """Bring the stack up on its data directory; ready means every part said so."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        started = time.perf_counter()
        log_file = self._data_dir / "host.log"
        with log_file.open("ab") as log:
            self._host = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "tests.bench.host", str(self._data_dir / "stack")),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._host.stdout
        line = await asyncio.wait_for(self._host.stdout.readline(), START_TIMEOUT_S)
        ready_s = time.perf_counter() - started
        if not line:
            last_words = log_file.read_text().strip().splitlines()[-1:]
            raise RuntimeError(f"Scriptorium did not start: {''.join(last_words)}")
        ready = json.loads(line)
        self._url = ready["url"].rstrip("/")
        self._pids = [self._host.pid, *ready["pids"]]
        self.nats_url = ready["nats"]
        self._token = ""
        return ready_s

    async def create(self, count: int) -> list[str]:
        """New scenes in one chapter, no faster than the rate limits allow."""
        gate = asyncio.Semaphore(CREATES_AT_ONCE)
        chapter = await self._chapter_id()

        async def scene(number: int) -> str:
            async with gate:
                made = await self._post(f"/api/chapters/{chapter}/scenes", title=f"Scene {number}")
                return str(made["id"])

        return list(await asyncio.gather(*(scene(number) for number in range(count))))

    async def places(self, names: Sequence[str]) -> list[Place]:
        """The scene's identifier is the room; a fresh access token lets the client in."""
        await self._sign_in()
        base = self._url.replace("http", "ws", 1)
        return [(name, f"{base}/collab/{name}?token={self._token}") for name in names]

    def family(self) -> list[psutil.Process]:
        """The supervisor, each part, and all their children."""
        return processes.family(self._pids)

    async def stop(self) -> None:
        """Bring the stack down in order."""
        await terminate(self._host)
        self._host, self._pids = None, []

    def kill(self) -> None:
        """Kill the supervisor, the services, PostgreSQL and NATS in one go."""
        processes.kill(self.family())
        self._host, self._pids = None, []

    async def _chapter_id(self) -> str:
        if self._chapter is None:
            project = await self._post("/api/projects", name="Bench", editor="plain")
            book = await self._post(
                f"/api/projects/{project['id']}/books", title="Bench", kind="novel"
            )
            chapter = await self._post(f"/api/books/{book['id']}/chapters", title="Bench")
            self._chapter = str(chapter["id"])
        return self._chapter

    async def _sign_in(self) -> None:
        if self._token and time.monotonic() - self._token_at < TOKEN_AGE_MAX_S:
            return
        if self._registered:
            answer = await self._send("/api/auth/login", self._account, {})
        else:
            body = self._account | {"displayName": "Bench"}
            answer = await self._send("/api/auth/register", body, {})
            self._registered = True
        self._token, self._token_at = answer["accessToken"], time.monotonic()

    async def _post(self, path: str, **body: str) -> Any:
        await self._sign_in()
        return await self._send(path, body, {"Authorization": f"Bearer {self._token}"})

    async def _send(self, path: str, body: dict[str, str], headers: dict[str, str]) -> Any:
        async with httpx.AsyncClient(base_url=self._url, timeout=30) as http:
            for _ in range(RETRIES_MAX):
                answer = await http.post(path, json=body, headers=headers)
                if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                    answer.raise_for_status()
                    return answer.json()
                await asyncio.sleep(float(answer.headers.get("Retry-After", "1")))
        raise RuntimeError(f"{path} stayed rate-limited after {RETRIES_MAX} tries")
