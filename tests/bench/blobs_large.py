"""One large file through the gateway both ways, and the memory it takes; notes with content."""

import hashlib
import os
import time
from collections.abc import AsyncGenerator

from tests.bench.blobs_bench import MIB, bar, bench
from tests.bench.figures import percentile
from tests.support.memory import forget_peak

LARGE_BYTES = 2 << 30
MEMORY_MB_MAX = 150
PARTS = ("gateway-1", "blobs-1")
NOTES = 300
NOTE_CHARS = 4_000
NOTE_MS_MAX = 200


async def large(size: int) -> None:
    """Send and fetch *size* bytes that cannot be compressed, never holding them here either."""
    noise = os.urandom(MIB)
    sent = hashlib.sha256()

    async def body() -> AsyncGenerator[bytes]:
        for start in range(0, size, MIB):
            part = (start.to_bytes(8) + noise[8:])[: size - start]
            sent.update(part)
            yield part

    async with bench() as b:
        # Hashing the password of whoever registered took memory, too.
        before = ", ".join(f"{part} {b.peak_mb(part):.0f}" for part in PARTS)
        print(f"peak MB of starting and registering: {before}")
        for part in PARTS:
            forget_peak(b.stack.pid(part))
        began = time.perf_counter()
        headers = {"Content-Length": str(size)}
        answer = await b.person.ask("POST", b.path, content=body(), headers=headers)
        assert answer.status_code == 201, answer.text
        up_s, began = time.perf_counter() - began, time.perf_counter()
        came = hashlib.sha256()
        auth = {"Authorization": f"Bearer {b.person.access_token}"}
        place = f"{b.path}/{sent.hexdigest()}"
        async with b.person.http.stream("GET", place, headers=auth) as download:
            async for part in download.aiter_raw():
                came.update(part)
        down_s = time.perf_counter() - began
        assert came.digest() == sent.digest()
        size_mb = size / 1e6
        print(f"{size_mb:.0f} MB: up {size_mb / up_s:.0f}, down {size_mb / down_s:.0f} MB/s")
        for part in PARTS:
            bar(f"{part} at its peak", b.peak_mb(part), MEMORY_MB_MAX, "MB")


async def notes() -> None:
    """Notes with content, one after the other: bytes first, then both events, then the answer."""
    async with bench() as b:
        took: list[float] = []
        for number in range(NOTES + 1):
            note = {"type": "note", "name": f"Note {number}", "content": f"{number} " * NOTE_CHARS}
            note["content"] = note["content"][:NOTE_CHARS]
            began = time.perf_counter()
            answer = await b.person.post(f"/api/projects/{b.project_id}/entities", note)
            assert answer.status_code == 201, answer.text
            took.append((time.perf_counter() - began) * 1000)
        took = took[1:]
        print(f"notes with content: p50 {percentile(took, 50):.0f} ms, max {max(took):.0f} ms")
        bar(f"p95 of {len(took)} notes with content", percentile(took, 95), NOTE_MS_MAX, "ms")
