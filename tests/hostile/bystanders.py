"""Two pairs of people typing while somebody else misbehaves: in the same scene, and in another."""

import asyncio
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import psutil

from tests.support.scenery import Scenery
from tests.support.yclient import YClient
from tools.stack import Stack

PAUSE_S = 0.05
ARRIVAL_WAIT_S = 10.0
SILENCE_S_MAX = 5.0
"""Generous, for busy machines; the figures are printed."""
GROWTH_FACTOR_MAX = 2
GROWTH_BYTES_MAX = 200 << 20


@dataclass
class Pair:
    """One types, the other reads."""

    writer: YClient
    reader: YClient
    latencies_s: list[float] = field(default_factory=list[float])

    async def type(self) -> None:
        """Type until cancelled, and measure each edit's way."""
        while True:
            self.writer.type("x")
            began = time.monotonic()
            await self.reader.until(self.arrived, ARRIVAL_WAIT_S)
            self.latencies_s.append(time.monotonic() - began)
            await asyncio.sleep(PAUSE_S)

    def arrived(self) -> bool:
        return self.reader.clocks().get(self.writer.id, 0) >= self.writer.clock


@dataclass
class Calm:
    """What the bystanders had, for the report."""

    scene: UUID
    """Where the misbehaviour belongs: one pair is in it too."""
    pairs: list[Pair]
    figures: dict[str, float] = field(default_factory=dict[str, float])


@asynccontextmanager
async def undisturbed(scenery: Scenery, *, scene: UUID | None = None) -> AsyncGenerator[Calm]:
    """Let bystanders type during the block; afterwards claim that they noticed nothing.

    Nothing died, nothing grew out of bounds, no connection was lost, every edit arrived.
    """
    stack = scenery.stack
    pids = {part: stack.pid(part) for part in stack.parts}
    sizes = {part: _size(stack, part) for part in stack.parts}
    near = scene or await scenery.scene()
    pairs = [
        Pair(YClient(scenery.address(place), "writer"), YClient(scenery.address(place), "reader"))
        for place in (near, await scenery.scene())
    ]
    calm = Calm(near, pairs)
    clients = [client for pair in pairs for client in (pair.writer, pair.reader)]
    try:
        for client in clients:
            client.start()
        for client in clients:
            await client.wait_synced()
        async with asyncio.TaskGroup() as tasks:
            typing = [tasks.create_task(pair.type()) for pair in pairs]
            await asyncio.sleep(2 * PAUSE_S)
            yield calm
            for task in typing:
                task.cancel()
        for pair in pairs:
            await pair.reader.until(pair.arrived, ARRIVAL_WAIT_S)
        _report(calm, stack, sizes)
        assert all(client.connections == 1 for client in clients)
        assert all(len(pair.latencies_s) > 1 for pair in pairs)
        assert calm.figures["slowest_ms"] < SILENCE_S_MAX * 1000
        assert {part: stack.pid(part) for part in stack.parts} == pids
        assert all(stack.restarts(part) == 0 for part in stack.parts)
        for part, before in sizes.items():
            assert _size(stack, part) < GROWTH_FACTOR_MAX * before + GROWTH_BYTES_MAX, part
    finally:
        await asyncio.gather(*(client.stop() for client in clients))


def _report(calm: Calm, stack: Stack, sizes: dict[str, int]) -> None:
    latencies = [latency for pair in calm.pairs for latency in pair.latencies_s]
    calm.figures = {
        "edits": len(latencies),
        "median_ms": round(statistics.median(latencies) * 1000, 1),
        "slowest_ms": round(max(latencies) * 1000, 1),
        "grown_mb": max(
            round((_size(stack, part) - before) / (1 << 20), 1) for part, before in sizes.items()
        ),
    }
    print(f"\nbystanders: {calm.figures}")


def _size(stack: Stack, part: str) -> int:
    pid = stack.pid(part)
    assert pid
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)] if part != "postgres" else [process]
    return sum(member.memory_info().rss for member in family)
