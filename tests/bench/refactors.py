"""`python -m tests.bench.refactors`: a new name in 500 scenes while 20 people type in them.

One stack on this machine, with the load beside it. The times of typing are from a key to its
acknowledgement, before anything else happens, while hits are found, and while they are applied.
The bar of typing is a ratio to its own time before, so it holds on a busy machine, too. Exits with
1 when a bar is missed.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from tests.bench.figures import Figure, percentile
from tests.collab.review.novels import Novel
from tests.support.people import People
from tests.support.stack import real_stack
from tests.support.yclient import YClient

SCENES = 500
PEOPLE = 20
KEY_PAUSE_S = 0.2
BEFORE_S = 10.0
APPLY_S_BAR = 5
TYPING_RATIO_BAR = 2
LOOK_S = 0.002
FOUND_WAIT_S = 900.0
_WITH = "Mara crossed the yard, and the wind took Mara's hat. Nobody came when Mara called. " * 2
_WITHOUT = "The yard was wide, and the dogs lay asleep in the sun of that long afternoon. " * 4
TEXT = "\n".join([_WITH, *[_WITHOUT] * 5] * 4)
"""About 1,300 words with two dozen names."""


class Typing:
    """People who type, and how long their keys took, by the phase in which they were struck."""

    def __init__(self) -> None:
        """Begin before everything else."""
        self.phase = "before"
        self.took_ms: dict[str, list[float]] = {}
        self._over = asyncio.Event()

    async def type_in(self, address: str) -> None:
        """Strike a key now and then until it is over."""
        async with YClient(lambda: address) as writer:
            while not self._over.is_set():
                phase, started = self.phase, time.perf_counter()
                writer.type("x", at=0)
                clock = max(writer.sent_at, default=0)
                while writer.acked < clock:  # noqa: ASYNC110 (the client tells nobody)
                    await asyncio.sleep(LOOK_S)
                took = (time.perf_counter() - started) * 1000
                self.took_ms.setdefault(phase, []).append(took)
                await asyncio.sleep(KEY_PAUSE_S)

    def end(self) -> None:
        """Let everybody stop."""
        self._over.set()

    def p95(self, *phases: str) -> float:
        """The 95th percentile of the keys of some phases."""
        return percentile([took for phase in phases for took in self.took_ms[phase]], 95)


async def main() -> int:
    """Measure; returns 1 when a bar is missed."""
    with tempfile.TemporaryDirectory() as folder:
        async with real_stack(Path(folder)) as stack, People(stack.url) as people:
            ada = await people.join("Ada")
            novel = await Novel.written(ada, [TEXT] * SCENES, editor="plain")
            host = stack.gateways[0].replace("http", "ws", 1)
            figures = await _measured(novel, f"{host}/collab/{{}}?token={ada.token}&acks=1")
    for figure in figures:
        sys.stdout.write(f"{figure.line()}\n")
    return int(any(figure.missed for figure in figures))


async def _measured(novel: Novel, address: str) -> list[Figure]:
    typing = Typing()
    typists = [
        asyncio.create_task(typing.type_in(address.format(scene)))
        for scene in novel.scenes[:PEOPLE]
    ]
    await asyncio.sleep(BEFORE_S)
    typing.phase = "finding"
    started = time.perf_counter()
    made = (await novel.propose()).json()
    found = await _found(novel, made["id"])
    finding_s = time.perf_counter() - started
    typing.phase = "applying"
    started = time.perf_counter()
    await novel.does(made, "apply")
    apply_s = time.perf_counter() - started
    typing.phase = "after"
    await asyncio.sleep(1)
    typing.end()
    await asyncio.gather(*typists)
    before = typing.p95("before")
    hits = found["counts"]["sure"]
    return [
        Figure(f"finding {hits:,} hits in {SCENES} scenes", finding_s, "s"),
        Figure("applying them in one transaction", apply_s, "s", below=APPLY_S_BAR),
        Figure("typing before, p95", before, "ms"),
        Figure("typing while hits are found, p95", typing.p95("finding"), "ms"),
        Figure("typing while they are applied, p95", typing.p95("applying"), "ms"),
        Figure(
            "typing while they are applied, p95, times before",
            typing.p95("applying") / before,
            "x",
            below=TYPING_RATIO_BAR,
        ),
        Figure(
            "typing during all of it, p95, times before",
            typing.p95("finding", "applying") / before,
            "x",
            below=TYPING_RATIO_BAR,
        ),
    ]


async def _found(novel: Novel, refactor: str) -> Any:
    async with asyncio.timeout(FOUND_WAIT_S):
        while True:
            now = await novel.read(refactor, limit=1)
            if now["state"] != "FINDING":
                return now
            await asyncio.sleep(1)


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
