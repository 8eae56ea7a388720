"""Many small files, up and down, beside the same files on the disk by `cp` and by plain Python."""

import asyncio
import hashlib
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

from tests.bench.blobs_bench import Bench, bench, run, timed, told

FILES = 10_000
BYTES_MIN, BYTES_MAX = 1 << 10, 8 << 10
AT_ONCE = 16


def contents() -> list[bytes]:
    """Return the files, one half text."""
    draw = Random(1)
    line = b"The rain fell in torrents, except at occasional intervals. %d\n"
    made: list[bytes] = []
    for number in range(FILES):
        size = draw.randint(BYTES_MIN, BYTES_MAX)
        text = b"".join(line % (number * 1000 + each) for each in range(size // 58))
        made.append(text if number % 2 else draw.randbytes(size))
    return made


async def small() -> None:
    """Through the gateway by AT_ONCE clients; on the disk each with an fsync of its own."""
    files = contents()
    async with bench() as b:
        source, copy, plain = (b.folder / name for name in ("source", "copy", "plain"))
        source.mkdir()
        for number, content in enumerate(files):
            (source / str(number)).write_bytes(content)
        command = f"cp -r {source} {copy} && find {copy} -type f -print0 | xargs -0 sync"
        disk_s = {
            "cp and fsync": await timed(lambda: run("sh", "-c", command)),
            "plain Python": await timed(lambda: asyncio.to_thread(_write, plain, files)),
        }
        names = [hashlib.sha256(content).hexdigest() for content in files]

        async def down(number: int) -> float:
            began = time.perf_counter()
            answer = await b.person.get(f"{b.path}/{names[number]}")
            assert len(answer.content) == len(files[number])
            return (time.perf_counter() - began) * 1000

        up_s = await _by_many(b, "up", lambda number: b.upload(files[number]))
        await _by_many(b, "down", down)
        for what, seconds in disk_s.items():
            print(f"  {what}: {FILES / seconds:.0f}/s; up is {seconds / up_s:.3f} of it")


async def _by_many(b: Bench, what: str, work: Callable[[int], Awaitable[float]]) -> float:
    left, took = iter(range(FILES)), list[float]()

    async def client() -> None:
        for number in left:
            took.append(await work(number))

    cpu_s, began = b.cpu_s(), time.perf_counter()
    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    seconds = time.perf_counter() - began
    used_ms = (b.cpu_s() - cpu_s) / FILES * 1000
    rate = f"{FILES / seconds:.0f}/s by {AT_ONCE}"
    print(f"{FILES:,} small files {what}: {rate}, {told(took)}, {used_ms:.1f} ms of CPU each")
    return seconds


def _write(folder: Path, files: list[bytes]) -> None:
    folder.mkdir()
    for number, content in enumerate(files):
        with (folder / str(number)).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
