"""`python -m tests.bench.blobs [--only NAME...] [--bytes N]`: files, beside `cp` and `curl`.

Ends with 1 when a bar is missed; `large` sends N bytes, 2 GiB by default.

On stacks of its own. CPU seconds are of all services, wall time depends on who else is at work.
"""

import argparse
import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.blobs_bench import MIB, MISSED, SERVICES, bar, bench, run, timed
from tests.bench.blobs_collection import background, collection
from tests.bench.blobs_large import LARGE_BYTES as SENT_BYTES
from tests.bench.blobs_large import large, notes
from tests.bench.blobs_small import small
from tests.bench.figures import percentile
from tools.stack.ports import LOOPBACK, choose_port

UPLOADS = 150
UPLOAD_MS_MAX = 100
LARGE_BYTES = 512 * MIB


async def uploads() -> None:
    """One after the other, of 1 MiB that cannot be compressed."""
    async with bench() as b:
        await b.upload(os.urandom(MIB))
        cpu_s = b.cpu_s()
        took = [await b.upload(os.urandom(MIB)) for _ in range(UPLOADS)]
        used_ms = (b.cpu_s() - cpu_s) / UPLOADS * 1000
        print(
            f"1 MiB uploads: p50 {percentile(took, 50):.1f} ms, p95 {percentile(took, 95):.1f} ms,"
            f" max {max(took):.0f} ms of {UPLOADS}; {used_ms:.1f} ms of CPU each"
        )
        bar("p95 of 1 MiB uploads", percentile(took, 95), UPLOAD_MS_MAX, "ms")


async def throughput() -> None:
    """One large file up and down with curl, and the same bytes by cp and by curl alone."""
    async with bench() as b:
        source, copy, back = (b.folder / name for name in ("source", "copy", "back"))
        with source.open("wb") as file:
            for _ in range(LARGE_BYTES // MIB):
                file.write(os.urandom(MIB))
        cp_s = await timed(lambda: run("sh", "-c", f"cp {source} {copy} && sync {copy}"))
        copy.unlink()
        auth = ("-H", f"Authorization: Bearer {b.person.access_token}")
        url = f"{b.stack.url}{b.path}"
        cpu_s = b.cpu_s()
        kind = ("-H", "Content-Type: application/octet-stream", "-X", "POST")
        up_s = await timed(lambda: run("curl", "-sfT", str(source), *auth, *kind, url))
        up_cpu_s = b.cpu_s() - cpu_s
        sha256 = hashlib.file_digest(source.open("rb"), "sha256").hexdigest()
        cpu_s = b.cpu_s()
        down_s = await timed(lambda: run("curl", "-sfo", str(back), *auth, f"{url}/{sha256}"))
        down_cpu_s = b.cpu_s() - cpu_s
        assert hashlib.file_digest(back.open("rb"), "sha256").hexdigest() == sha256
        back.unlink()
        with _plain_server(b.folder) as plain:
            curl_s = await timed(lambda: run("curl", "-sfo", str(back), f"{plain}/source"))
        size = LARGE_BYTES / 1e6
        print(f"{size:.0f} MB: cp and sync {size / cp_s:.0f} MB/s, curl {size / curl_s:.0f} MB/s")
        print(
            f"  up {size / up_s:.0f} MB/s ({cp_s / up_s:.2f} of cp), {up_cpu_s:.1f} s of CPU;"
            f" down {size / down_s:.0f} MB/s ({curl_s / down_s:.2f} of curl), {down_cpu_s:.1f} s"
        )
        print("  peak MB: " + ", ".join(f"{part} {b.peak_mb(part):.0f}" for part in SERVICES))


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


SCENARIOS: dict[str, Callable[[int], Awaitable[None]]] = {
    "uploads": lambda _: uploads(),
    "notes": lambda _: notes(),
    "large": large,
    "throughput": lambda _: throughput(),
    "small": lambda _: small(),
    "background": lambda _: background(),
    "collection": lambda _: collection(),
}


async def main(names: list[str], size: int) -> int:
    """Measure and print; returns 1 when a bar was missed."""
    assert shutil.which("curl"), "curl is needed"
    for name in names:
        load = " ".join(f"{each:.1f}" for each in os.getloadavg())
        print(f"-- {name} (load {load})", flush=True)
        await SCENARIOS[name](size)
    return 1 if MISSED else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.blobs")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--bytes", type=int, default=SENT_BYTES)
    given = parser.parse_args()
    sys.exit(asyncio.run(main(given.only, given.bytes)))
