"""`python -m tests.bench.snapshots`: how long a snapshot takes, by size of the scene.

Taken on demand through the gateway, on a stack of its own; nothing else runs on it.
"""

import asyncio
import random
import tempfile
import time
from pathlib import Path

from tests.bench.figures import percentile
from tests.support.scenery import Scenery
from tests.support.stack import real_stack

SIZES = (10_000, 100_000, 1_000_000)
TIMES = 20
WORDS = "it was on a dreary night of november that i beheld the accomplishment of my toils"
LINE_WORDS = 12
CALM = {"SCRIPTORIUM_SNAPSHOT_INTERVAL_S": "3600", "SCRIPTORIUM_DIVERGENCE_SAMPLING": "false"}


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        async with real_stack(Path(folder), environment=CALM) as stack:
            scenery = await Scenery.begin(stack)
            print("scene, chars | stored, bytes | made p50 / p95, ms | answered p50 / p95, ms")
            for size in SIZES:
                print(await measure(scenery, size))
            await scenery.close()


async def measure(scenery: Scenery, size: int) -> str:
    """Snapshots of one scene of *size* characters."""
    http, scene = scenery.person.http, await scenery.scene()
    text = prose(size)
    body = {"format": "text", "content": text}
    (await http.put(f"/api/scenes/{scene}/content", json=body)).raise_for_status()
    made: list[float] = []
    answered: list[float] = []
    stored = 0
    for attempt in range(TIMES + 1):
        started = time.perf_counter()
        answer = await http.post(f"/api/scenes/{scene}/snapshot", json={"force": True})
        answer.raise_for_status()
        if attempt:  # the first one starts the worker process
            answered.append((time.perf_counter() - started) * 1e3)
            made.append(answer.json()["generation_time_ms"])
        stored = answer.json()["snapshot_size_bytes"]
    figures = [
        f"{percentile(each, 50):.0f} / {percentile(each, 95):.0f}" for each in (made, answered)
    ]
    return f"{size:>12,} | {stored:>13,} | {figures[0]:>18} | {figures[1]:>22}"


def prose(size: int) -> str:
    """Lines of words in no order, the same each time: a repeated line would compress to nothing."""
    choose = random.Random(size)
    text = "\n".join(
        " ".join(choose.choices(WORDS.split(), k=LINE_WORDS)) for _ in range(size // LINE_WORDS)
    )
    return text[:size]


if __name__ == "__main__":
    asyncio.run(main())
