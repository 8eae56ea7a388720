"""One run: one freshly started system with empty data, one load generator, one scenario."""

import contextlib
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import processes
from tests.bench.generator import Generator
from tests.bench.systems import System

WARM_UP_S = 2.0

type Figures = dict[str, float]
type Measure = Callable[["Run"], Awaitable[Figures]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how large: the full bench, or a quick look."""

    seconds: float  # of each fixed-rate window
    step_s: float  # of each step of a search for the most edits
    quick: bool

    def size(self, full: int, quick: int) -> int:
        """*full*, or *quick* in a quick look."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True)
class Run:
    """What a scenario works with."""

    system: System
    load: Generator
    crowd: Generator
    """A second generator, so that a storm does not delay the eyes that watch a writer."""
    plan: Plan
    say: Callable[[str], None]

    async def open(self, rooms: int, *, clients: int, writers: int, watchers: int = 1) -> list[str]:
        """New rooms with *clients* each, connected; the last *watchers* of each time edits."""
        names = await self.system.create(rooms)
        await self.enter(names, clients=clients, writers=writers, watchers=watchers)
        return names

    async def enter(
        self, names: Sequence[str], *, clients: int, writers: int, watchers: int = 1
    ) -> None:
        """Connect *clients* to each of these rooms."""
        places = await self.system.places(names)
        opened = await self.load.do(
            "open", places=places, clients=clients, writers=writers, watchers=watchers
        )
        if opened["open"] != clients * len(names):
            raise RuntimeError(f"only {opened['open']} of {clients * len(names)} clients stayed")

    async def typed(self, per_second: float, *, receivers: int) -> Figures:
        """Warm up, then type at a fixed rate; latency, and CPU per 1,000 deliveries.

        A delivery is one edit reaching one of its *receivers*, however the server merged it.
        CPU is that of all the system's processes from the first edit until the last was seen.
        """
        await self.load.do("type", per_second=per_second, seconds=WARM_UP_S)
        typed = await self.type(per_second, self.plan.seconds)
        deliveries = typed["sent"] * receivers
        shown = ("p50_ms", "p95_ms", "p99_ms", "unseen", "generator_busy", "others_busy")
        return {
            **{name: typed[name] for name in shown},
            "edits_per_s": typed["sent"] / typed["seconds"],
            "cpu_s_per_1000_deliveries": typed["cpu_s"] / deliveries * 1000,
            **await self.proven(),
        }

    async def type(self, per_second: float, seconds: float) -> dict[str, Any]:
        """Type, and add the system's CPU seconds and the cores that strangers kept busy."""
        before, everyone_before = processes.cpu_s(self.system.family()), processes.machine_cpu_s()
        ours_before = processes.cpu_s(processes.family([os.getpid()]))
        start = time.perf_counter()
        typed = await self.load.do("type", per_second=per_second, seconds=seconds)
        elapsed = time.perf_counter() - start
        spent_s = processes.cpu_s(self.system.family()) - before
        ours_s = processes.cpu_s(processes.family([os.getpid()])) - ours_before
        strangers_s = processes.machine_cpu_s() - everyone_before - ours_s
        return typed | {"cpu_s": spent_s, "others_busy": max(0.0, strangers_s / elapsed)}

    async def write(self, updates: int, size: int, *, run: int) -> None:
        """Fill every open room with scattered prose, at a pace every system sustains."""
        written = await self.load.do(
            "write", updates=updates, size=size, run=run, window=200, per_second=8000
        )
        if written["unseen"]:
            raise RuntimeError(f"{written['unseen']} characters were never seen while writing")

    async def proven(self) -> Figures:
        """Whether everyone, a fresh client included, ended with the same complete text."""
        proof = await self.load.do("verify")
        for sentence in proof["wrong"]:
            self.say(f"NOT CONVERGED  {self.system.name}  {sentence}")
        return {"converged": float(proof["converged"])}

    async def join(self, name: str, expected: dict[str, int], timeout_s: float) -> Any:
        """Join *name* as a fresh client; see `Load.join`."""
        (place,) = await self.system.places([name])
        return await self.load.do("join", place=place, expected=expected, timeout_s=timeout_s)


@asynccontextmanager
async def session(
    make: Callable[[Path], System], plan: Plan, say: Callable[[str], None]
) -> AsyncGenerator[Run]:
    """Start a system on an empty directory and a generator; end both and delete the data."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        system = make(Path(folder) / "data")
        await system.start()
        load = await Generator.start(system.dialect)
        crowd = await Generator.start(system.dialect)
        try:
            yield Run(system, load, crowd, plan, say)
        finally:
            await load.stop()
            await crowd.stop()
            with contextlib.suppress(ProcessLookupError):
                await system.stop()
            processes.kill(system.family())
