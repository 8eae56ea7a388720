"""`python -m tests.bench.blobs`: files through the gateway, beside `cp` and `curl`; collection.

On stacks of its own. CPU seconds are of all services, wall time depends on who else is at work.
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import psutil

from libs.bus import Caller, connect_broker
from libs.contracts.actor import Actor
from libs.contracts.blob_operations import COLLECT, Collect, Collection, Fate
from libs.stack import Stack
from libs.stack.ports import LOOPBACK, choose_port
from tests.bench.figures import percentile
from tests.gateway.support import Person
from tests.support.stack import real_stack

MIB = 1 << 20
UPLOADS = 150
LARGE_BYTES = 512 * MIB
SMALL_FILES = 10_000
SMALL_AT_ONCE = 16
ROWS = 1_000_000
GARBAGE_EVERY = 20
"""One of so many rows is referred to by nothing."""
SERVICES = ("gateway-1", "events-1", "blobs-1")
QUIET = {"SCRIPTORIUM_COLLECTION": "false", "SCRIPTORIUM_QUOTA_BYTES": "1000000000000"}
FILL = """
    INSERT INTO blobs (project_id, sha256, size, stored_size, codec, media_type, asset_type, key,
        created_by, touched_at)
    SELECT $1::uuid, lpad(to_hex(n), 64, '0'), 1000, 1000, 'identity', 'text/plain', 'attachment',
        $1::uuid::text || '/00/' || lpad(to_hex(n), 32, '0'), $1::uuid, now() - interval '200 days'
    FROM generate_series(1, $2::int) AS n
"""
REFER = """
    INSERT INTO refs (project_id, sha256, source, source_id)
    SELECT $1, lpad(to_hex(n), 64, '0'), 'path', gen_random_uuid()
    FROM generate_series(1, $2::int) AS n WHERE n % $3 <> 0
