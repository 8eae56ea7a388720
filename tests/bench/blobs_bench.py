"""A stack with a person who stores files, and what it uses."""

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import psutil

from tests.bench.figures import percentile
from tests.gateway.support import Person
from tests.support.memory import peak_bytes
from tests.support.stack import real_stack
from tools.stack import Stack

MIB = 1 << 20
CONNECTIONS_MAX = 64
SERVICES = ("gateway-1", "events-1", "blobs-1")
QUIET = {"SCRIPTORIUM_COLLECTION": "false", "SCRIPTORIUM_QUOTA_BYTES": "1000000000000"}


MISSED: list[str] = []
"""Bars that were not kept."""


@dataclass
class Bench:
    """A person with a project."""

    stack: Stack
    person: Person
    project_id: UUID
    folder: Path

    @property
    def path(self) -> str:
        return f"/api/projects/{self.project_id}/blobs"

    async def upload(self, content: bytes) -> float:
        """Upload; returns milliseconds."""
        began = time.perf_counter()
        answer = await self.person.ask("POST", self.path, content=content)
        assert answer.status_code == 201, answer.text
        return (time.perf_counter() - began) * 1000

    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(pid) for part in SERVICES if (pid := self.stack.pid(part))]

    def cpu_s(self) -> float:
        """CPU that the services have used."""
        times = [each.cpu_times() for each in self.processes()]
        return sum(each.user + each.system for each in times)

    def memory(self, part: str) -> float:
        """MB of one part."""
        pid = self.stack.pid(part)
        return psutil.Process(pid).memory_info().rss / 1e6 if pid else 0.0

    def peak_mb(self, part: str) -> float:
        """The most that one part ever held, in MB."""
        return peak_bytes(self.stack.pid(part)) / 1e6


@asynccontextmanager
async def bench(environment: Mapping[str, str] = QUIET) -> AsyncGenerator[Bench]:
    with tempfile.TemporaryDirectory(prefix="bench-blobs-") as folder:
        replicas = {"gateway": 1, "events": 1, "blobs": 1}
        async with (
            real_stack(Path(folder), replicas=replicas, environment=environment) as stack,
            httpx.AsyncClient(
                base_url=stack.url,
                timeout=600,
                limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            ) as http,
        ):
            person = await Person.register(http)
            project = await person.made("/api/projects", {"name": "Bench"})
            yield Bench(stack, person, UUID(project["id"]), Path(folder))


def bar(what: str, value: float, most: float, unit: str) -> None:
    """Print whether *value* is below what was promised; whoever asked ends with 1 if it is not."""
    kept = value < most
    if not kept:
        MISSED.append(what)
    word = "kept" if kept else "MISSED"
    print(f"  {what}: {value:.0f} {unit}, bar {most:.0f} {unit}: {word}", flush=True)


async def timed(work: Callable[[], Awaitable[None]]) -> float:
    """Return the seconds that *work* takes."""
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def run(*command: str) -> None:
    """Run a program to its good end."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0, command


def told(took: list[float]) -> str:
    """Return two percentiles of milliseconds, for a line."""
    return f"p50 {percentile(took, 50):.0f}, p95 {percentile(took, 95):.0f} ms of {len(took)}"