"""


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
        """MiB of one part."""
        pid = self.stack.pid(part)
        return psutil.Process(pid).memory_info().rss / MIB if pid else 0.0


@asynccontextmanager
async def bench() -> AsyncGenerator[Bench]:
    with tempfile.TemporaryDirectory(prefix="bench-blobs-") as folder:
        replicas = {"gateway": 1, "events": 1, "blobs": 1}
        async with (
            real_stack(Path(folder), replicas=replicas, environment=QUIET) as stack,
            httpx.AsyncClient(
                base_url=stack.url, timeout=600, limits=httpx.Limits(max_connections=64)
            ) as http,
        ):
            person = await Person.register(http)
            project = await person.made("/api/projects", {"name": "Bench"})
            yield Bench(stack, person, UUID(project["id"]), Path(folder))


async def uploads() -> None:
    """One after the other, of 1 MB that cannot be compressed."""
    async with bench() as b:
        await b.upload(os.urandom(MIB))
        cpu_s = b.cpu_s()
        took = [await b.upload(os.urandom(1_000_000)) for _ in range(UPLOADS)]
        used_ms = (b.cpu_s() - cpu_s) / UPLOADS * 1000
        print(
            f"1 MB uploads: p50 {percentile(took, 50):.1f} ms, p95 {percentile(took, 95):.1f} ms,"
            f" max {max(took):.0f} ms of {UPLOADS}; {used_ms:.1f} ms of CPU each"
        )


async def throughput() -> None:
    """One large file up and down with curl, and the same bytes by cp and by curl alone."""
    async with bench() as b:
        source, copy, back = (b.folder / name for name in ("source", "copy", "back"))
        with source.open("wb") as file:
            for _ in range(LARGE_BYTES // MIB):
                file.write(os.urandom(MIB))
        peak = asyncio.create_task(_peak(b))
        cp_s = await _timed(lambda: _run("sh", "-c", f"cp {source} {copy} && sync {copy}"))
        copy.unlink()
        auth = ("-H", f"Authorization: Bearer {b.person.access_token}")
        url = f"{b.stack.url}{b.path}"
        cpu_s = b.cpu_s()
        kind = ("-H", "Content-Type: application/octet-stream", "-X", "POST")
        up_s = await _timed(lambda: _run("curl", "-sfT", str(source), *auth, *kind, url))
        up_cpu_s = b.cpu_s() - cpu_s
        sha256 = hashlib.file_digest(source.open("rb"), "sha256").hexdigest()
        cpu_s = b.cpu_s()
        down_s = await _timed(lambda: _run("curl", "-sfo", str(back), *auth, f"{url}/{sha256}"))
        down_cpu_s = b.cpu_s() - cpu_s
        assert hashlib.file_digest(back.open("rb"), "sha256").hexdigest() == sha256
        back.unlink()
        with _plain_server(b.folder) as plain:
            curl_s = await _timed(lambda: _run("curl", "-sfo", str(back), f"{plain}/source"))
        peak.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await peak
        size = LARGE_BYTES / 1e6
        print(f"{size:.0f} MB: cp and sync {size / cp_s:.0f} MB/s, curl {size / curl_s:.0f} MB/s")
        print(
            f"  up {size / up_s:.0f} MB/s ({cp_s / up_s:.2f} of cp), {up_cpu_s:.1f} s of CPU;"
            f" down {size / down_s:.0f} MB/s ({curl_s / down_s:.2f} of curl), {down_cpu_s:.1f} s"
        )
        print("  peak MiB: " + ", ".join(f"{part} {rss:.0f}" for part, rss in PEAK.items()))


async def small() -> None:
    """Many small files at once."""
    async with bench() as b:
        left = iter(range(SMALL_FILES))
        took: list[float] = []

        async def client() -> None:
            for number in left:
                took.append(await b.upload(f"small file number {number}\n".encode() * 20))

        cpu_s, began = b.cpu_s(), time.perf_counter()
        await asyncio.gather(*(client() for _ in range(SMALL_AT_ONCE)))
        seconds = time.perf_counter() - began
        print(
            f"{SMALL_FILES:,} small files by {SMALL_AT_ONCE}: {SMALL_FILES / seconds:.0f}/s,"
            f" p95 {percentile(took, 95):.0f} ms,"
            f" {(b.cpu_s() - cpu_s) / SMALL_FILES * 1000:.1f} ms of CPU each"
        )


async def collection() -> None:
    """A million rows, one of twenty to collect, while somebody uploads."""
    async with bench() as b:
        owner = await asyncpg.connect(b.stack.postgres_url("blobs", "postgres"))
        await owner.execute(FILL, b.project_id, ROWS, timeout=600)
        await owner.execute(REFER, b.project_id, ROWS, GARBAGE_EVERY, timeout=600)
        await owner.execute(
            "INSERT INTO accounts (project_id, bytes, stored_bytes, blobs)"
            " VALUES ($1, $2::bigint * 1000, $2::bigint * 1000, $2::bigint)"
            " ON CONFLICT (project_id) DO UPDATE SET bytes = excluded.bytes,"
            " stored_bytes = excluded.stored_bytes, blobs = excluded.blobs",
            b.project_id,
            ROWS,
        )
        await owner.execute("VACUUM ANALYZE", timeout=600)
        alone = [await b.upload(os.urandom(1_000_000)) for _ in range(40)]
        before = b.memory("blobs-1")
        print(f"collection over {ROWS:,} rows; uploads of 1 MB alone: {_p(alone)}")
        dry = await _beside(b, "a dry run", dry_run=True)
        await _beside(b, "condemning")
        await owner.execute(
            "UPDATE blobs SET condemned_at = condemned_at - interval '2 days'"
            " WHERE state = 'condemned'",
            timeout=600,
        )
        done = await _beside(b, "collecting")
        assert dry.tallies[Fate.CONDEMN].blobs == done.tallies[Fate.COLLECT].blobs
        print(f"  blobs-1: {before:.0f} MiB before, {b.memory('blobs-1'):.0f} MiB after")
        await owner.close()


async def _beside(b: Bench, what: str, *, dry_run: bool = False) -> Collection:
    """Collect while somebody uploads."""
    broker, client = await connect_broker(
        b.stack.nats_url("gateway"), service="gateway", replica="bench"
    )
    cpu_s, took = b.cpu_s(), list[float]()
    question = Collect(dry_run=dry_run, items=0)
    collecting = asyncio.create_task(
        Caller(client).ask(COLLECT, question, Actor(user_id=b.project_id), deadline_s=900)
    )
    while not collecting.done():
        took.append(await b.upload(os.urandom(1_000_000)))
        await asyncio.sleep(0.05)
    done = await collecting
    await broker.stop()
    fates = ", ".join(f"{fate} {tally.blobs:,}" for fate, tally in done.tallies.items())
    used_s = b.cpu_s() - cpu_s
    print(f"  {what}: {done.seconds:.1f} s, {used_s:.1f} s of CPU ({fates}); uploads {_p(took)}")
    return done


PEAK: dict[str, float] = {}


async def _peak(b: Bench) -> None:
    while True:
        for part in SERVICES:
            PEAK[part] = max(PEAK.get(part, 0.0), b.memory(part))
        await asyncio.sleep(0.05)


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0, command


@contextmanager
def _plain_server(folder: Path) -> Generator[str]:
    port = choose_port(set())
    command = (sys.executable, "-m", "http.server", str(port), "--bind", LOOPBACK)
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(1)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        process.terminate()
        process.wait()


def _p(took: list[float]) -> str:
    return f"p50 {percentile(took, 50):.0f}, p95 {percentile(took, 95):.0f} ms of {len(took)}"


async def main() -> None:
    """Measure what was asked for, or everything, and print."""
    assert shutil.which("curl"), "curl is needed"
    parts = {
        "uploads": uploads,
        "throughput": throughput,
        "small": small,
        "collection": collection,
    }
    for name in sys.argv[1:] or parts:
        await parts[name]()


if __name__ == "__main__":
    asyncio.run(main())
